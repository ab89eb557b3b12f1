//! A copy of a data folder that can be started as a server, taken while its own server runs.
//!
//! It needs nothing of that server but its files, so it works on one that is stopped or has crashed
//! too. What makes the copy consistent is the order. The log decides, and is copied as it was at
//! one moment. The read tables are copied before it, so they never know more than it does; nor do
//! they know less than what its base stands for, or both are copied again. Blobs
//! are copied after it: they never change, and what the log points to was stored before it was
//! logged. Captured output comes last, and only of attempts that the log knows.
//!
//! The copy is written aside, checked, synced and renamed, so a folder that has its name is whole.
//! Its log gets an identity of its own: from here on it may go another way than the original.

mod database;
mod error;
mod files;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gristmill_model::event::{AttemptEvent, Event};
use gristmill_model::{AttemptId, limits, restored};
use tempfile::TempDir;

use crate::folder::Layout;
use crate::log::{self, LogId, LogReader};
use crate::read::schema;
pub use error::BackupError;
pub use files::Totals;

/// What a copy is made of, in the order in which it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `read.db`, in bytes.
    ReadTables,
    /// `log.db`, in bytes.
    Log,
    /// Reading all that the copied log holds, in events.
    Check,
    /// `blobs/`, in bytes.
    Blobs,
    /// `logs/`, in bytes.
    Output,
}

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What is being copied.
    pub part: Part,
    /// How much of it is.
    pub done: u64,
    /// How much there was when the part began.
    pub total: u64,
}

/// A copy that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Events in the log; the last of them has this number.
    pub events: u64,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Whether the read tables are part of it. They are built again where they are not.
    pub read_tables: bool,
    /// Blobs.
    pub blobs: Totals,
    /// Captured output.
    pub output: Totals,
}

/// Who hears how far the copy has come; `false` ends it.
pub type Watch<'w> = dyn FnMut(Step) -> bool + 'w;

