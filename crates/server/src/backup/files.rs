//! Folders of folders of files, which others add to meanwhile. Where the file system can share
//! blocks between two files, the copies cost no space until one of them goes.

use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use gristmill_model::AttemptId;

use super::{BackupError, Part, Step, Watch};

/// Bytes of one file copied between two looks at whether to go on.
const PIECE: u64 = 64 * 1024 * 1024;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// How many files.
    pub files: u64,
    /// How many bytes they have together.
    pub bytes: u64,
}

/// Whether a file in `blobs/` is one: uploads under way have a `#` in their names.
pub(super) fn is_blob(name: &str) -> bool {
    !name.contains('#')
}

/// The attempt whose output a file in `logs/` holds; its name is like `j17-a21.tail`.
pub(super) fn attempt_of(name: &str) -> Option<AttemptId> {
    let (_, attempt) = name.split('.').next()?.split_once('-')?;
    attempt.parse().ok()
}

/// Copies the files whose names are wanted. One that goes meanwhile is no loss: blobs stay for
/// ever, and captured output makes room for newer.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    part: Part,
    wanted: impl Fn(&str) -> bool,
    watch: &mut Watch<'_>,
) -> Result<Totals, BackupError> {
    fs::create_dir(to).map_err(|source| BackupError::writing(to, source))?;
    let mut found = Totals::default();
    walk(from, &wanted, &mut |_, entry| {
        found.bytes += entry.metadata().map_or(0, |metadata| metadata.len());
        Ok(())
    })?;
    let mut copied = Totals::default();
    let mut look = |done: u64| match watch(Step { part, done, total: found.bytes.max(done) }) {
        true => Ok(()),
        false => Err(BackupError::Stopped),
    };
    look(0)?;
    walk(from, &wanted, &mut |inner, entry| {
        let folder = to.join(inner);
        fs::create_dir_all(&folder).map_err(|source| BackupError::writing(&folder, source))?;
        let before = copied.bytes;
        let mut told = |bytes| look(before + bytes);
        if let Some(bytes) = copy_one(&entry.path(), &folder.join(entry.file_name()), &mut told)? {
            copied.files += 1;
            copied.bytes += bytes;
        }
        Ok(())
    })?;
    Ok(copied)
}

/// Calls `each` with every wanted file two levels down and the name of the folder it lies in.
fn walk(
    folder: &Path,
    wanted: &dyn Fn(&str) -> bool,
    each: &mut dyn FnMut(&Path, &DirEntry) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    for inner in entries(folder)? {
        let inner = inner.map_err(|source| BackupError::reading(folder, source))?;
        if !inner.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let name = inner.file_name();
        for file in entries(&inner.path())? {
            let file = file.map_err(|source| BackupError::reading(&inner.path(), source))?;
            if wanted(&file.file_name().to_string_lossy()) {
                each(Path::new(&name), &file)?;
            }
        }
    }
    Ok(())
}

/// What lies in a folder; nothing where there is none.
fn entries(folder: &Path) -> Result<impl Iterator<Item = io::Result<DirEntry>>, BackupError> {
    match fs::read_dir(folder) {
        Ok(found) => Ok(Some(found).into_iter().flatten()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(BackupError::reading(folder, error)),
    }
}

/// Copies one file with its permissions, and tells how far it came; nothing where it is gone.
pub(super) fn copy_one(
    from: &Path,
    to: &Path,
    told: &mut dyn FnMut(u64) -> Result<(), BackupError>,
) -> Result<Option<u64>, BackupError> {
    let mut source = match File::open(from) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BackupError::reading(from, error)),
    };
    let written = |error| BackupError::writing(to, error);
    let permissions = source.metadata().map_err(|e| BackupError::reading(from, e))?.permissions();
    let mut copy = OpenOptions::new().write(true).create_new(true).open(to).map_err(written)?;
    copy.set_permissions(permissions).map_err(written)?;
    let mut bytes = 0;
    loop {
        // The standard library lets the kernel copy, which shares blocks where it can.
        let piece = io::copy(&mut Read::by_ref(&mut source).take(PIECE), &mut copy);
        let piece = piece.map_err(|error| BackupError::copying(from, to, error))?;
        bytes += piece;
        told(bytes)?;
        if piece < PIECE {
            return Ok(Some(bytes));
        }
    }
}
