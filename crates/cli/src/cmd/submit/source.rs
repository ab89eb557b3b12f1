//! Where the inputs of `submit` and `append` come from, and how they reach the server: as jobs one
//! by one, or as a range, one record however many they are.

use std::io::Write;
use std::path::{Path, PathBuf};

use gristmill_model::api::RangeRequest;
use gristmill_model::source::Source as Ranged;
use tempfile::NamedTempFile;

use super::here;
use super::inputs::{Input, Inputs, Kind, Place};
use super::jobs::{Pattern, Plan};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::say;

/// Where inputs come from, and how files among them travel.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Inputs")]
pub struct Source {
    /// Each line is an input; - reads standard input
    #[arg(long, value_name = "FILE", group = "inputs")]
    lines: Option<PathBuf>,
    /// A pattern whose items are the inputs, as 'data/{000000..999999}.tar': one record
    #[arg(long, value_name = "PATTERN", group = "inputs")]
    brace: Option<String>,
    /// Numbers are the inputs: one record
    #[arg(long, value_name = "FIRST..LAST[..STEP]", value_parser = range, group = "inputs",
          allow_hyphen_values = true)]
    range: Option<RangeRequest>,
    /// The numbers from 0 to N-1 are the inputs: one record
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..),
          group = "inputs")]
    array: Option<u64>,
    /// Each line is an input as JSON; - reads standard input
    #[arg(long, value_name = "FILE", group = "inputs")]
    ndjson: Option<PathBuf>,
    /// Each item of one JSON list is an input; - reads standard input
    #[arg(long, value_name = "FILE", group = "inputs")]
    json_list: Option<PathBuf>,
    /// Inputs are texts, also where a file has that name
    #[arg(long, conflicts_with_all = ["upload", "shared_disk"])]
    text: bool,
    /// Send files among the inputs through the server
    #[arg(long, conflicts_with = "shared_disk")]
    upload: bool,
    /// The workers see files under the same paths [default with a server on this machine]
    #[arg(long)]
    shared_disk: bool,
    /// Where each output file goes on the shared disk; {name}, {stem} and {index} are the input's
    #[arg(long, value_name = "PATTERN")]
    output: Option<String>,
}

/// How the inputs reach the server.
pub enum Load {
    /// As jobs, one by one.
    Jobs(Plan, Inputs),
    /// As one record.
    Range(RangeRequest),
}

impl Source {
    /// What was asked for; `given` are the words after `:::`.
    pub fn kind(&self, given: Option<&[String]>) -> Result<Kind> {
        let numbers = |first, last| RangeRequest::Numbers { first, last, step: None };
        let array = self.array.map(|n| numbers(0, i64::try_from(n - 1).unwrap_or(i64::MAX)));
        let brace = self.brace.clone().map(RangeRequest::Brace);
        let range = self.range.clone().or(array).or(brace);
        let file = match (&self.lines, &self.ndjson, &self.json_list) {
            (Some(path), _, _) => Some(Kind::Lines(path.clone())),
            (_, Some(path), _) => Some(Kind::Ndjson(path.clone())),
            (_, _, Some(path)) => Some(Kind::JsonList(path.clone())),
            _ => range.map(Kind::Range),
        };
        match (file, given) {
            (Some(_), Some(_)) => {
                Err(Error::usage("inputs come from an option or from words, not from both"))
            }
            (Some(file), None) => Ok(file),
            (None, Some(given)) => Ok(Kind::Given(given.to_vec())),
            (None, None) => Ok(Kind::None),
        }
    }

    /// Whether outputs go to places of their own.
    pub fn names_outputs(&self) -> bool {
        self.output.is_some()
    }

    /// Makes ready what is sent. A list is stored now; nothing is submitted yet.
    pub async fn load(&self, client: &Client, kind: &Kind) -> Result<Load> {
        let output = self.output.as_deref().map(Pattern::parse).transpose()?;
        let plan = Plan { client: client.clone(), place: self.place(client), output };
        if let Kind::Range(range) = kind {
            judge(range)?;
        }
        match kind {
            Kind::Range(_) if plan.output.is_some() => {
                Err(Error::usage("--output names a place for each job, and a range is one record")
                    .hint("give the inputs with --lines, or let the command make the path"))
            }
            Kind::Range(RangeRequest::Brace(pattern)) if plan.place != Place::Text => {
                Ok(Load::Range(RangeRequest::Brace(placed(pattern, plan.place)?)))
            }
            Kind::Range(range) => Ok(Load::Range(range.clone())),
            Kind::Lines(path) if plan.output.is_none() => list(path, plan).await,
            kind => Ok(Load::Jobs(plan, Inputs::open(kind)?)),
        }
    }

    fn place(&self, client: &Client) -> Place {
        match () {
            () if self.text => Place::Text,
            () if self.upload => Place::Upload,
            () if self.shared_disk || client.is_loopback() => Place::Shared,
            () => Place::Upload,
        }
    }
}

