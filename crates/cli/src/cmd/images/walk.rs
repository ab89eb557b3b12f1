//! Which files are pictures to work on: one file, or a folder and all below it in a fixed order.
//!
//! Hidden files and folders are not looked at, nor is the folder that the results go to. Links are
//! followed; one that leads back to where it came from is not. Without `--include` a file counts
//! when its content or its name says that it is a picture, so that a README between photographs is
//! no failure but an empty `.jpg` is.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use globset::{Glob, GlobSet, GlobSetBuilder};
use gristmill_imaging::Format;
use walkdir::{DirEntry, WalkDir};

use crate::error::{Error, Result};

/// Bytes that tell every format from the others.
const HEAD: u64 = 16;

/// A picture that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path relative to the folder that was walked, with `/` between its parts.
    pub name: String,
    /// Absolute path.
    pub path: PathBuf,
    pub size: u64,
    /// Last change in nanoseconds since 1970.
    pub changed: u128,
    /// What its content says that it is.
    pub format: Option<Format>,
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Found {
    pub sources: Vec<Source>,
    /// Files that are no pictures or were excluded.
    pub passed_over: u64,
    /// Files and folders that could not be looked at: path and cause.
    pub unreadable: Vec<(String, String)>,
}

/// Which files to take, by their relative path.
pub struct Choice {
    include: Option<GlobSet>,
    exclude: GlobSet,
}

impl Choice {
    /// `*` also crosses folders, so `*.jpg` means every `.jpg` at any depth.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Choice> {
        let include = if include.is_empty() { None } else { Some(globs(include)?) };
        Ok(Choice { include, exclude: globs(exclude)? })
    }

    fn takes(&self, name: &str, looks_like_picture: bool) -> bool {
        let wanted = self.include.as_ref().map_or(looks_like_picture, |globs| globs.is_match(name));
        wanted && !self.exclude.is_match(name)
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet> {
    let bad = |error: globset::Error| {
        let pattern = error.glob().unwrap_or_default().to_owned();
        Error::usage(format!("`{pattern}` is not a glob: {}", error.kind()))
            .hint("write it like '*.jpg' or 'holiday/**'")
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(bad)?);
    }
    set.build().map_err(bad)
}

/// Finds the pictures in `source`, but not in `results`.
pub fn walk(source: &Path, results: &Path, choice: &Choice) -> Result<Found> {
    let root = source.canonicalize().map_err(|error| Error::file("read", source, &error))?;
    let mut found = Found::default();
    if root.is_file() {
        let folder = root.parent().unwrap_or(Path::new("/")).to_owned();
        look(&root, &folder, choice, true, &mut found);
        return Ok(found);
    }
    let results = results.canonicalize().ok();
    let enters = |entry: &DirEntry| {
        let hidden = entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
        let is_results = entry.file_type().is_dir()
            && results.as_ref().is_some_and(|results| {
                entry.path().canonicalize().is_ok_and(|path| path == *results)
            });
        !hidden && !is_results
    };
    let walk = WalkDir::new(&root).follow_links(true).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(enters) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                look(entry.path(), &root, choice, false, &mut found);
            }
            Ok(_) => {}
            Err(error) if error.loop_ancestor().is_some() => found.passed_over += 1,
            Err(error) => {
                let path = error.path().unwrap_or(&root).strip_prefix(&root).unwrap_or(&root);
                let cause = error.io_error().map_or_else(|| error.to_string(), crate::error::cause);
                found.unreadable.push((path.display().to_string(), cause));
            }
        }
    }
    Ok(found)
}

/// Takes a file in, passes it over, or says why neither is possible. A file that was `named` on
/// the command line is taken whatever it looks like.
fn look(path: &Path, root: &Path, choice: &Choice, named: bool, found: &mut Found) {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let Some(name) = relative.to_str() else {
        let cause = "its name is not UTF-8".to_owned();
        found.unreadable.push((relative.display().to_string(), cause));
        return;
    };
    let format = head(path).as_deref().and_then(format_of);
    let looks = format.is_some() || by_name(relative).is_some();
    if !choice.takes(name, looks || named) {
        found.passed_over += 1;
        return;
    }
    match path.metadata() {
        Ok(meta) => {
            let changed = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            found.sources.push(Source {
                name: name.to_owned(),
                path: path.to_owned(),
                size: meta.len(),
                changed: changed.unwrap_or_default().as_nanos(),
                format,
            });
        }
        Err(error) => found.unreadable.push((name.to_owned(), crate::error::cause(&error))),
    }
}

/// The first bytes, or nothing where the file cannot be read: its job will say why.
fn head(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    Some(head)
}

/// BMP's signature is two letters that a text may well begin with, so four zero bytes that follow
/// in every real one must be there too.
fn format_of(head: &[u8]) -> Option<Format> {
    let format = Format::from_content(head)?;
    let real = format != Format::Bmp || head.get(6..10) == Some(&[0; 4]);
    real.then_some(format)
}

/// What a file's name says that it is.
pub fn by_name(path: &Path) -> Option<Format> {
    Format::parse(path.extension()?.to_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn names(found: &Found) -> Vec<&str> {
        found.sources.iter().map(|source| source.name.as_str()).collect()
    }

    #[test]
    fn content_or_name_makes_a_picture_and_order_is_fixed() {
        let folder = folder(&[
            ("b/empty.jpg", b""),
            ("a.dat", b"GIF89a...."),
            ("README.txt", b"BMW is a make of car"),
            (".hidden.jpg", b"GIF89a"),
            (".cache/x.png", b""),
            ("out/old.jpg", b""),
        ]);
        let root = folder.path();
        std::os::unix::fs::symlink(root, root.join("b/loop")).unwrap();
        let all = Choice::new(&[], &[]).unwrap();
        let found = walk(root, &root.join("out"), &all).unwrap();
        assert_eq!(names(&found), ["a.dat", "b/empty.jpg"]);
        assert_eq!(found.sources[0].format, Some(Format::Gif));
        assert_eq!(found.passed_over, 2, "the README and the loop");
    }

    #[test]
    fn globs_choose_by_relative_path() {
        let folder = folder(&[("a.jpg", b""), ("b/c.jpg", b""), ("b/d.raw", b"")]);
        let take = |include: &[&str], exclude: &[&str]| {
            let owned = |globs: &[&str]| globs.iter().map(|g| (*g).to_owned()).collect::<Vec<_>>();
            let choice = Choice::new(&owned(include), &owned(exclude)).unwrap();
            let found = walk(folder.path(), Path::new("/nowhere"), &choice).unwrap();
            names(&found).join(" ")
        };
        assert_eq!(take(&[], &["b/*"]), "a.jpg");
        assert_eq!(take(&["*.raw"], &[]), "b/d.raw");
        assert_eq!(take(&["**/*.jpg"], &["a*"]), "b/c.jpg");
        assert!(Choice::new(&["[".into()], &[]).is_err());
    }
}
