//! An attempt's own folder under the worker's scratch: made when first needed, gone afterwards.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gristmill_model::AttemptId;
use gristmill_model::attempt::{Failure, FailureKind};

/// The folder of one attempt.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: PathBuf,
}

impl WorkFolder {
    /// Names the folder; nothing is made yet.
    pub(crate) fn new(scratch: &Path, attempt: AttemptId) -> WorkFolder {
        WorkFolder { path: scratch.join(attempt.to_string()) }
    }

    /// Where it is, made if it is not there.
    pub(crate) fn path(&self) -> Result<&Path, Failure> {
        make(&self.path)?;
        Ok(&self.path)
    }

    /// A folder inside it, made if it is not there.
    pub(crate) fn sub_folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.path()?.join(name);
        make(&folder)?;
        Ok(folder)
    }

    /// The place of something inside it.
    pub(crate) fn place_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes it with all that is in it. `empty` names a folder inside that often is all there
    /// is; then no other thread is asked for help.
    pub(crate) async fn remove(&self, empty: &str) {
        // Where it is not there, or not empty, the next step finds out.
        let _ = fs::remove_dir(self.path.join(empty));
        match fs::remove_dir(&self.path) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => {}
        }
        let path = self.path.clone();
        let removed = tokio::task::spawn_blocking(move || fs::remove_dir_all(path)).await;
        match removed {
            Ok(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                let folder = self.path.display();
                tracing::warn!(%folder, %error, "cannot remove a working folder");
            }
            _ => {}
        }
    }
}

/// A file name without folders, whatever its owner called the file.
pub(crate) fn plain_name(name: &str) -> String {
    match Path::new(name).file_name().and_then(|last| last.to_str()) {
        Some(last) if !last.contains('\0') => last.into(),
        _ => "input".into(),
    }
}

fn make(folder: &Path) -> Result<(), Failure> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let message = format!("cannot make the working folder {}: {error}", folder.display());
            Err(Failure::new(FailureKind::Failed, "no_working_folder", message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_folders() {
        for (name, plain) in [
            ("a.jpg", "a.jpg"),
            ("x/../b", "b"),
            ("/etc/passwd", "passwd"),
            ("..", "input"),
            ("", "input"),
        ] {
            assert_eq!(plain_name(name), plain);
        }
    }

    #[tokio::test]
    async fn a_folder_is_made_when_needed_and_removed_with_its_contents() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = WorkFolder::new(scratch.path(), AttemptId(3));
        folder.remove("input").await;
        fs::write(folder.sub_folder("input").unwrap().join("x"), "x").unwrap();
        assert!(scratch.path().join("a3/input/x").exists());
        folder.remove("input").await;
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}
