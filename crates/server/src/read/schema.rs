//! The read tables, and when they are made anew: what they show is in the log. Where that was
//! compacted the tables are the only place that remembers jobs of old: then tables of the version
//! before are converted, and others never removed, but moved aside.
//!
//! Values that people search are columns; everything else is JSON, so that any SQLite tool can look
//! inside. Times are microseconds, states are the words of the API. What is said once (jobs'
//! inputs) lies apart from what moves (their states), for SQLite writes whole rows; and of jobs
//! that nothing has happened to yet there is one row for many.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use gristmill_model::limits;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{ReadError, version5};
use crate::log::LogId;

/// Raise it with every change to [`TABLES`] or to what is written there.
const VERSION: u32 = 6;
/// The version of which tables are converted.
const BEFORE: u32 = 5;

const TABLES: &str = "
-- how far the tables have come, in which log; and after which event they know all that happened:
-- of what was before only what the base of the log tells, and 0 where they know everything
CREATE TABLE position (
    seq INTEGER NOT NULL, log TEXT NOT NULL, complete_after INTEGER NOT NULL
) STRICT;

CREATE TABLE pipelines (
    id INTEGER PRIMARY KEY, project INTEGER NOT NULL, name TEXT NOT NULL,
    version INTEGER NOT NULL, spec TEXT NOT NULL, created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX pipelines_by_name ON pipelines (project, name, version);

CREATE TABLE batches (
    id INTEGER PRIMARY KEY, project INTEGER NOT NULL, project_name TEXT,
    pipeline INTEGER NOT NULL, actor TEXT NOT NULL, name TEXT, priority INTEGER NOT NULL,
    labels TEXT NOT NULL,
    -- its terms as they were submitted, where there are any
    terms TEXT, created_at INTEGER NOT NULL,
    -- how many of its jobs stand where
    open INTEGER NOT NULL, counts TEXT NOT NULL,
    -- how its jobs are called that are stored as queued: the batch may keep them from beginning
    waits TEXT NOT NULL,
    -- why: a person, a time that has not come, what has not ended
    held INTEGER NOT NULL, start_at INTEGER, pending TEXT,
    finished_at INTEGER,
    -- when the end was announced to whoever is to be called, and what came of the call
    announced_at INTEGER, delivered INTEGER, call_detail TEXT, called_at INTEGER,
    -- the engine has forgotten it
    forgotten INTEGER NOT NULL
) STRICT;
CREATE INDEX batches_that_wait ON batches (waits) WHERE waits <> 'queued';
CREATE INDEX batches_to_call ON batches (id) WHERE announced_at IS NOT NULL AND delivered IS NULL;
CREATE INDEX batches_to_name ON batches (project) WHERE project_name IS NULL;
-- what a batch waited for and what ended otherwise than it was to end
CREATE TABLE unmet (
    batch INTEGER NOT NULL, at INTEGER NOT NULL, target TEXT NOT NULL, wanted TEXT NOT NULL,
    PRIMARY KEY (batch, at, target)
) STRICT, WITHOUT ROWID;
-- the jobs of a batch as spans of ids: `jobs` of them from `first` on, the first at `place`
CREATE TABLE spans (
    batch INTEGER NOT NULL, place INTEGER NOT NULL, first INTEGER NOT NULL, jobs INTEGER NOT NULL,
    PRIMARY KEY (batch, place)
) STRICT, WITHOUT ROWID;

-- what was submitted of jobs with consecutive ids: a range's source, or a page of single inputs
CREATE TABLE inputs (
    first INTEGER PRIMARY KEY, jobs INTEGER NOT NULL, batch INTEGER NOT NULL,
    place INTEGER NOT NULL, priority INTEGER NOT NULL, source TEXT, each TEXT,
    created_at INTEGER NOT NULL
) STRICT;
-- what single jobs were submitted with beside their inputs; and the inputs of those of a range of
-- which a base tells what the stage before had left
CREATE TABLE extras (
    job INTEGER PRIMARY KEY, priority INTEGER, labels TEXT, key TEXT, output TEXT, input TEXT
) STRICT;
CREATE TABLE keys (
    key TEXT NOT NULL, project INTEGER NOT NULL, job INTEGER NOT NULL,
    PRIMARY KEY (key, project)
) STRICT, WITHOUT ROWID;

-- jobs that nothing has happened to alone and that stand alike, as runs of ids
CREATE TABLE runs (
    first INTEGER PRIMARY KEY, jobs INTEGER NOT NULL, batch INTEGER NOT NULL,
    state TEXT NOT NULL, at INTEGER NOT NULL,
    -- why they were cancelled or expired: the code of the failure that they show, and the cause
    code TEXT, cause TEXT
) STRICT;
CREATE INDEX runs_by_state ON runs (state);
CREATE INDEX runs_by_batch ON runs (batch, state);
-- the other jobs, each with its last attempt
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, state TEXT NOT NULL, stage INTEGER NOT NULL,
    attempts INTEGER NOT NULL, failed INTEGER, code TEXT, cause TEXT,
    started_at INTEGER, finished_at INTEGER,
    attempt INTEGER, at_stage INTEGER, number INTEGER, worker INTEGER, alternative INTEGER,
    leased_at INTEGER, ended_at INTEGER, outcome TEXT, output TEXT, artifacts TEXT, warnings TEXT,
    failure TEXT, wall INTEGER, cpu INTEGER, memory INTEGER, devices TEXT
) STRICT;
-- most jobs have succeeded: those are found without an index
CREATE INDEX jobs_by_state ON jobs (state) WHERE state <> 'succeeded';
CREATE INDEX jobs_by_attempt ON jobs (attempt);
-- attempts that another one of the same job has followed
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, job INTEGER NOT NULL, at_stage INTEGER, number INTEGER, worker INTEGER,
    alternative INTEGER, leased_at INTEGER, ended_at INTEGER, outcome TEXT, output TEXT,
    artifacts TEXT, warnings TEXT, failure TEXT, wall INTEGER, cpu INTEGER, memory INTEGER,
    devices TEXT
) STRICT;
CREATE INDEX attempts_by_job ON attempts (job);
-- every attempt, whichever of the two tables has it
CREATE VIEW all_attempts AS
    SELECT id, job, at_stage, number, worker, alternative, leased_at, ended_at, outcome, output,
        artifacts, warnings, failure, wall, cpu, memory, devices FROM attempts
    UNION ALL
    SELECT attempt, id, at_stage, number, worker, alternative, leased_at, ended_at, outcome,
        output, artifacts, warnings, failure, wall, cpu, memory, devices
    FROM jobs WHERE leased_at IS NOT NULL;

