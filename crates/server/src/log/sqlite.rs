//! The log in SQLite: WAL, one row per group commit, synced before `append` returns.
//!
//! Torn writes, a full disk and half-written pages are SQLite's business. Nothing is ever updated,
//! and nothing deleted but what a [`base`] stands for. `application_id` says that the file is ours
//! and `user_version` carries the format of its events: any tool that people have can look, and an
//! older gristmill refuses a newer log.

mod base;
mod convert;
mod wal;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gristmill_model::event::{FORMAT, OLDEST_FORMAT, Record};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::row::{self, Gathering, Row};
use super::{Base, Compaction, Log, LogError, LogId, LogReader};
use base::SqliteCompaction;

/// "gmll": what `file` and other tools know our logs by.
const APPLICATION_ID: u32 = 0x676d_6c6c;
/// The first SQLite without the bug by which a WAL that is reset can damage the database.
const OLDEST_LIBRARY: i32 = 3_051_003;
/// The WAL is copied into the database when it has grown to this many pages (16 MiB), and then
/// written over from its start: it stays bounded, and its blocks are already allocated.
const CHECKPOINT_PAGES: u32 = 4_096;
/// Only a backup or a curious person can hold the file: they get this long.
const BUSY: Duration = Duration::from_secs(10);
/// A start waits this long for a backup to let go of the WAL.
const SETTLE: Duration = Duration::from_secs(1);

const TABLE: &str = "CREATE TABLE commits (
    first_seq INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT";
/// One row: a [`LogId`].
const IDENTITY: &str = "CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL) STRICT";

/// What an append waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The disk: what was acknowledged survives a power cut.
    Full,
    /// The operating system: what was acknowledged survives a crash of the server only. For
    /// benchmarks, and for local work that can be started over.
    Normal,
}

/// The writing side.
#[derive(Debug)]
pub struct SqliteLog {
    path: PathBuf,
    connection: Connection,
    last: u64,
}

impl SqliteLog {
    /// Opens the log, or makes one.
    ///
    /// # Errors
    /// The file is not a log, is of a newer format, or cannot be used.
    pub fn open(path: &Path, durability: Durability) -> Result<SqliteLog, LogError> {
        if rusqlite::version_number() < OLDEST_LIBRARY {
            return Err(LogError::OldLibrary { found: rusqlite::version() });
        }
        let told = |error| LogError::from_sqlite(path, 0, error);
        let mut connection = Connection::open(path).map_err(told)?;
        connection.busy_timeout(BUSY).map_err(told)?;
        let format = found_format(path, &connection)?;
        prepare(path, &mut connection, durability, format)?;
        settle(&connection).map_err(told)?;
        if durability == Durability::Full {
            wal::lay_out(path, CHECKPOINT_PAGES);
        }
        identify(path, &mut connection)?;
        connection.execute_batch(base::TABLES).map_err(told)?;
        let last = last(&connection).map_err(told)?;
        // The names of the database and its WAL must be as durable as what will be in them.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        sync_folder(folder.unwrap_or(Path::new(".")))?;
        Ok(SqliteLog { path: path.to_owned(), connection, last })
    }

    fn insert(&mut self, rows: &[Row]) -> rusqlite::Result<()> {
        if let [row] = rows {
            // One statement is a transaction of its own.
            return insert(&self.connection, row);
        }
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        rows.iter().try_for_each(|row| insert(&transaction, row))?;
        transaction.commit()
    }
}

impl Log for SqliteLog {
    fn append(&mut self, records: &[Record]) -> Result<u64, LogError> {
        let rows = row::rows(self.last + 1, records)?;
        let Some(newest) = rows.last() else { return Ok(self.last) };
        self.insert(&rows).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::TooBig) => LogError::TooLarge {
                bytes: rows.iter().map(|row| row.bytes.len()).max().unwrap_or_default(),
            },
            _ => LogError::from_sqlite(&self.path, self.last, error),
        })?;
        self.last = newest.last();
        Ok(self.last)
    }

    fn last(&self) -> u64 {
        self.last
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(SqliteReader::open(&self.path)?))
    }

    fn compaction(&self) -> Result<Box<dyn Compaction>, LogError> {
        Ok(Box::new(SqliteCompaction::open(&self.path)?))
    }
}

