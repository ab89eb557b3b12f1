//! Why no copy was made, each with the way out and the exit code it leads to.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use gristmill_model::problem::exit;
use rusqlite::ErrorCode;

use crate::log::LogError;

/// Why no copy was made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no log.
    #[error("{path} has no log.db: name a server's data folder with --data")]
    NoData {
        /// The folder.
        path: PathBuf,
    },
    /// Something has that name.
    #[error("{path} exists: name a new folder, a backup never overwrites")]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// The copy would become part of the original.
    #[error("{path} is inside the data folder: name a folder elsewhere, best on another disk")]
    Inside {
        /// The path.
        path: PathBuf,
    },
    /// No space is left for the copy.
    #[error("{path}: the disk is full: free some space, or name a folder on another disk")]
    Full {
        /// What was being written.
        path: PathBuf,
    },
    /// The original cannot be read.
    #[error("{path} cannot be read: {source}; run it as the user that the server runs as")]
    Reading {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The copy cannot be written.
    #[error("{path} cannot be written: {source}; name a folder where this user may write")]
    Writing {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// One of the two disks failed on the way.
    #[error("{from} cannot be copied to {to}: {source}; look at both disks")]
    Copying {
        /// The original.
        from: PathBuf,
        /// The copy.
        to: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The log was copied, and what it holds cannot be trusted.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log was compacted again and again while it was copied.
    #[error("{path}: the log was compacted whenever it was copied: run it again at a quieter time")]
    Compacted {
        /// The data folder.
        path: PathBuf,
    },
    /// It was told to stop.
    #[error("stopped; nothing is left of the copy; run it again")]
    Stopped,
}

impl BackupError {
    /// The exit code of a command that ends with it.
    #[must_use]
    pub const fn exit(&self) -> u8 {
        match self {
            BackupError::NoData { .. }
            | BackupError::Reading { .. }
            | BackupError::Compacted { .. } => exit::DATA_FOLDER,
            BackupError::Exists { .. }
            | BackupError::Inside { .. }
            | BackupError::Writing { .. } => exit::BAD_INPUT,
            BackupError::Full { .. }
            | BackupError::Copying { .. }
            | BackupError::Log(LogError::Full { .. } | LogError::Failing { .. }) => exit::DISK,
            BackupError::Log(_) => exit::DATA_FOLDER,
            BackupError::Stopped => exit::INTERRUPTED,
        }
    }

    pub(super) fn reading(path: &Path, source: io::Error) -> BackupError {
        BackupError::Reading { path: path.to_owned(), source: source.into() }
    }

    pub(super) fn writing(path: &Path, source: io::Error) -> BackupError {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => BackupError::Full { path },
            _ => BackupError::Writing { path, source: source.into() },
        }
    }

    pub(super) fn copying(from: &Path, to: &Path, source: io::Error) -> BackupError {
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                BackupError::Full { path: to.to_owned() }
            }
            _ => BackupError::Copying { from: from.to_owned(), to: to.to_owned(), source },
        }
    }

    /// SQLite copies between two files; what it says is mostly of the one that it reads.
    pub(super) fn from_sqlite(from: &Path, to: &Path, error: rusqlite::Error) -> BackupError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => BackupError::Full { path: to.to_owned() },
            _ => BackupError::Reading { path: from.to_owned(), source: error.into() },
        }
    }
}
