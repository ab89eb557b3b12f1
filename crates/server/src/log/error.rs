//! What can go wrong with the log, told apart by what a person would do about it.

use std::path::{Path, PathBuf};

use gristmill_model::event::FORMAT;
use rusqlite::ErrorCode;

/// Why the log cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A newer gristmill wrote it.
    #[error(
        "{path}: log format {found} is newer than this gristmill understands ({FORMAT}): use a newer gristmill"
    )]
    Newer {
        /// The log.
        path: PathBuf,
        /// The format it carries.
        found: u32,
    },
    /// An older gristmill wrote it, and it was not converted.
    #[error(
        "{path}: log format {found} is older than this gristmill reads ({FORMAT}): start a server \
         on this folder once, which converts it"
    )]
    Older {
        /// The log.
        path: PathBuf,
        /// The format it carries.
        found: u32,
    },
    /// A gristmill wrote it that was never released.
    #[error("{path}: log format {found} is of no released gristmill and cannot be read")]
    Unreleased {
        /// The log.
        path: PathBuf,
        /// The format it carries.
        found: u32,
    },
    /// The file is something else.
    #[error("{path} is not a gristmill log: move it away, or name another data folder")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The SQLite library has a bug that can damage a log.
    #[error("SQLite {found} can damage a log when it is reset: 3.51.3 or newer is needed")]
    OldLibrary {
        /// Its version.
        found: &'static str,
    },
    /// No space is left.
    #[error("{path}: the disk is full: free some space, then start again")]
    Full {
        /// The log.
        path: PathBuf,
    },
    /// The disk does not do what it is asked; it may be broken, or full in a way it says too late.
    #[error(
        "{path}: the disk fails ({source}): look at the system's log for that disk, mend it or \
         free some space, then start again"
    )]
    Failing {
        /// The log.
        path: PathBuf,
        /// What the store says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was written is not what is read.
    #[error("{path} is damaged after event {after} ({why}): restore the data folder from a backup")]
    Damaged {
        /// The log.
        path: PathBuf,
        /// The last sequence number known to be good.
        after: u64,
        /// What is wrong.
        why: String,
    },
    /// The base is not what was written.
    #[error(
        "{path} is damaged in its base after record {after} ({why}): restore the data folder from \
         a backup"
    )]
    DamagedBase {
        /// The log.
        path: PathBuf,
        /// The last of its records known to be good.
        after: u64,
        /// What is wrong.
        why: String,
    },
    /// A base stands in the place of what was asked for.
    #[error(
        "events up to {through} are no longer kept one by one: begin with the base, or after event \
         {through}"
    )]
    Compacted {
        /// The last event that the base stands for.
        through: u64,
    },
    /// An event does not fit into a row.
    #[error("an event of {bytes} bytes is too large for the log")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Anything else that the disk or the store says.
    #[error("{path} cannot be used: {source}")]
    Unusable {
        /// The log.
        path: PathBuf,
        /// What the store says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl LogError {
    /// Sorts what SQLite says; `after` is the last good sequence number as far as is known.
    pub(super) fn from_sqlite(path: &Path, after: u64, error: rusqlite::Error) -> LogError {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => LogError::Full { path },
            Some(ErrorCode::SystemIoFailure) => LogError::Failing { path, source: error.into() },
            Some(ErrorCode::NotADatabase) => LogError::Foreign { path },
            Some(ErrorCode::DatabaseCorrupt) => {
                LogError::Damaged { path, after, why: error.to_string() }
            }
            _ => LogError::Unusable { path, source: error.into() },
        }
    }
}