/// Copies the data folder `data` to the new folder `dest`.
///
/// # Errors
/// `dest` exists, one of the two cannot be used, what is in `data` is damaged, or `watch` said no.
/// Nothing is left of the copy then.
pub fn take(data: &Path, dest: &Path, watch: &mut Watch<'_>) -> Result<Backup, BackupError> {
    let from = Layout::of(data);
    if !from.log().is_file() {
        return Err(BackupError::NoData { path: data.to_owned() });
    }
    let parent = parent_of(data, dest)?;
    let told = |source| BackupError::writing(&parent, source);
    let aside = tempfile::Builder::new()
        .prefix(".gristmill-backup-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&parent)
        .map_err(told)?;
    let backup = fill(&from, &Layout::of(aside.path()), watch)?;
    finish(aside, dest, &parent)?;
    Ok(backup)
}

/// The folder in which `dest` is to appear.
fn parent_of(data: &Path, dest: &Path) -> Result<PathBuf, BackupError> {
    if dest.symlink_metadata().is_ok() || dest.file_name().is_none() {
        return Err(BackupError::Exists { path: dest.to_owned() });
    }
    let parent = match dest.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = parent.canonicalize().map_err(|source| BackupError::writing(parent, source))?;
    let data = data.canonicalize().map_err(|source| BackupError::reading(data, source))?;
    if parent.starts_with(data) {
        return Err(BackupError::Inside { path: dest.to_owned() });
    }
    Ok(parent)
}

fn fill(from: &Layout, to: &Layout, watch: &mut Watch<'_>) -> Result<Backup, BackupError> {
    let (with_tables, log_bytes) = pair(from, to, watch)?;
    let (original, own) = log::renew_identity(&to.log())?;
    let (reader, events) = log::look(&to.log())?;
    let newest = check(&*reader, events, watch)?;
    drop(reader);
    let adopted = with_tables && adopt(&to.read(), original, own, events);
    if !adopted {
        schema::remove(&to.read()).map_err(|source| BackupError::writing(&to.read(), source))?;
    }
    let blobs = files::copy(&from.blobs(), &to.blobs(), Part::Blobs, files::is_blob, watch)?;
    let known = |name: &str| files::attempt_of(name).is_some_and(|attempt| Some(attempt) <= newest);
    let output = files::copy(&from.logs(), &to.logs(), Part::Output, known, watch)?;
    if from.token().is_file() {
        files::copy_one(&from.token(), &to.token(), &mut |_| Ok(()))?;
    }
    Ok(Backup { events, log_bytes, read_tables: adopted, blobs, output })
}

/// Copies the read tables and then the log, so that the tables know no more than the log, and no
/// less than the log's base stands for: what they lack nobody could tell them any more. A log that
/// was compacted in between may have left them behind; then both are copied once more.
fn pair(from: &Layout, to: &Layout, watch: &mut Watch<'_>) -> Result<(bool, u64), BackupError> {
    for _ in 0..limits::BACKUP_TRIES {
        let tables = tables(from, to, watch)?;
        let log_bytes = database::copy(&from.log(), &to.log(), Part::Log, watch)?;
        let base = log::look(&to.log())?.0.base()?;
        let behind = base.filter(|base| tables.is_some_and(|seq| seq < base.through));
        let Some(base) = behind else { return Ok((tables.is_some(), log_bytes)) };
        tracing::info!(through = base.through, "the log was compacted meanwhile: once more");
        for path in [to.read(), to.log()] {
            schema::remove(&path).map_err(|source| BackupError::writing(&path, source))?;
        }
    }
    Err(BackupError::Compacted { path: from.path().to_owned() })
}

/// Copies the read tables, and says how far they are; nothing where there are none.
fn tables(from: &Layout, to: &Layout, watch: &mut Watch<'_>) -> Result<Option<u64>, BackupError> {
    if !from.read().is_file() {
        return Ok(None);
    }
    let copied = database::copy(&from.read(), &to.read(), Part::ReadTables, watch);
    let position = |_| {
        schema::position(&to.read())
            .map_err(|error| BackupError::reading(&from.read(), std::io::Error::other(error)))
    };
    match copied.and_then(position) {
        Ok(seq) => Ok(Some(seq)),
        Err(error @ (BackupError::Stopped | BackupError::Full { .. })) => Err(error),
        Err(error) => {
            tracing::warn!(
                %error,
                "the read tables are left out; they are built again, from a log that was compacted \
                 without what was before"
            );
            Ok(None)
        }
    }
}

/// Reads every event of the copied log, and its base, which proves each row's checksum and that
/// none is missing. Returns the newest attempt.
fn check(
    log: &dyn LogReader,
    events: u64,
    watch: &mut Watch<'_>,
) -> Result<Option<AttemptId>, BackupError> {
    let mut newest = None;
    log::replay(log, u64::MAX, |after, records| {
        for (_, record) in records {
            match &record.event {
                Event::Attempt(AttemptEvent::Leased { attempt, .. }) => {
                    newest = newest.max(Some(*attempt))
                }
                Event::Restored(part) => {
                    if let restored::Part::Shares { next: [.., attempt, _], .. } = **part {
                        newest = newest.max(Some(AttemptId(attempt)));
                    }
                }
                _ => {}
            }
        }
        match watch(Step { part: Part::Check, done: after, total: events }) {
            true => Ok(()),
            false => Err(BackupError::Stopped),
        }
    })?;
    Ok(newest)
}

/// Makes the copied read tables those of the copied log, if they were the original's.
fn adopt(tables: &Path, original: Option<LogId>, own: LogId, events: u64) -> bool {
    let Some(original) = original else { return false };
    schema::adopt(tables, original, own, events).unwrap_or_else(|error| {
        tracing::warn!(%error, "the read tables are left out; they are built again");
        false
    })
}

/// Syncs what was written aside and gives it its name.
fn finish(aside: TempDir, dest: &Path, parent: &Path) -> Result<(), BackupError> {
    let told = |source| BackupError::writing(dest, source);
    // One call for all files: the disk is the live server's too, and every single sync would be
    // paid by its next commit.
    let folder = File::open(aside.path()).map_err(told)?;
    rustix::fs::syncfs(&folder).map_err(|error| told(error.into()))?;
    rename(aside.path(), dest)?;
    // It is no longer there to be removed.
    let _ = aside.keep();
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(told)
}

/// Renames without replacing: also an empty folder that came up meanwhile is left alone.
fn rename(aside: &Path, dest: &Path) -> Result<(), BackupError> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, aside, CWD, dest, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(BackupError::Exists { path: dest.to_owned() }),
        // Some network file systems do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS) if dest.symlink_metadata().is_err() => {
            fs::rename(aside, dest).map_err(|source| BackupError::writing(dest, source))
        }
        Err(error) => Err(BackupError::writing(dest, error.into())),
    }
}

#[cfg(test)]
mod tests;
