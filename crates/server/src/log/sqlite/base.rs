//! The base in SQLite: rows as those of commits, by generation, and one row that says which
//! generation is in force and through which event it stands.
//!
//! The connection that compacts does not sync its commits. It need not: the WAL keeps the order of
//! all commits, so whatever an append makes durable stands behind what was written before it, and
//! a power cut takes a tail, never something out of the middle.

use std::path::{Path, PathBuf};

use gristmill_model::event::Record;
use gristmill_model::limits;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::super::row::{self, Gathering};
use super::{BUSY, CHECKPOINT_PAGES, row_of};
use crate::log::{Base, Compaction, LogError};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS base (
    generation INTEGER NOT NULL, through INTEGER NOT NULL, records INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS base_rows (
    id INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS base_rows_in_order ON base_rows (generation, first);
";

/// The base in force. A log from before there were bases has none.
pub(super) fn found(connection: &Connection) -> rusqlite::Result<Option<Base>> {
    let mut select = match connection.prepare_cached("SELECT * FROM base") {
        Err(rusqlite::Error::SqliteFailure(_, Some(why))) if why.contains("no such table") => {
            return Ok(None);
        }
        other => other?,
    };
    let number = |row: &rusqlite::Row<'_>, name| row.get::<_, i64>(name).map(i64::cast_unsigned);
    let base = select.query_row([], |row| {
        let (generation, through) = (number(row, "generation")?, number(row, "through")?);
        Ok(Base { through, records: number(row, "records")?, generation })
    });
    base.optional()
}

/// Records of a base. One that ends early is damaged.
pub(super) fn read(
    path: &Path,
    connection: &Connection,
    base: &Base,
    after: u64,
    max_records: usize,
) -> Result<Vec<(u64, Record)>, LogError> {
    let told = |error| LogError::from_sqlite(path, 0, error);
    let damaged =
        |after: u64, why: String| LogError::DamagedBase { path: path.to_owned(), after, why };
    let mut gathering = Gathering::new(after, max_records);
    let mut select = connection
        .prepare_cached(
            "SELECT first, count, checksum, bytes FROM base_rows
             WHERE generation = ?1 AND first >= coalesce(
                 (SELECT max(first) FROM base_rows WHERE generation = ?1 AND first <= ?2), ?2)
             ORDER BY first",
        )
        .map_err(told)?;
    let from = [base.generation, after.saturating_add(1)].map(u64::cast_signed);
    let mut rows = select.query(from).map_err(told)?;
    while gathering.wants_more() {
        let Some(found) = rows.next().map_err(told)? else {
            if gathering.end() < base.records {
                let why = format!("it ends there, and had {} records", base.records);
                return Err(damaged(gathering.end(), why));
            }
            break;
        };
        let row = row_of(found).map_err(told)?;
        gathering.add(&row).map_err(|why| damaged(gathering.end(), why))?;
    }
    Ok(gathering.finish())
}

/// The hand that compacts, with a connection of its own.
#[derive(Debug)]
pub(super) struct SqliteCompaction {
    path: PathBuf,
    connection: Connection,
    /// What is being written; records count only what is there.
    aside: Option<Base>,
}

impl SqliteCompaction {
    pub(super) fn open(path: &Path) -> Result<SqliteCompaction, LogError> {
        let open = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            // Sooner than an append would: what compaction writes is copied by compaction.
            connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES / 4)?;
            connection.pragma_update(
                None,
                "journal_size_limit",
                super::wal::length(CHECKPOINT_PAGES),
            )?;
            Ok(connection)
        };
        let connection = open().map_err(|error| LogError::from_sqlite(path, 0, error))?;
        Ok(SqliteCompaction { path: path.to_owned(), connection, aside: None })
    }

    fn told(&self) -> impl Fn(rusqlite::Error) -> LogError + use<> {
        let path = self.path.clone();
        move |error| LogError::from_sqlite(&path, 0, error)
    }

    fn insert(&mut self, generation: u64, row: &row::Row) -> rusqlite::Result<()> {
        let transaction = begin(&mut self.connection)?;
        let (generation, first) = (generation.cast_signed(), row.first.cast_signed());
        let (count, checksum) = (row.count.cast_signed(), row.checksum.cast_signed());
        transaction
            .prepare_cached(
                "INSERT INTO base_rows (generation, first, count, checksum, bytes)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![generation, first, count, checksum, row.bytes])?;
        transaction.commit()
    }

    fn newest_generation(&self) -> rusqlite::Result<u64> {
        let newest = "SELECT coalesce(max(generation), 0) FROM
            (SELECT max(generation) AS generation FROM base_rows UNION SELECT generation FROM base)";
        let newest = self.connection.query_row(newest, [], |row| row.get::<_, i64>(0))?;
        Ok(newest.cast_unsigned())
    }

    fn put_in_force(&mut self, base: &Base) -> rusqlite::Result<()> {
        let transaction = begin(&mut self.connection)?;
        let before = found(&transaction)?.map_or(0, |before| before.through);
        let last = super::last(&transaction)?;
        let fits = (before..=last).contains(&base.through);
        assert!(fits, "a base through {} does not fit between {before} and {last}", base.through);
        transaction.execute("DELETE FROM base", [])?;
        let values = [base.generation, base.through, base.records].map(u64::cast_signed);
        transaction.execute("INSERT INTO base VALUES (?1, ?2, ?3)", values)?;
        transaction.commit()
    }

    /// Removes rows of bases that are neither in force nor being written.
    fn clear_bases(&mut self, in_force: Option<u64>) -> rusqlite::Result<bool> {
        let aside = self.aside.map(|base| base.generation);
        let kept = [in_force, aside].map(|kept| kept.unwrap_or(0).cast_signed());
        let stale = "SELECT id, length(bytes) FROM base_rows
                     WHERE generation <> ?1 AND generation <> ?2 ORDER BY id";
        let Some(last) = piece(&self.connection, stale, kept)? else { return Ok(false) };
        let remove = "DELETE FROM base_rows
                      WHERE generation <> ?1 AND generation <> ?2 AND id <= ?3";
        let transaction = begin(&mut self.connection)?;
        transaction.execute(remove, [kept[0], kept[1], last])?;
        transaction.commit()?;
        Ok(true)
    }

    /// Removes commits for which the base stands. One that reaches beyond it stays whole.
    fn clear_commits(&mut self, through: u64) -> rusqlite::Result<bool> {
        let through = through.cast_signed();
        let stale = "SELECT first_seq, length(bytes) FROM commits
                     WHERE first_seq <= ?1 AND first_seq + count - 1 <= ?2 ORDER BY first_seq";
        let Some(last) = piece(&self.connection, stale, [through, through])? else {
            return Ok(false);
        };
        let transaction = begin(&mut self.connection)?;
        transaction.execute("DELETE FROM commits WHERE first_seq <= ?1", [last])?;
        transaction.commit()?;
        Ok(true)
    }
}

impl Compaction for SqliteCompaction {
    fn begin(&mut self) -> Result<(), LogError> {
        let generation = self.newest_generation().map_err(self.told())? + 1;
        self.aside = Some(Base { through: 0, records: 0, generation });
        Ok(())
    }

    fn write(&mut self, records: &[Record]) -> Result<(), LogError> {
        let mut aside = self.aside.expect("a base was begun");
        for row in row::rows(aside.records + 1, records)? {
            self.insert(aside.generation, &row).map_err(self.told())?;
            aside.records = row.last();
        }
        self.aside = Some(aside);
        Ok(())
    }

    fn written(&self, after: u64, max_records: usize) -> Result<Vec<(u64, Record)>, LogError> {
        let aside = self.aside.expect("a base was begun");
        read(&self.path, &self.connection, &aside, after, max_records)
    }

    fn finish(&mut self, through: u64) -> Result<Base, LogError> {
        let base = Base { through, ..self.aside.take().expect("a base was begun") };
        self.put_in_force(&base).map_err(self.told())?;
        Ok(base)
    }

    fn clear(&mut self) -> Result<bool, LogError> {
        let told = self.told();
        let in_force = found(&self.connection).map_err(&told)?;
        let through = in_force.map_or(0, |base| base.through);
        Ok(self.clear_bases(in_force.map(|base| base.generation)).map_err(&told)?
            || self.clear_commits(through).map_err(&told)?)
    }
}

fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// How far one step of clearing goes among rows that `select` finds with their sizes.
fn piece(connection: &Connection, select: &str, bounds: [i64; 2]) -> rusqlite::Result<Option<i64>> {
    let (mut last, mut bytes) = (None, 0);
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(bounds)?;
    let mut room = limits::CLEARED_ROWS;
    while room > 0
        && bytes < limits::CLEARED_BYTES
        && let Some(row) = rows.next()?
    {
        last = Some(row.get(0)?);
        bytes += row.get::<_, i64>(1)?.cast_unsigned();
        room -= 1;
    }
    Ok(last)
}