/// A pattern of files by their paths, for a range carries texts: bytes cannot be sent with it.
fn placed(pattern: &str, place: Place) -> Result<String> {
    let absolute = here::pattern(&here::folder()?, pattern);
    if place == Place::Shared || absolute == pattern {
        return Ok(absolute);
    }
    say(
        "warning: --brace names files here, and hands over their names alone; add --shared-disk if \
         the workers see this disk, --text if names are meant, or send the files with `:::`",
    );
    Ok(pattern.to_owned())
}

/// Lines that are texts are stored as one list. Where one names a file they become jobs, for each
/// file has its own way to the worker.
async fn list(path: &Path, plan: Plan) -> Result<Load> {
    let (path, may_be_files) = (path.to_owned(), plan.place != Place::Text);
    let copied = tokio::task::spawn_blocking(move || copy(&path, may_be_files)).await;
    let (list, files) = copied.map_err(|error| Error::internal(error.to_string()))??;
    if files {
        return Ok(Load::Jobs(plan, Inputs::open(&Kind::Lines(list.path().to_owned()))?));
    }
    let (digest, size) = plan.client.upload(list.path()).await?;
    if size == 0 {
        return Err(Error::input("there is no line that is an input")
            .hint("each line that is not empty becomes a job"));
    }
    Ok(Load::Range(RangeRequest::Lines { list: digest }))
}

/// A copy of the lines as they are taken, and whether one of them names a file.
fn copy(path: &Path, may_be_files: bool) -> Result<(NamedTempFile, bool)> {
    let folder = std::env::temp_dir();
    let failed = |error: &std::io::Error| Error::file("write in", &folder, error);
    let file = tempfile::Builder::new().prefix("gristmill-lines-").tempfile_in(&folder);
    let mut file = file.map_err(|error| failed(&error))?;
    let mut out = std::io::BufWriter::new(file.as_file_mut());
    let mut files = false;
    for input in Inputs::open(&Kind::Lines(path.to_owned()))? {
        let Input::Word(line) = input? else { continue };
        files = files || (may_be_files && Path::new(&line).is_file());
        writeln!(out, "{line}").map_err(|error| failed(&error))?;
    }
    out.flush().map_err(|error| failed(&error))?;
    drop(out);
    Ok((file, files))
}

/// Judges a range by the rules of the server, and says how one is written here.
fn judge(range: &RangeRequest) -> Result<()> {
    let (source, way) = match range {
        RangeRequest::Lines { .. } => return Ok(()),
        RangeRequest::Brace(pattern) => {
            (Ranged::Brace(pattern.clone()), "write it like --brace 'data/{000..999}.tar'")
        }
        RangeRequest::Numbers { first, last, step } => {
            let step = step.unwrap_or(if first <= last { 1 } else { -1 });
            let numbers = Ranged::Numbers { first: *first, last: *last, step };
            (numbers, "write it like --range 0..999, or --range 100..0..-5 to count down")
        }
    };
    source.parse().map(drop).map_err(|why| Error::from(why).hint(way))
}

/// Reads `FIRST..LAST[..STEP]`.
fn range(text: &str) -> std::result::Result<RangeRequest, String> {
    let bad = || "expected FIRST..LAST or FIRST..LAST..STEP, as in 0..999 or 0..100..5".to_owned();
    let parts: Vec<i64> = text
        .split("..")
        .map(|part| part.trim().parse().map_err(|_| bad()))
        .collect::<std::result::Result<_, _>>()?;
    let (first, last, step) = match parts[..] {
        [first, last] => (first, last, None),
        [first, last, step] => (first, last, Some(step)),
        _ => return Err(bad()),
    };
    Ok(RangeRequest::Numbers { first, last, step })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_first_last_and_perhaps_a_step() {
        let numbers = |first, last, step| Ok(RangeRequest::Numbers { first, last, step });
        assert_eq!(range("0..999"), numbers(0, 999, None));
        assert_eq!(range("9..-3..-2"), numbers(9, -3, Some(-2)));
        for bad in ["", "7", "1..2..3..4", "a..b", "1-9", "1.."] {
            assert!(range(bad).unwrap_err().contains("FIRST..LAST"), "{bad}");
        }
    }

    #[test]
    fn lines_are_copied_as_they_are_taken() {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(b"a\r\n\nb c\nlast").unwrap();
        let (list, files) = copy(file.path(), true).unwrap();
        assert_eq!(
            (std::fs::read(list.path()).unwrap(), files),
            (b"a\nb c\nlast\n".to_vec(), false)
        );
        let name = file.path().display().to_string();
        write!(file, "\n{name}\n").unwrap();
        assert!(copy(file.path(), true).unwrap().1);
        assert!(!copy(file.path(), false).unwrap().1);
    }
}