fn insert(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    let [first, count, checksum] = [row.first, row.count, row.checksum].map(u64::cast_signed);
    connection
        .prepare_cached(
            "INSERT INTO commits (first_seq, count, checksum, bytes) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![first, count, checksum, row.bytes])?;
    Ok(())
}

/// The reading side: a connection of its own, so that a long read never holds up an append.
struct SqliteReader {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl SqliteReader {
    fn open(path: &Path) -> Result<SqliteReader, LogError> {
        let told = |error| LogError::from_sqlite(path, 0, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(told)?;
        connection.busy_timeout(BUSY).map_err(told)?;
        Ok(SqliteReader { path: path.to_owned(), connection: Mutex::new(connection) })
    }
}

/// Opens a log for reading only, and says where it ends.
///
/// # Errors
/// The file is not a log, is of a newer format, or cannot be read.
pub(crate) fn look(path: &Path) -> Result<(Box<dyn LogReader>, u64), LogError> {
    let reader = SqliteReader::open(path)?;
    let connection = reader.connection.lock().unwrap_or_else(PoisonError::into_inner);
    let foreign = || LogError::Foreign { path: path.to_owned() };
    let found = found_format(path, &connection)?.ok_or_else(foreign)?;
    if found < FORMAT {
        return Err(LogError::Older { path: path.to_owned(), found });
    }
    let last = last(&connection).map_err(|error| LogError::from_sqlite(path, 0, error))?;
    drop(connection);
    Ok((Box::new(reader), last))
}

/// Gives a copy of a log an identity of its own. Returns the one it had, if any, and the new one.
///
/// # Errors
/// The file is not a log, or cannot be written.
pub(crate) fn renew_identity(path: &Path) -> Result<(Option<LogId>, LogId), LogError> {
    let told = |error| LogError::from_sqlite(path, 0, error);
    let mut connection = Connection::open(path).map_err(told)?;
    found_format(path, &connection)?.ok_or_else(|| LogError::Foreign { path: path.to_owned() })?;
    // A copy is one file until it is served.
    connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(told)?;
    let before = identity(&connection).ok();
    Ok((before, renew(path, &mut connection)?))
}

impl LogReader for SqliteReader {
    fn read(&self, after: u64, max_records: usize) -> Result<Vec<(u64, Record)>, LogError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |error| LogError::from_sqlite(&self.path, after, error);
        // Base and rows as of one moment: a base that comes in between would look like a gap.
        let _moment = connection.unchecked_transaction().map_err(told)?;
        let through = base::found(&connection).map_err(told)?.map_or(0, |base| base.through);
        if after < through {
            return Err(LogError::Compacted { through });
        }
        let mut gathering = Gathering::new(after, max_records);
        let mut select = connection
            .prepare_cached(
                "SELECT first_seq, count, checksum, bytes FROM commits WHERE first_seq >= coalesce(
                     (SELECT max(first_seq) FROM commits WHERE first_seq <= ?1), ?1)
                 ORDER BY first_seq",
            )
            .map_err(told)?;
        let mut rows = select.query([after.saturating_add(1).cast_signed()]).map_err(told)?;
        while gathering.wants_more() {
            let Some(found) = rows.next().map_err(told)? else { break };
            let row = row_of(found).map_err(told)?;
            gathering.add(&row).map_err(|why| LogError::Damaged {
                path: self.path.clone(),
                after: gathering.end(),
                why,
            })?;
        }
        Ok(gathering.finish())
    }

    fn base(&self) -> Result<Option<Base>, LogError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        base::found(&connection).map_err(|error| LogError::from_sqlite(&self.path, 0, error))
    }

    fn read_base(
        &self,
        base: &Base,
        after: u64,
        max_records: usize,
    ) -> Result<Vec<(u64, Record)>, LogError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |error| LogError::from_sqlite(&self.path, 0, error);
        let _moment = connection.unchecked_transaction().map_err(told)?;
        match base::found(&connection).map_err(told)? {
            Some(found) if found == *base => {
                base::read(&self.path, &connection, base, after, max_records)
            }
            found => Err(LogError::Compacted { through: found.map_or(0, |found| found.through) }),
        }
    }

    fn identity(&self) -> Result<LogId, LogError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |error| LogError::from_sqlite(&self.path, 0, error);
        identity(&connection).map_err(told)
    }
}

fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        first: row.get::<_, i64>(0)?.cast_unsigned(),
        count: row.get::<_, i64>(1)?.cast_unsigned(),
        checksum: row.get::<_, i64>(2)?.cast_unsigned(),
        bytes: row.get(3)?,
    })
}