CREATE TABLE workers (
    id INTEGER PRIMARY KEY, description TEXT NOT NULL, joined_at INTEGER NOT NULL,
    left_at INTEGER, draining INTEGER NOT NULL, paused INTEGER NOT NULL,
    succeeded INTEGER NOT NULL, failed INTEGER NOT NULL
) STRICT;
";

/// The WAL is copied into the tables when it has grown to this many pages: seldom, for that is
/// when the disk is made to sync, and the log wants the disk.
const CHECKPOINT_PAGES: u32 = 16_384;
/// Pages of 4 KiB held in memory, so that indexes are not read again and again.
const CACHE_PAGES: u32 = 4_096;
/// Statements kept ready: more than the follower has.
const STATEMENTS: usize = 64;

/// Opens the tables for writing, and makes them anew where they are missing, of another version,
/// filled from another log, ahead of this one, which ends at `last`, or behind the event after
/// which it begins. Returns how far they have come.
///
/// Of a log that begins with a base the old tables may know what nobody else does: they are moved
/// aside and not removed.
///
/// # Errors
/// The file cannot be used.
pub(crate) fn open(
    path: &Path,
    log: LogId,
    last: u64,
    begins: u64,
) -> Result<(Connection, u64), ReadError> {
    if begins > 0 && version(path).is_ok_and(|found| found == BEFORE) {
        convert(path)?;
    }
    match judge(path, log, last, begins) {
        Ok(fit) => return Ok(fit),
        Err(unfit) if begins == 0 || unfit == Unfit::Begun => remove(path)?,
        Err(unfit) => give_way(path, &unfit, begins)?,
    }
    let mut connection = Connection::open(path)?;
    set_up(&connection)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute("INSERT INTO position VALUES (0, ?1, 0)", [log.to_string()])?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok((connection, 0))
}

