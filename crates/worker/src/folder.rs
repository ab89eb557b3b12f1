//! An attempt's own folder under the worker's scratch: made when first needed, gone afterwards.
//!
//! A folder that a program left as it found it is kept for the next attempt while there is work: to
//! make and remove folders costs more than all else that is done for a short program.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use gristmill_model::attempt::{Failure, FailureKind};
use gristmill_model::{AttemptId, limits};

/// Where attempts have their folders, and those that nobody has.
#[derive(Debug)]
pub(crate) struct Folders {
    scratch: PathBuf,
    spare: Mutex<Spare>,
    /// Kind, mode and owner of a folder that has just been made.
    made: OnceLock<[u32; 3]>,
}

#[derive(Debug, Default)]
struct Spare {
    folders: Vec<PathBuf>,
    /// Room that is kept for folders on their way here.
    promised: usize,
    named: u64,
}

impl Folders {
    pub(crate) fn new(scratch: &Path) -> Folders {
        let (spare, made) = (Mutex::default(), OnceLock::new());
        Folders { scratch: scratch.to_owned(), spare, made }
    }

    /// Removes the folders that nobody has: there is no work.
    pub(crate) fn sweep(&self) {
        let spare = std::mem::take(&mut self.spare().folders);
        for folder in spare {
            if let Err(error) = fs::remove_dir_all(&folder) {
                tracing::warn!(folder = %folder.display(), %error, "cannot remove a spare folder");
            }
        }
    }

    fn spare(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names a place for a folder that is put away, if there is room for it.
    fn place_for_spare(&self) -> Option<PathBuf> {
        let mut spare = self.spare();
        spare.named += 1;
        if spare.folders.len() + spare.promised >= limits::SPARE_FOLDERS {
            return None;
        }
        spare.promised += 1;
        Some(self.scratch.join(format!("spare-{}", spare.named)))
    }

    /// A folder has come to the place that was named for it, or did not.
    fn settle_spare(&self, place: PathBuf, came: bool) {
        let mut spare = self.spare();
        spare.promised -= 1;
        if came {
            spare.folders.push(place);
        }
    }
}

/// The folder of one attempt.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    folders: Arc<Folders>,
    path: PathBuf,
    made: OnceLock<()>,
}

impl WorkFolder {
    /// Names the folder; nothing is made yet.
    pub(crate) fn new(folders: &Arc<Folders>, attempt: AttemptId) -> WorkFolder {
        let path = folders.scratch.join(attempt.to_string());
        WorkFolder { folders: Arc::clone(folders), path, made: OnceLock::new() }
    }

