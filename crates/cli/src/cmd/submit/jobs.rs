//! From an input to a job: what travels inside it, and where its output goes.

use std::path::{Path, PathBuf};

use gristmill_model::api::JobRequest;
use gristmill_model::payload::{self, Artifact};

use super::inputs::{Input, Place};
use crate::client::Client;
use crate::error::{Error, Result};

/// How inputs of this submission become jobs.
pub struct Plan {
    pub client: Client,
    pub place: Place,
    pub output: Option<Pattern>,
}

impl Plan {
    /// The job for an input; a file that is sent is there when this returns.
    pub async fn job(&self, index: u64, input: Input) -> Result<JobRequest> {
        let output = self.output.as_ref().map(|pattern| pattern.fill(index, &input)).transpose()?;
        let mut job = JobRequest { output, ..JobRequest::default() };
        match input {
            Input::None => {}
            Input::Json(value) => job.input = Some(value),
            Input::Word(word) => match self.file(&word).await? {
                Some(file) => job.file = Some(file),
                None => job.input = Some(word.into()),
            },
        }
        Ok(job)
    }

    async fn file(&self, word: &str) -> Result<Option<Artifact>> {
        let path = Path::new(word);
        if self.place == Place::Text || !path.is_file() {
            return Ok(None);
        }
        let absolute = path.canonicalize().map_err(|error| Error::file("read", path, &error))?;
        let name = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (place, size) = match self.place {
            Place::Upload => {
                let (digest, size) = self.client.upload(&absolute).await?;
                (payload::Place::Blob(digest), size)
            }
            _ => {
                let meta =
                    absolute.metadata().map_err(|error| Error::file("read", path, &error))?;
                let text = absolute.to_str().ok_or_else(|| {
                    Error::input(format!("the path of {word} is not UTF-8")).hint("use --upload")
                })?;
                (payload::Place::Path(text.to_owned()), meta.len())
            }
        };
        Ok(Some(Artifact { name, size, place }))
    }
}

/// A path with `{name}`, `{stem}` and `{index}` in it.
#[derive(Debug, Clone)]
pub struct Pattern(String);

const PARTS: [&str; 3] = ["{name}", "{stem}", "{index}"];

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern> {
        let known = PARTS.iter().fold(text.to_owned(), |rest, part| rest.replace(part, ""));
        if let Some((_, rest)) = known.split_once('{') {
            let name = rest.split('}').next().unwrap_or_default();
            return Err(Error::usage(format!(
                "--output uses {{{name}}}: expected {}",
                PARTS.join(", ")
            )));
        }
        let absolute = std::path::absolute(text)
            .map_err(|error| Error::file("use", Path::new(text), &error))?;
        Ok(Pattern(absolute.to_string_lossy().into_owned()))
    }

    /// The path for one input.
    fn fill(&self, index: u64, input: &Input) -> Result<String> {
        let word = match input {
            Input::Word(word) => PathBuf::from(word),
            Input::None | Input::Json(_) => PathBuf::new(),
        };
        let part = |part: Option<&std::ffi::OsStr>| {
            part.unwrap_or_default().to_string_lossy().into_owned()
        };
        let (name, stem) = (part(word.file_name()), part(word.file_stem()));
        if name.is_empty() && (self.0.contains("{name}") || self.0.contains("{stem}")) {
            return Err(Error::input(format!("input {index} has no file name for --output"))
                .hint("use {index} in the pattern"));
        }
        if index > 0 && !PARTS.iter().any(|part| self.0.contains(part)) {
            return Err(Error::usage("--output names one file, and there is more than one job")
                .hint("put {name}, {stem} or {index} into the pattern"));
        }
        Ok(self
            .0
            .replace("{name}", &name)
            .replace("{stem}", &stem)
            .replace("{index}", &index.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_an_output_for_each_input() {
        let pattern = Pattern::parse("/out/{index}-{stem}.flac").unwrap();
        let path = pattern.fill(3, &Input::Word("music/song.wav".into())).unwrap();
        assert_eq!(path, "/out/3-song.flac");
        assert!(pattern.fill(0, &Input::None).is_err());
        assert!(Pattern::parse("/out/{nmae}").unwrap_err().message.contains("{name}"));
        let one = Pattern::parse("/out/x").unwrap();
        assert!(one.fill(0, &Input::None).is_ok() && one.fill(1, &Input::None).is_err());
    }
}
