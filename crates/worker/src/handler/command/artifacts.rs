//! Files that a program leaves in `GRISTMILL_ARTIFACTS`: collected by name, within a bound.

use std::fs;
use std::path::{Path, PathBuf};

use gristmill_model::attempt::Failure;
use gristmill_model::limits;

use crate::disk::cannot_read;

/// The regular files of a folder, in order of their names. What is not collected is warned of.
pub(super) fn collect(folder: &Path, warnings: &mut Vec<String>) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| cannot_read(folder, &error);
    let mut files = Vec::new();
    let mut left_out = 0_usize;
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_type().map_err(unreadable)?.is_file() && files.len() < limits::ARTIFACTS {
            files.push(entry.path());
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        warnings.push(format!(
            "{left_out} entries of the artifacts folder were left out: only files directly in it \
             are collected, at most {}",
            limits::ARTIFACTS
        ));
    }
    files.sort();
    Ok(files)
}
