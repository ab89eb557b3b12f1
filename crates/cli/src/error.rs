//! How a command ends badly: one sentence, the way out, and an exit code.
//!
//! The table of exit codes is `model::problem::exit`, shown in docs/reference/exit-codes.md.

use std::fmt;
use std::path::Path;

use gristmill_model::api::Problem;
use gristmill_model::problem::{Code, Rejection, exit};

/// Why a command cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The process ends with it.
    pub exit: u8,
    /// What went wrong: names the thing and what was expected.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

/// What most functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(exit: u8, message: impl Into<String>) -> Error {
        Error { exit, message: message.into(), hint: None }
    }

    /// The command line or the configuration cannot be read.
    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(exit::USAGE, message)
    }

    /// The input cannot be used.
    pub fn input(message: impl Into<String>) -> Error {
        Error::new(exit::BAD_INPUT, message)
    }

    /// A server, or this program, said something that makes no sense.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(exit::INTERNAL, message).hint(
            "this is a bug, or the two sides are of different versions: see `gristmill doctor`",
        )
    }

    /// A file or folder could not be read or written.
    pub fn file(doing: &str, path: &Path, error: &std::io::Error) -> Error {
        use std::io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, StorageFull};
        let message = format!("cannot {doing} {}: {}", path.display(), cause(error));
        match error.kind() {
            StorageFull | QuotaExceeded => {
                Error::new(exit::DISK, message).hint("free space on that disk and run it again")
            }
            NotFound => Error::input(message).hint("check the path"),
            PermissionDenied => Error::input(message).hint("check its permissions"),
            _ => Error::input(message),
        }
    }

    /// The same error with a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }
}

/// The operating system's words without its number: people read "permission denied", not "os
/// error 13".
pub fn cause(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Error {
        let hint = advice(Some(rejection.code), rejection.code.advice());
        Error::new(rejection.code.exit(), rejection.detail).hint(hint)
    }
}

impl From<Problem> for Error {
    /// A code that this version does not know still has an HTTP status to go by.
    fn from(problem: Problem) -> Error {
        let code = Code::ALL.into_iter().find(|code| code.as_str() == problem.code);
        let exit = code.map_or_else(|| exit_of_status(problem.status), Code::exit);
        let error = Error::new(exit, problem.detail);
        if problem.advice.is_empty() { error } else { error.hint(advice(code, &problem.advice)) }
    }
}

/// What a client of the API is advised, said to somebody at a command line.
fn advice(code: Option<Code>, advice: &str) -> String {
    match code {
        Some(Code::InvalidRequest) => "add --help to see how it is written".into(),
        _ => advice.into(),
    }
}

/// The exit code nearest to an HTTP status.
pub const fn exit_of_status(status: u16) -> u8 {
    match status {
        401 | 403 => exit::UNAUTHORIZED,
        404 => exit::NOT_FOUND,
        409 => exit::CONFLICT,
        429 | 503 => exit::BUSY,
        400..=499 => exit::BAD_INPUT,
        _ => exit::INTERNAL,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_and_how_to_get_out() {
        let error = Error::from(Rejection::new(Code::NoSuchJob, "there is no job j9"));
        assert_eq!(error.exit, exit::NOT_FOUND);
        assert_eq!(
            error.to_string(),
            "error: there is no job j9\nhint: list them with `gristmill jobs`"
        );
    }

    #[test]
    fn the_operating_system_speaks_plainly() {
        let error = std::io::Error::from_raw_os_error(13);
        assert_eq!(cause(&error), "permission denied");
    }
}
