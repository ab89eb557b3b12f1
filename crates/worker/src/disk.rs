//! Files on disks that others see too: where a worker may read and write, and how a file appears
//! there whole or not at all.

mod aside;
mod roots;

use std::io;
use std::path::Path;

use gristmill_model::attempt::{Failure, FailureKind};

pub(crate) use aside::Aside;
pub(crate) use roots::SharedRoots;

/// The failure of a write. Another try may help: a disk is emptied, a share comes back.
pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk_full",
        _ => "output_unwritable",
    };
    let message = format!("cannot write {}: {error}", path.display());
    Failure::new(FailureKind::Failed, code, message)
}

/// The failure of a read. A file that is not there, or may not be read, stays so.
pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::FileTooLarge => FailureKind::Invalid,
        _ => FailureKind::Failed,
    };
    Failure::new(kind, "input_unreadable", format!("cannot read {}: {error}", path.display()))
}
