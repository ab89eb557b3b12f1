//! The data folder: where everything of a server lies, and the lock by which it has one owner.
//!
//! The lock is the kernel's (flock): it goes with the process, however that ends. What the file
//! `lock` says is for people. The folder knows names only; what is in the files is not its affair.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::ops::Deref;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a lock file that are shown to people.
const SHOWN_BYTES: u64 = 512;

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another server runs on it.
    #[error(
        "data folder {path} is in use by another gristmill ({holder}): stop it, or name another folder with --data"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// What the other one wrote into the lock.
        holder: String,
    },
    /// Something else has that name.
    #[error("{path} is not a folder: move it away, or name another folder with --data")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// This user may not write there.
    #[error(
        "data folder {path} cannot be written by this user: change its owner, or name another folder with --data"
    )]
    Denied {
        /// The folder.
        path: PathBuf,
    },
    /// No space is left.
    #[error("data folder {path}: the disk is full: free some space")]
    Full {
        /// The folder.
        path: PathBuf,
    },
    /// Anything else that the system says.
    #[error("data folder {path} cannot be used: {source}")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A data folder that is ours while this lives.
#[derive(Debug)]
pub struct Folder {
    layout: Layout,
    lock: File,
}

/// What lies where in a data folder, whoever owns it.
#[derive(Debug, Clone)]
pub struct Layout {
    path: PathBuf,
}

impl Folder {
    /// Opens the folder, or makes it, and takes the lock.
    ///
    /// # Errors
    /// Another server holds it, or it cannot be made or written.
    pub fn open(path: &Path) -> Result<Folder, FolderError> {
        let told = |error| FolderError::from_io(path, error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(told)?;
        if !path.is_dir() {
            return Err(FolderError::NotAFolder { path: path.to_owned() });
        }
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(told)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let (path, holder) = (path.to_owned(), holder(&mut lock));
                return Err(FolderError::InUse { path, holder });
            }
            Err(TryLockError::Error(error)) => return Err(told(error)),
        }
        let mut folder = Folder { layout: Layout::of(path), lock };
        folder.announce("")?;
        for inner in [folder.blobs(), folder.logs()] {
            fs::create_dir_all(inner).map_err(told)?;
        }
        File::open(path).and_then(|folder| folder.sync_all()).map_err(told)?;
        Ok(folder)
    }

    /// Writes into the lock, for people, where this server listens.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn announce(&mut self, address: &str) -> Result<(), FolderError> {
        let mut words = format!("pid {}", std::process::id());
        if !address.is_empty() {
            words = format!("{words}, {address}");
        }
        self.lock
            .rewind()
            .and_then(|()| self.lock.set_len(0))
            .and_then(|()| writeln!(self.lock, "{words}"))
            .map_err(|error| FolderError::from_io(&self.layout.path, error))
    }
}

impl Deref for Folder {
    type Target = Layout;

    fn deref(&self) -> &Layout {
        &self.layout
    }
}

impl Layout {
    /// The names in a folder, which need not exist.
    #[must_use]
    pub fn of(path: &Path) -> Layout {
        Layout { path: path.to_owned() }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The event log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join("log.db")
    }

    /// The read tables.
    #[must_use]
    pub fn read(&self) -> PathBuf {
        self.path.join("read.db")
    }

    /// Bytes by digest.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    /// Captured output.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// The token's hash.
    #[must_use]
    pub fn token(&self) -> PathBuf {
        self.path.join("token")
    }
}

impl FolderError {
    fn from_io(path: &Path, source: io::Error) -> FolderError {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => FolderError::NotAFolder { path },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                FolderError::Denied { path }
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FolderError::Full { path },
            _ => FolderError::Unusable { path, source },
        }
    }
}

/// What the other server wrote; it may be about to write it.
fn holder(lock: &mut File) -> String {
    let mut words = String::new();
    let read = lock.take(SHOWN_BYTES).read_to_string(&mut words);
    match (read, words.trim()) {
        (Ok(_), words) if !words.is_empty() => words.to_owned(),
        _ => "it has not said more yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_folder_is_made_private_and_has_one_owner() {
        let parent = TempDir::new().unwrap();
        let path = parent.path().join("new/data");
        let mut first = Folder::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        first.announce("http://127.0.0.1:7077").unwrap();
        let told = Folder::open(&path).unwrap_err().to_string();
        let holder =
            format!("another gristmill (pid {}, http://127.0.0.1:7077)", std::process::id());
        assert!(told.contains(&holder), "{told}");
        drop(first);
        Folder::open(&path).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let parent = TempDir::new().unwrap();
        let path = parent.path().join("data");
        fs::write(&path, "x").unwrap();
        for path in [path.clone(), path.join("below")] {
            let error = Folder::open(&path).unwrap_err();
            assert!(matches!(error, FolderError::NotAFolder { .. }), "{error}");
        }
    }

    #[test]
    fn a_folder_that_refuses_writing_says_so() {
        // The kernel lets nobody, root included, make files there.
        let error = Folder::open(Path::new("/proc/gristmill")).unwrap_err();
        assert!(error.to_string().contains("/proc/gristmill"), "{error}");
    }
}
