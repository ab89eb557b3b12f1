//! What users read. Data goes to standard output, talk to standard error, and never the reverse.
//!
//! A reader that goes away (`| head`) ends the command quietly. Colour only ever repeats what a
//! word says already, and obeys NO_COLOR.

mod progress;
mod table;
mod words;

use std::io::{ErrorKind, IsTerminal, Write};

use gristmill_model::job::JobState;
use serde::Serialize;

pub use progress::Progress;
pub use table::Table;
pub use words::{ago, ahead_of_us, bytes, counted, duration, one_line, payload, wall_clock};

use crate::error::{Error, Result};
use gristmill_model::problem::exit;

/// How this process prints.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Data as JSON: one document, or one a line where there are many.
    pub json: bool,
    color: bool,
}

impl Output {
    /// `color` is `auto`, `always` or `never`.
    pub fn new(json: bool, color: &str) -> Result<Output> {
        let color = match color {
            "always" => true,
            "never" => false,
            "auto" => no_color_unset() && std::io::stdout().is_terminal(),
            other => {
                return Err(Error::usage(format!(
                    "color is `{other}`: expected auto, always or never"
                )));
            }
        };
        Ok(Output { json, color })
    }

    /// One line of data.
    pub fn line(&self, text: impl AsRef<str>) -> Result<()> {
        self.raw(format!("{}\n", text.as_ref()).as_bytes())
    }

    /// Bytes as they are.
    pub fn raw(&self, bytes: &[u8]) -> Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| {
            // Nobody reads on: that is no failure, and there is nothing left to say.
            if error.kind() == ErrorKind::BrokenPipe {
                std::process::exit(i32::from(exit::OK));
            }
            Error::new(exit::DISK, format!("cannot write to standard output: {error}"))
        })
    }

    /// One value as one line of JSON.
    pub fn json(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value)
            .map_err(|error| Error::internal(format!("cannot write JSON: {error}")))?;
        self.line(text)
    }

    /// A job's state, coloured where the terminal likes it.
    pub fn state(&self, state: JobState) -> String {
        let code = match state {
            JobState::Succeeded => "32",
            JobState::Failed | JobState::Expired => "31",
            JobState::Running | JobState::Cancelling => "36",
            JobState::Retrying | JobState::Cancelled => "33",
            JobState::Scheduled | JobState::Blocked | JobState::Queued => return state.to_string(),
        };
        self.paint(code, state.as_str())
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A line of talk. That nobody listens is no reason to stop working.
pub fn say(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}

/// Whether standard error is a terminal that may be drawn on.
pub fn talks_to_terminal() -> bool {
    std::io::stderr().is_terminal()
}

fn no_color_unset() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
