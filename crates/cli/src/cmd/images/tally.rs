//! Counting: rows as they come in, and what they add up to.

use std::path::Path;
use std::time::Duration;

use gristmill_model::payload::Payload;
use serde::Serialize;

use super::end::End;
use super::plan::Image;
use super::report::{Row, RowState};
use crate::output::{bytes, counted, duration};

/// All pictures of a run, in order.
pub struct Tally {
    rows: Vec<Row>,
    done: u64,
    failed: u64,
    skipped: u64,
    warned: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl Tally {
    pub fn new(images: &[Image]) -> Tally {
        let rows = images.iter().map(|image| Row {
            source: image.source.name.clone(),
            output: image.result.clone(),
            state: RowState::Pending,
            code: None,
            message: None,
            bytes_in: image.source.size,
            bytes_out: None,
            ms: None,
            warnings: Vec::new(),
        });
        Tally {
            rows: rows.collect(),
            done: 0,
            failed: 0,
            skipped: 0,
            warned: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// A picture was made or not. Gives back the line to tell of a failure.
    pub fn ended(&mut self, index: usize, end: End) -> Option<String> {
        let row = &mut self.rows[index];
        match end {
            End::Made { success, took } => {
                row.state = RowState::Done;
                row.bytes_out = size_of(&success.output);
                row.ms = took.map(|took| took.as_secs_f64() * 1e3);
                row.warnings = success.warnings;
                self.done += 1;
                self.warned += u64::from(!row.warnings.is_empty());
                self.bytes_in += row.bytes_in;
                self.bytes_out += row.bytes_out.unwrap_or(0);
                None
            }
            End::Failed(failure) => {
                row.state = RowState::Failed;
                let message = without_path(&failure.message, &row.source);
                let line = format!("failed: {}: {message}", row.source);
                row.code = Some(failure.code);
                row.message = Some(message);
                self.failed += 1;
                Some(line)
            }
        }
    }

    /// An earlier run made it.
    pub fn skipped(&mut self, index: usize, size: Option<u64>) {
        self.rows[index].state = RowState::Skipped;
        self.rows[index].bytes_out = size;
        self.skipped += 1;
    }

    /// Something that could not even be looked at.
    pub fn unreadable(&mut self, source: String, cause: String) -> String {
        let line = format!("failed: {source}: {cause}");
        self.rows.push(Row {
            source,
            output: String::new(),
            state: RowState::Failed,
            code: Some("unreadable".into()),
            message: Some(cause),
            bytes_in: 0,
            bytes_out: None,
            ms: None,
            warnings: Vec::new(),
        });
        self.failed += 1;
        line
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub fn failed(&self) -> u64 {
        self.failed
    }

    pub fn settled(&self) -> u64 {
        self.done + self.failed + self.skipped
    }

    pub fn summary(&self, passed_over: u64, elapsed: Duration) -> Summary {
        let seconds = elapsed.as_secs_f64();
        let rate = |amount: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
        Summary {
            done: self.done,
            failed: self.failed,
            skipped: self.skipped,
            pending: self.rows.len() as u64 - self.settled(),
            passed_over,
            with_warnings: self.warned,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            seconds,
            images_per_second: rate(self.done as f64),
            megabytes_per_second: rate(self.bytes_in as f64 / 1e6),
        }
    }
}

/// Workers name the file by its whole path; here it is named already, as the user knows it.
fn without_path(message: &str, source: &str) -> String {
    let told = message.split_once(": ").filter(|(path, _)| Path::new(path).ends_with(source));
    told.map_or(message, |(_, cause)| cause).to_owned()
}

fn size_of(output: &Payload) -> Option<u64> {
    match output {
        Payload::File(file) => Some(file.size),
        _ => None,
    }
}

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub done: u64,
    pub failed: u64,
    pub skipped: u64,
    pub pending: u64,
    pub passed_over: u64,
    pub with_warnings: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub seconds: f64,
    pub images_per_second: f64,
    pub megabytes_per_second: f64,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} done, {} failed, {} skipped", self.done, self.failed, self.skipped)?;
        if self.pending > 0 {
            write!(f, ", {} not reached", self.pending)?;
        }
        let elapsed = duration(Duration::from_secs_f64(self.seconds));
        write!(f, " in {elapsed}")?;
        if self.done > 0 {
            write!(
                f,
                ": {:.0} images/s, {:.1} MB/s, {} read, {} written",
                self.images_per_second,
                self.megabytes_per_second,
                bytes(self.bytes_in),
                bytes(self.bytes_out)
            )?;
        }
        if self.with_warnings > 0 {
            write!(f, "\n{} made with a warning", counted(self.with_warnings, "picture"))?;
        }
        if self.passed_over > 0 {
            write!(f, "\n{} passed over", counted(self.passed_over, "other file"))?;
        }
        Ok(())
    }
}
