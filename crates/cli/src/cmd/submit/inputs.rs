//! Inputs, one at a time from wherever they come: a list of a million lines is never held whole.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use gristmill_model::api::RangeRequest;
use gristmill_model::limits;
use serde_json::Value;

use crate::error::{Error, Result};

/// Where inputs come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One job that needs no input.
    None,
    Given(Vec<String>),
    /// One job, whose input was put together from names and values.
    Named(Value),
    Lines(PathBuf),
    Ndjson(PathBuf),
    JsonList(PathBuf),
    /// Made up by the server.
    Range(RangeRequest),
}

impl Kind {
    /// How many inputs there are, where that is known before they are read.
    pub fn count(&self) -> Option<u64> {
        match self {
            Kind::None | Kind::Named(_) => Some(1),
            Kind::Given(words) => Some(words.len() as u64),
            Kind::Lines(_) | Kind::Ndjson(_) | Kind::JsonList(_) | Kind::Range(_) => None,
        }
    }
}

/// How a file among the inputs reaches the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Not at all: its name is a text.
    Text,
    /// By its path on a shared disk.
    Shared,
    /// As a blob.
    Upload,
}

/// An input.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    None,
    /// A word or a line, which may name a file.
    Word(String),
    Json(Value),
}

/// Reads inputs.
pub struct Inputs {
    items: Box<dyn Iterator<Item = Result<Input>> + Send>,
    /// Whether nothing has to be waited for.
    pub at_hand: bool,
}

impl Iterator for Inputs {
    type Item = Result<Input>;

    fn next(&mut self) -> Option<Result<Input>> {
        self.items.next()
    }
}

impl Inputs {
    pub fn open(kind: &Kind) -> Result<Inputs> {
        let at_hand =
            matches!(kind, Kind::None | Kind::Given(_) | Kind::Named(_) | Kind::JsonList(_));
        let items: Box<dyn Iterator<Item = Result<Input>> + Send> = match kind {
            Kind::None => Box::new(std::iter::once(Ok(Input::None))),
            Kind::Range(_) => Box::new(std::iter::empty()),
            Kind::Named(object) => Box::new(std::iter::once(Ok(Input::Json(object.clone())))),
            Kind::Given(words) => Box::new(words.clone().into_iter().map(|w| Ok(Input::Word(w)))),
            Kind::Lines(path) => {
                Box::new(lines(path)?.map(|line| line.map(|(_, text)| Input::Word(text))))
            }
            Kind::Ndjson(path) => {
                let name = path.clone();
                Box::new(lines(path)?.map(move |line| {
                    let (number, text) = line?;
                    json(&text).map_err(|error| bad(&name, number, &error))
                }))
            }
            Kind::JsonList(path) => Box::new(list(path)?),
        };
        Ok(Inputs { items, at_hand })
    }
}

fn json(text: &str) -> serde_json::Result<Input> {
    serde_json::from_str(text).map(Input::Json)
}

fn bad(path: &Path, line: u64, error: &serde_json::Error) -> Error {
    Error::input(format!("{} is not JSON: {error}", at(path, line)))
        .hint("expected one JSON value a line; nothing was submitted")
}

fn at(path: &Path, line: u64) -> String {
    let name =
        if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    format!("line {line} of {name}")
}

fn open(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = File::open(path).map_err(|error| Error::file("read", path, &error))?;
    Ok(Box::new(BufReader::new(file)))
}

/// Lines with their numbers; empty ones are passed over.
fn lines(path: &Path) -> Result<impl Iterator<Item = Result<(u64, String)>> + Send + use<>> {
    let mut reader = open(path)?;
    let path = path.to_owned();
    let mut number = 0;
    Ok(std::iter::from_fn(move || {
        loop {
            number += 1;
            let mut line = Vec::new();
            let bound = limits::LINE_BYTES as u64 + 1;
            match reader.by_ref().take(bound).read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) if line.len() > limits::LINE_BYTES => {
                    return Some(Err(too_long(&path, number)));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(Error::file("read", &path, &error))),
            }
            let Ok(text) = String::from_utf8(line) else {
                return Some(Err(Error::input(format!("{} is not UTF-8", at(&path, number)))));
            };
            let text = text.trim_end_matches(['\n', '\r']);
            if !text.is_empty() {
                return Some(Ok((number, text.to_owned())));
            }
        }
    }))
}

fn too_long(path: &Path, number: u64) -> Error {
    let bound = limits::LINE_BYTES;
    Error::input(format!("{} has more than {bound} bytes", at(path, number)))
        .hint("put what is long into a file and give its name as the input")
}

/// A JSON list is one document, so it is read whole, within the bound of a request's body.
fn list(path: &Path) -> Result<impl Iterator<Item = Result<Input>> + Send + use<>> {
    let mut text = String::new();
    let bound = limits::BODY_BYTES as u64 + 1;
    let read = open(path)?.take(bound).read_to_string(&mut text);
    read.map_err(|error| Error::file("read", path, &error))?;
    if text.len() > limits::BODY_BYTES {
        let message = format!("{} has more than {} bytes", path.display(), limits::BODY_BYTES);
        return Err(Error::input(message).hint("write one value a line and use --ndjson"));
    }
    let items: Vec<Value> = serde_json::from_str(&text).map_err(|error| {
        Error::input(format!("{} is not a JSON list: {error}", path.display()))
            .hint("expected like [\"a\", {\"prompt\": \"b\"}]")
    })?;
    Ok(items.into_iter().map(|item| Ok(Input::Json(item))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(text: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        file
    }

    #[test]
    fn lines_are_inputs_and_empty_ones_are_none() {
        let file = file(b"a b\r\n\n{x}\nlast");
        let inputs = Inputs::open(&Kind::Lines(file.path().into())).unwrap();
        let words: Vec<Input> = inputs.map(Result::unwrap).collect();
        assert_eq!(words, ["a b", "{x}", "last"].map(|word| Input::Word(word.into())));
    }

    #[test]
    fn a_bad_line_is_named() {
        let file = file(b"{\"a\":1}\n\nnonsense\n");
        let mut inputs = Inputs::open(&Kind::Ndjson(file.path().into())).unwrap();
        assert!(inputs.next().unwrap().is_ok());
        let error = inputs.next().unwrap().unwrap_err();
        assert!(error.message.starts_with("line 3 of"), "{error}");
    }

    #[test]
    fn a_line_without_an_end_is_bounded() {
        let file = file(&vec![b'x'; limits::LINE_BYTES * 2]);
        let mut inputs = Inputs::open(&Kind::Lines(file.path().into())).unwrap();
        assert!(inputs.next().unwrap().unwrap_err().message.contains("more than"));
    }
}
