//! Write aside, then rename: a file appears under its name only when it is whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gristmill_model::AttemptId;

/// A file in the making, beside the place where it will be; removed again unless it is put there.
#[derive(Debug)]
pub(crate) struct Aside {
    part: PathBuf,
    destination: PathBuf,
    placed: bool,
}

impl Aside {
    /// Names the part file. The attempt is in its name: two attempts never write to one file.
    pub(crate) fn new(destination: &Path, attempt: AttemptId) -> Aside {
        let mut name = OsString::from(".");
        name.push(destination.file_name().unwrap_or_default());
        name.push(format!(".gristmill-{attempt}.part"));
        let part = destination.with_file_name(name);
        Aside { part, destination: destination.to_owned(), placed: false }
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
        fs::rename(&self.part, &self.destination)?;
        self.placed = true;
        Ok(())
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
        let aside = Aside::new(&destination, AttemptId(7));
        aside.write(b"grist").unwrap();
        assert_eq!(names(destination.parent().unwrap()), [".out.txt.gristmill-a7.part"]);
        aside.place().unwrap();
        assert_eq!(names(destination.parent().unwrap()), ["out.txt"]);
    }

    #[test]
    fn a_file_that_is_not_placed_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let finished = scratch.path().join("finished");
        fs::write(&finished, b"grist").unwrap();
        let folder = scratch.path().join("out");
        let aside = Aside::new(&folder.join("x"), AttemptId(1));
        aside.take(&finished).unwrap();
        drop(aside);
        assert!(names(&folder).is_empty());
    }
}
