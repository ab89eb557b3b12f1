//! Write aside, then rename: a file appears under its name only when it is whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gristmill_model::AttemptId;

/// A file in the making, beside the place where it will be or in a folder for such; removed again
/// unless it is put there.
#[derive(Debug)]
pub(crate) struct Aside {
    part: PathBuf,
    destination: PathBuf,
    attempt: AttemptId,
    placed: bool,
}

impl Aside {
    /// Names the part file. The attempt is in its name: two attempts never write to one file.
    pub(crate) fn new(parts: Option<&Path>, destination: &Path, attempt: AttemptId) -> Aside {
        let part = match parts {
            Some(parts) => parts.join(format!("{attempt}.part")),
            None => beside(destination, attempt),
        };
        Aside { part, destination: destination.to_owned(), attempt, placed: false }
    }

    /// Writes the whole file. Folders that are missing are made.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.create()?.write_all(bytes)
    }

    /// Takes over a finished file, by copy where it lies on another disk.
    pub(crate) fn take(&self, finished: &Path) -> io::Result<()> {
        self.with_folder(|part| match fs::rename(finished, part) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                fs::copy(finished, part).map(drop)
            }
            other => other,
        })
    }

    /// Puts the file in its place.
    pub(crate) fn place(mut self) -> io::Result<()> {
        match fs::rename(&self.part, &self.destination) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(folder) = self.destination.parent() {
                    fs::create_dir_all(folder)?;
                }
                fs::rename(&self.part, &self.destination)?;
            }
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => return self.place_far(),
            other => other?,
        }
        self.placed = true;
        Ok(())
    }

    /// Puts a part that lies on another disk in its place, over a part beside that.
    fn place_far(&self) -> io::Result<()> {
        let near = Aside::new(None, &self.destination, self.attempt);
        fs::copy(&self.part, &near.part)?;
        near.place()
    }

    fn create(&self) -> io::Result<File> {
        self.with_folder(|part| File::create(part))
    }

    /// Most folders exist, so they are made only when the first try has failed.
    fn with_folder<T>(&self, act: impl Fn(&Path) -> io::Result<T>) -> io::Result<T> {
        match act(&self.part) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(folder) = self.part.parent() {
                    fs::create_dir_all(folder)?;
                }
                act(&self.part)
            }
            other => other,
        }
    }
}

fn beside(destination: &Path, attempt: AttemptId) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(destination.file_name().unwrap_or_default());
    name.push(format!(".gristmill-{attempt}.part"));
    destination.with_file_name(name)
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.placed {
            // It may never have been made, and more than this cannot be done about it.
            let _ = fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        fs::read_dir(folder).unwrap().map(|entry| name(entry.unwrap())).collect()
    }

    #[test]
    fn a_file_appears_whole_and_its_folders_with_it() {
        let scratch = tempfile::tempdir().unwrap();
        let destination = scratch.path().join("a/b/out.txt");
        let aside = Aside::new(None, &destination, AttemptId(7));
        aside.write(b"grist").unwrap();
        assert_eq!(names(destination.parent().unwrap()), [".out.txt.gristmill-a7.part"]);
        aside.place().unwrap();
        assert_eq!(names(destination.parent().unwrap()), ["out.txt"]);
    }

    #[test]
    fn parts_may_have_a_folder_of_their_own() {
        let scratch = tempfile::tempdir().unwrap();
        let (parts, destination) = (scratch.path().join("parts"), scratch.path().join("a/b/out"));
        let aside = Aside::new(Some(&parts), &destination, AttemptId(7));
        aside.write(b"grist").unwrap();
        assert_eq!((names(&parts), destination.exists()), (vec!["a7.part".to_owned()], false));
        aside.place().unwrap();
        assert!(names(&parts).is_empty());
        assert_eq!(fs::read(&destination).unwrap(), b"grist");
    }

    #[test]
    fn a_part_on_another_disk_is_placed_too() {
        let shm = Path::new("/dev/shm");
        let (Ok(far), scratch) = (tempfile::tempdir_in(shm), tempfile::tempdir().unwrap()) else {
            return eprintln!("skipped: there is no second file system to write to");
        };
        let destination = scratch.path().join("out");
        let aside = Aside::new(Some(far.path()), &destination, AttemptId(7));
        aside.write(b"grist").unwrap();
        aside.place().unwrap();
        assert_eq!(fs::read(&destination).unwrap(), b"grist");
        assert_eq!((names(far.path()), names(scratch.path())), (vec![], vec!["out".to_owned()]));
    }

    #[test]
    fn a_file_that_is_not_placed_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let finished = scratch.path().join("finished");
        fs::write(&finished, b"grist").unwrap();
        let folder = scratch.path().join("out");
        let aside = Aside::new(None, &folder.join("x"), AttemptId(1));
        aside.take(&finished).unwrap();
        drop(aside);
        assert!(names(&folder).is_empty());
    }
}
