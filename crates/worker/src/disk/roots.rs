//! The folders that a worker shares with submitters. A path from outside is believed only where it
//! truly lies under one of them, links followed.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use gristmill_model::attempt::{Failure, FailureKind};

use super::{cannot_read, cannot_write};

/// Folders that may be read and written.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedRoots {
    roots: Vec<PathBuf>,
}

impl SharedRoots {
    /// Takes folders that exist.
    pub(crate) fn new(roots: &[PathBuf]) -> io::Result<SharedRoots> {
        let roots = roots.iter().map(|root| root.canonicalize()).collect::<io::Result<_>>()?;
        Ok(SharedRoots { roots })
    }

    /// Judges a file that is to be read.
    pub(crate) fn readable(&self, path: &str) -> Result<PathBuf, Failure> {
        let path = self.plain(path)?;
        if self.is_everything() {
            return Ok(path.to_owned());
        }
        let real = path.canonicalize().map_err(|error| cannot_read(path, &error))?;
        self.within(path, &real)?;
        Ok(real)
    }

    /// Judges a file that is to be written; it and some of its folders may not exist yet.
    pub(crate) fn writable(&self, path: &str) -> Result<PathBuf, Failure> {
        let path = self.plain(path)?;
        if path.file_name().is_none() {
            return Err(outside(path, "it names no file"));
        }
        if self.is_everything() {
            return Ok(path.to_owned());
        }
        let folder = path.parent().unwrap_or(path);
        let real = real_folder(folder).map_err(|error| cannot_write(path, &error))?;
        self.within(path, &real)?;
        Ok(real.join(path.file_name().unwrap_or_else(|| OsStr::new(""))))
    }

    fn plain<'a>(&self, path: &'a str) -> Result<&'a Path, Failure> {
        let path = Path::new(path);
        if self.roots.is_empty() {
            return Err(outside(path, "this worker shares no folder with anybody"));
        }
        if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
            return Err(outside(path, "it is not an absolute path without `..`"));
        }
        Ok(path)
    }

    fn within(&self, path: &Path, real: &Path) -> Result<(), Failure> {
        if self.roots.iter().any(|root| real.starts_with(root)) {
            return Ok(());
        }
        Err(outside(path, "it is under none of the folders that this worker shares"))
    }

    fn is_everything(&self) -> bool {
        self.roots.iter().any(|root| root == Path::new("/"))
    }
}

/// The real place of a folder, which may still have to be made.
fn real_folder(folder: &Path) -> io::Result<PathBuf> {
    match folder.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
                return Err(error);
            };
            Ok(real_folder(parent)?.join(name))
        }
        other => other,
    }
}

fn outside(path: &Path, why: &str) -> Failure {
    let message = format!("cannot use {}: {why}", path.display());
    Failure::new(FailureKind::Invalid, "path_not_shared", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_what_truly_lies_under_a_root_is_used() {
        let scratch = tempfile::tempdir().unwrap();
        let (inside, elsewhere) = (scratch.path().join("in"), scratch.path().join("else"));
        fs::create_dir_all(&inside).unwrap();
        fs::create_dir_all(&elsewhere).unwrap();
        fs::write(inside.join("a"), "a").unwrap();
        fs::write(elsewhere.join("b"), "b").unwrap();
        std::os::unix::fs::symlink(&elsewhere, inside.join("link")).unwrap();
        let roots = SharedRoots::new(std::slice::from_ref(&inside)).unwrap();

        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        assert!(roots.readable(&text(inside.join("a"))).is_ok());
        assert!(roots.writable(&text(inside.join("new/deep/c"))).is_ok());
        for path in [elsewhere.join("b"), inside.join("../else/b"), inside.join("link/b")] {
            assert_eq!(roots.readable(&text(path)).unwrap_err().code, "path_not_shared");
        }
        for path in [elsewhere.join("c"), inside.join("link/new/c")] {
            assert_eq!(roots.writable(&text(path)).unwrap_err().code, "path_not_shared");
        }
        assert_eq!(roots.readable("a").unwrap_err().code, "path_not_shared");
        assert_eq!(roots.readable(&text(inside.join("no"))).unwrap_err().code, "input_unreadable");
        assert_eq!(SharedRoots::default().readable("/a").unwrap_err().code, "path_not_shared");
    }
}