    /// Where it is, made if it is not there.
    pub(crate) fn path(&self) -> Result<&Path, Failure> {
        if self.made.get().is_none() {
            self.make_or_take()?;
            self.made.get_or_init(|| ());
        }
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

    fn make_or_take(&self) -> Result<(), Failure> {
        let spare = self.folders.spare().folders.pop();
        if let Some(spare) = spare {
            match fs::rename(&spare, &self.path) {
                Ok(()) => return Ok(()),
                Err(_) => self.folders.spare().folders.push(spare),
            }
        }
        make(&self.path)?;
        if self.folders.made.get().is_none()
            && let Some(look) = look(&self.path)
        {
            self.folders.made.get_or_init(|| look);
        }
        Ok(())
    }

    /// Puts it away for another attempt if nobody can have an eye on it any more (`free`), and all
    /// that is in it is the empty folder `empty`; otherwise removes it with all that is in it.
    pub(crate) async fn clear(&self, free: bool, empty: &str) {
        if self.made.get().is_none() || (free && self.put_away(empty)) {
            return;
        }
        // What is empty is gone at once; for the rest another thread is asked for help.
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

    /// Says whether it was put away.
    fn put_away(&self, empty: &str) -> bool {
        let inside = self.path.join(empty);
        let as_made = |path: &Path| look(path).is_some_and(|look| Some(&look) == self.made_look());
        let is_bare = holds_only(&self.path, Some(empty)) && holds_only(&inside, None);
        if !is_bare || !as_made(&self.path) || !as_made(&inside) {
            return false;
        }
        let Some(place) = self.folders.place_for_spare() else { return false };
        let moved = fs::rename(&self.path, &place).is_ok();
        self.folders.settle_spare(place, moved);
        moved
    }

    fn made_look(&self) -> Option<&[u32; 3]> {
        self.folders.made.get()
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

/// Kind, mode and owner; of a link its own.
fn look(path: &Path) -> Option<[u32; 3]> {
    let found = fs::symlink_metadata(path).ok()?;
    Some([found.mode(), found.uid(), found.gid()])
}

fn holds_only(folder: &Path, name: Option<&str>) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    let mut entries = entries.map(|entry| entry.map(|entry| entry.file_name()).ok());
    let first = entries.next().flatten();
    first.as_deref() == name.map(AsRef::as_ref) && entries.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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

    fn entries(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_folder_is_made_when_needed_and_removed_with_its_contents() {
        let scratch = tempfile::tempdir().unwrap();
        let folders = Arc::new(Folders::new(scratch.path()));
        let folder = WorkFolder::new(&folders, AttemptId(3));
        folder.clear(true, "input").await;
        fs::write(folder.sub_folder("input").unwrap().join("x"), "x").unwrap();
        assert!(scratch.path().join("a3/input/x").exists());
        folder.clear(true, "input").await;
        assert!(entries(scratch.path()).is_empty());
    }

    #[tokio::test]
    async fn a_folder_left_as_it_was_serves_another_attempt() {
        let scratch = tempfile::tempdir().unwrap();
        let folders = Arc::new(Folders::new(scratch.path()));
        let folder = |attempt| WorkFolder::new(&folders, AttemptId(attempt));
        let first = folder(1);
        let inode = |folder: &WorkFolder| fs::metadata(folder.path().unwrap()).unwrap().ino();
        let node = inode(&first);
        first.sub_folder("artifacts").unwrap();
        first.clear(true, "artifacts").await;
        assert_eq!(entries(scratch.path()), ["spare-1"]);

        let second = folder(2);
        assert_eq!(inode(&second), node);
        assert_eq!(entries(scratch.path()), ["a2"]);
        assert_eq!(entries(second.path().unwrap()), ["artifacts"]);
        second.clear(true, "artifacts").await;
        folders.sweep();
        assert!(entries(scratch.path()).is_empty());
    }

    #[tokio::test]
    async fn a_folder_that_was_changed_or_may_be_watched_serves_nobody() {
        let scratch = tempfile::tempdir().unwrap();
        let folders = Arc::new(Folders::new(scratch.path()));
        let spoilt: [fn(&Path); 5] = [
            |folder| fs::write(folder.join("left"), "").unwrap(),
            |folder| fs::write(folder.join("artifacts/left"), "").unwrap(),
            |folder| fs::remove_dir(folder.join("artifacts")).unwrap(),
            |folder| fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap(),
            |folder| {
                fs::remove_dir(folder.join("artifacts")).unwrap();
                std::os::unix::fs::symlink("/tmp", folder.join("artifacts")).unwrap();
            },
        ];
        for (attempt, spoil) in (1..).zip(spoilt) {
            let folder = WorkFolder::new(&folders, AttemptId(attempt));
            folder.sub_folder("artifacts").unwrap();
            spoil(folder.path().unwrap());
            folder.clear(true, "artifacts").await;
            assert!(entries(scratch.path()).is_empty(), "{attempt}");
        }
        let folder = WorkFolder::new(&folders, AttemptId(9));
        folder.sub_folder("artifacts").unwrap();
        folder.clear(false, "artifacts").await;
        assert!(entries(scratch.path()).is_empty());
    }

    #[test]
    fn there_are_never_more_spare_folders_than_the_bound_whoever_comes_at_once() {
        let folders = Folders::new(Path::new("scratch"));
        let places: Vec<PathBuf> =
            (0..limits::SPARE_FOLDERS).map(|_| folders.place_for_spare().unwrap()).collect();
        assert_eq!(folders.place_for_spare(), None, "all room is promised");
        let mut places = places.into_iter();
        folders.settle_spare(places.next().unwrap(), false);
        assert!(folders.place_for_spare().is_some(), "one did not come");
        places.for_each(|place| folders.settle_spare(place, true));
        assert_eq!(folders.place_for_spare(), None);
    }
}