/// Makes tables of the version before those of today. Damaged ones are left to be judged.
fn convert(path: &Path) -> Result<(), ReadError> {
    tracing::info!(from = BEFORE, to = VERSION, "read.db is being converted");
    match version5::convert(path, TABLES, VERSION) {
        Err(error) if is_damage(&error) => {
            tracing::warn!(%error, "read.db cannot be converted");
            Ok(())
        }
        other => Ok(other?),
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    let damage = [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase];
    error.sqlite_error_code().is_some_and(|code| damage.contains(&code))
}

/// Why tables cannot be used.
#[derive(Debug, PartialEq, Eq)]
enum Unfit {
    /// There are none.
    Missing,
    /// They were begun and nothing was brought to an end.
    Begun,
    /// They are of another version of this program.
    Version(u32),
    /// They were filled from another log.
    OtherLog,
    /// They show events that the log does not have.
    Ahead,
    /// They lack events that the log has no more.
    Behind,
    /// They cannot be read.
    Unreadable(String),
}

fn judge(path: &Path, log: LogId, last: u64, begins: u64) -> Result<(Connection, u64), Unfit> {
    if !path.exists() {
        return Err(Unfit::Missing);
    }
    let (connection, seq, of) = match open_current(path) {
        Ok(found) => found,
        Err(error) => {
            let other = version(path).ok().filter(|found| *found != VERSION);
            return Err(other.map_or_else(|| Unfit::Unreadable(error.to_string()), Unfit::Version));
        }
    };
    match () {
        () if begins > 0 && seq == 0 => Err(Unfit::Begun),
        () if of != log.to_string() => Err(Unfit::OtherLog),
        () if seq > last => Err(Unfit::Ahead),
        () if seq < begins => Err(Unfit::Behind),
        () => Ok((connection, seq)),
    }
}

/// Moves tables aside under a name that says why, and says what the new ones will lack.
fn give_way(path: &Path, unfit: &Unfit, begins: u64) -> io::Result<()> {
    let why = match unfit {
        Unfit::Missing | Unfit::Begun => {
            tracing::warn!(
                through = begins,
                "read.db is missing, and the log no longer has what happened through this event: \
                 jobs that had ended before are not in the new read.db; where there is a backup \
                 of this folder, restore it whole"
            );
            return Ok(());
        }
        Unfit::Version(version) => format!("schema{version}"),
        Unfit::OtherLog => "other-log".to_owned(),
        Unfit::Ahead => "ahead".to_owned(),
        Unfit::Behind => "behind".to_owned(),
        Unfit::Unreadable(_) => "unreadable".to_owned(),
    };
    let aside = free_name(path, &why)?;
    for suffix in ["", "-journal", "-wal"] {
        absent_is_fine(fs::rename(with(path, suffix), with(&aside, suffix)))?;
    }
    absent_is_fine(fs::remove_file(with(path, "-shm")))?;
    tracing::warn!(
        kept = %aside.display(), through = begins, why = ?unfit,
        "read.db cannot be used as it is, and the log no longer has what happened through this \
         event: jobs that had ended before are in the file that was kept, not in the new read.db"
    );
    Ok(())
}

/// A name beside the tables that nothing has.
fn free_name(path: &Path, why: &str) -> io::Result<PathBuf> {
    let names = (1..=limits::TABLES_ASIDE).map(|n| match n {
        1 => with(path, &format!(".{why}")),
        n => with(path, &format!(".{why}.{n}")),
    });
    names.into_iter().find(|name| !name.exists()).ok_or_else(|| {
        io::Error::other(format!("too many files named read.db.{why} lie here: move them away"))
    })
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Syncs all that was committed. The WAL alone would do, for whatever is no longer in it was
/// synced on its way out; the rest are the names.
///
/// # Errors
/// The disk does not take it.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    let wal = with(path, "-wal");
    for file in [wal.as_path(), path] {
        absent_is_fine(File::open(file).and_then(|file| file.sync_all()))?;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// How far tables of this version have come.
///
/// # Errors
/// They are none.
pub(crate) fn position(path: &Path) -> Result<u64, ReadError> {
    open_current(path).map(|(_, seq, _)| seq)
}

/// Makes tables that were filled from one log those of another which holds the same events, as a
/// copy does. Says whether they were such tables; if not, they are left as they are.
///
/// # Errors
/// The file cannot be used.
pub(crate) fn adopt(path: &Path, from: LogId, log: LogId, last: u64) -> Result<bool, ReadError> {
    let (connection, seq, of) = open_current(path)?;
    if of != from.to_string() || seq > last {
        return Ok(false);
    }
    connection.execute("UPDATE position SET log = ?1", [log.to_string()])?;
    Ok(true)
}

/// Removes the tables, if there are any.
///
/// # Errors
/// A file cannot be removed.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        absent_is_fine(fs::remove_file(with(path, suffix)))?;
    }
    Ok(())
}

/// Keeps statements, and keeps their plans: without being told so SQLite makes many of them anew
/// whenever another value is bound, for statistics that these tables do not have.
///
/// # Errors
/// SQLite does not know the option.
pub(super) fn plan_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Tables of this version, how far they have come, and in which log.
fn open_current(path: &Path) -> Result<(Connection, u64, String), ReadError> {
    // Looked at first: opening would make the file.
    fs::metadata(path)?;
    let connection = Connection::open(path)?;
    let version = version_of(&connection)?;
    if version != VERSION {
        return Err(io::Error::other(format!("version {version}")).into());
    }
    set_up(&connection)?;
    let position = "SELECT seq, log FROM position";
    let (seq, log): (i64, String) =
        connection.query_row(position, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((connection, seq.cast_unsigned(), log))
}

fn version(path: &Path) -> rusqlite::Result<u32> {
    version_of(&Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

fn version_of(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // A power cut may take the newest transactions, and the position with them: the log has them
    // still, for it lets go only of what was synced here.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", CACHE_PAGES)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    plan_once(connection)
}

fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
