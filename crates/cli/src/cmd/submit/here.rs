//! What a submission names in the folder where it is typed. A worker runs each attempt in an empty
//! folder of its own, so what exists here is handed over by its absolute path. What does not exist
//! stays the text that it is.

use std::path::{Path, PathBuf};

use gristmill_model::payload::Payload;
use gristmill_model::source::{self, Items, Source};
use gristmill_model::template;

use crate::error::{Error, Result};

/// The folder in which the command line was typed.
pub fn folder() -> Result<PathBuf> {
    std::env::current_dir().map_err(|error| Error::file("find", Path::new("."), &error))
}

/// The command's words; the first one is made absolute where it is a path to a file. A name without
/// a slash is for the worker's `PATH`, as in a shell.
pub fn words(folder: &Path, argv: &[String], shell: bool) -> Vec<String> {
    let mut words = argv.to_vec();
    if let Some(program) = words.first_mut()
        && let Some(found) = program_path(folder, program)
    {
        let plain = |c: char| c.is_alphanumeric() || "/._-+:@%=".contains(c);
        let path = match shell && !found.chars().all(plain) {
            true => format!("'{}'", found.replace('\'', r"'\''")),
            false => found,
        };
        *program = template::quoted(&path);
    }
    words
}

fn program_path(folder: &Path, word: &str) -> Option<String> {
    if template::PLACEHOLDERS.iter().any(|name| template::mentions(word, name)) {
        return None;
    }
    let program = template::fill(word, |_| String::new()).ok()?;
    if !program.contains('/') || Path::new(&program).is_absolute() {
        return None;
    }
    let path = folder.join(program.strip_prefix("./").unwrap_or(&program));
    path.is_file().then(|| path.to_str().map(str::to_owned)).flatten()
}

/// The pattern with the folder in front, where its first item names a file there and none of its
/// items is an absolute path.
pub fn pattern(folder: &Path, pattern: &str) -> String {
    below(folder, pattern).unwrap_or_else(|| pattern.to_owned())
}

fn below(folder: &Path, pattern: &str) -> Option<String> {
    let items = Source::Brace(pattern.to_owned()).parse().ok()?;
    let [first, last] = ends(&items)?;
    if items.has_absolute() || !folder.join(&first).is_file() {
        return None;
    }
    let front = folder.to_str()?.trim_end_matches('/');
    let placed = format!("{}/{pattern}", source::quoted(front));
    // Lopsided braces may read otherwise with something in front of them.
    let again = Source::Brace(placed.clone()).parse().ok()?;
    let same = again.count() == items.count()
        && ends(&again)? == [first, last].map(|item| format!("{front}/{item}"));
    same.then_some(placed)
}

fn ends(items: &Items) -> Option<[String; 2]> {
    let text = |index| match items.item(index) {
        Some(Payload::Text(text)) => Some(text),
        _ => None,
    };
    Some([text(0)?, text(items.count() - 1)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn a_program_that_is_here_is_named_by_its_place() {
        let here = folder_with(&["process", "bin/x", "it's", "{input}"]);
        let at = |name: &str| here.path().join(name).to_str().unwrap().to_owned();
        let first = |word: &str, shell| {
            words(here.path(), &[word.to_owned(), "./process".into()], shell).swap_remove(0)
        };
        assert_eq!(first("./process", false), at("process"));
        assert_eq!(first("bin/x", false), at("bin/x"));
        assert_eq!(first("./bin/../process", true), at("bin/../process"));
        assert_eq!(first("./it's", false), at("it's"));
        assert_eq!(first("./it's", true), format!("'{}'", at("it's").replace('\'', r"'\''")));
        assert_eq!(first("./{{input}}", false), at("{{input}}"));
        for word in ["process", "./gone", "bin", "/bin/sh", "./{input}", "./process {input}"] {
            assert_eq!(first(word, false), word);
        }
        assert_eq!(words(here.path(), &["a".into(), "./process".into()], false)[1], "./process");
    }

    #[test]
    fn a_pattern_of_files_that_are_here_gets_the_folder_in_front() {
        let here = folder_with(&["odd,{1..2}/data/1.tar", "odd,{1..2}/left/3"]);
        let folder = here.path().join("odd,{1..2}");
        let front = source::quoted(folder.to_str().unwrap());
        for text in ["data/{1..2}.tar", "{left,right}/{3..9}", "./data/{1..3}.tar"] {
            assert_eq!(pattern(&folder, text), format!("{front}/{text}"));
        }
        for text in ["data/{2..1}.tar", "frame-{1..9}", "{data/1.tar,/etc/passwd}", "{1..0x"] {
            assert_eq!(pattern(&folder, text), text);
        }
    }
}