/// The format that the file carries; nothing for a file that is still empty. Looks only, so a
/// foreign file stays as it was.
fn found_format(path: &Path, connection: &Connection) -> Result<Option<u32>, LogError> {
    let told = |error| LogError::from_sqlite(path, 0, error);
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let tables: u32 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(told)?;
    let application = number("application_id").map_err(told)?;
    let format = number("user_version").map_err(told)?;
    match application {
        APPLICATION_ID if format > FORMAT => {
            Err(LogError::Newer { path: path.to_owned(), found: format })
        }
        APPLICATION_ID if format < OLDEST_FORMAT => {
            Err(LogError::Unreleased { path: path.to_owned(), found: format })
        }
        APPLICATION_ID => Ok(Some(format)),
        0 if tables == 0 && format == 0 => Ok(None),
        _ => Err(LogError::Foreign { path: path.to_owned() }),
    }
}

fn sync_folder(path: &Path) -> Result<(), LogError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| LogError::Unusable { path: path.to_owned(), source: source.into() })
}

/// Sets the connection up, and makes or converts the tables where they are not of today's format.
fn prepare(
    path: &Path,
    connection: &mut Connection,
    durability: Durability,
    format: Option<u32>,
) -> Result<(), LogError> {
    let told = |error| LogError::from_sqlite(path, 0, error);
    set_up(connection, durability).map_err(told)?;
    if format == Some(FORMAT) {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(told)?;
    match format {
        None => {
            transaction.execute_batch(TABLE).map_err(told)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(told)?;
        }
        Some(before) => {
            tracing::info!(from = before, to = FORMAT, "the log is converted to today's format");
            convert::to_today(path, &transaction)?;
        }
    }
    // From now on events of our format are in it, which an older gristmill must not read.
    transaction.pragma_update(None, "user_version", FORMAT).map_err(told)?;
    transaction.commit().map_err(told)
}

fn set_up(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    // After one huge commit the WAL shrinks back to where an ordinary one leaves it.
    connection.pragma_update(None, "journal_size_limit", wal::length(CHECKPOINT_PAGES))
}

/// Copies what is in the WAL into the database, synced, and begins the WAL anew.
///
/// After a sync that failed, what it should have brought to the disk may be in the system's memory
/// only, marked as if it were on the disk: read back all is well, synced again nothing is written.
/// Writing it once more, elsewhere, makes it durable or fails. A backup that reads just now stands
/// in the way of a new WAL; what is copied is as safe without one.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(SETTLE)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.busy_timeout(BUSY)
}

/// Gives the log an identity where it has none yet.
fn identify(path: &Path, connection: &mut Connection) -> Result<(), LogError> {
    let told = |error| LogError::from_sqlite(path, 0, error);
    let known = "SELECT count(*) FROM sqlite_schema WHERE name = 'identity'";
    let known: u32 = connection.query_row(known, [], |row| row.get(0)).map_err(told)?;
    if known == 0 { renew(path, connection).map(drop) } else { Ok(()) }
}

/// Draws a new identity and writes it into the log.
fn renew(path: &Path, connection: &mut Connection) -> Result<LogId, LogError> {
    let identity = LogId::draw()
        .map_err(|source| LogError::Unusable { path: path.to_owned(), source: source.into() })?;
    let mut store = || {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(IDENTITY)?;
        transaction.execute("DELETE FROM identity", [])?;
        transaction.execute("INSERT INTO identity VALUES (?1)", [identity.to_string()])?;
        transaction.commit()
    };
    store().map_err(|error| LogError::from_sqlite(path, 0, error))?;
    Ok(identity)
}

fn identity(connection: &Connection) -> rusqlite::Result<LogId> {
    connection.query_row("SELECT id FROM identity", [], |row| {
        let text: String = row.get(0)?;
        text.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                0,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })
    })
}

/// The last number that was given, also where a base stands in the place of all records.
fn last(connection: &Connection) -> rusqlite::Result<u64> {
    let newest = "SELECT coalesce(max(first_seq + count - 1), 0) FROM commits
                  WHERE first_seq = (SELECT max(first_seq) FROM commits)";
    let newest = connection.query_row(newest, [], |row| row.get::<_, i64>(0))?.cast_unsigned();
    Ok(base::found(connection)?.map_or(newest, |base| newest.max(base.through)))
}

#[cfg(test)]
mod tests;
