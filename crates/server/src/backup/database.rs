//! An SQLite database as it was at one moment, copied while others write to it.
//!
//! The moment is a read transaction: in WAL mode it holds up no writer, only the reuse of the WAL,
//! which therefore grows while the copy is made and shrinks again afterwards.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::{BackupError, Part, Step, Watch};

/// Pages copied between two looks at whether to go on: 4 MiB.
const PIECE_PAGES: i32 = 1_024;
/// Only recovery after a crash holds the file against readers: it gets this long.
const BUSY: Duration = Duration::from_secs(10);

/// Copies the database and returns its size.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    part: Part,
    watch: &mut Watch<'_>,
) -> Result<u64, BackupError> {
    let told = |error| BackupError::from_sqlite(from, to, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).map_err(told)?;
    source.busy_timeout(BUSY).map_err(told)?;
    let moment = source.unchecked_transaction().map_err(told)?;
    // The moment begins with the first read; without it every write by others would start the copy
    // over.
    let page_size: u32 =
        source.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(told)?;
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(told)?;

    let mut copy = Connection::open(to).map_err(told)?;
    // All of the copy is synced at its end, in one go.
    copy.pragma_update(None, "synchronous", "OFF").map_err(told)?;
    let backup = Backup::new(&source, &mut copy).map_err(told)?;
    let bytes = |pages: i32| u64::try_from(pages).unwrap_or(0) * u64::from(page_size);
    loop {
        let step = backup.step(PIECE_PAGES).map_err(told)?;
        let (left, all) = (backup.progress().remaining, backup.progress().pagecount);
        if !watch(Step { part, done: bytes(all - left), total: bytes(all) }) {
            return Err(BackupError::Stopped);
        }
        match step {
            StepResult::Done => {
                drop(moment);
                return Ok(bytes(all));
            }
            StepResult::More => {}
            _ => return Err(BackupError::reading(from, std::io::ErrorKind::ResourceBusy.into())),
        }
    }
}
