//! What a host tells of an entry before anything is loaded for good: its name, what it takes and
//! gives, and what its author asks for.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use gristmill_model::host::Described;
use gristmill_model::limits;
use tokio::process::Command;

/// Why an entry could not be described.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// The host could not be started.
    #[error("cannot start `{0}`: {1}")]
    NotStarted(String, #[source] std::io::Error),
    /// The host says what is wrong with the entry.
    #[error("{0}")]
    Refused(String),
    /// The host said something that is no description.
    #[error("`{0}` gave no description: {1}")]
    Malformed(String, String),
}

/// Asks a host what an entry is: `host` is the program with its arguments, to which `describe` and
/// the entry are added.
///
/// # Errors
/// Where the host cannot be started, refuses the entry, or does not answer as it should.
pub async fn describe(
    host: &[OsString],
    entry: &str,
    folder: &Path,
) -> Result<Described, DescribeError> {
    let (program, arguments) = host.split_first().expect("a host is a program");
    let name = program.to_string_lossy().into_owned();
    let asked = Command::new(program)
        .args(arguments)
        .args(["describe", entry])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let answer = match tokio::time::timeout(limits::SESSION_START.to_std(), asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(DescribeError::NotStarted(name, error)),
        Err(_) => {
            let why = format!("it did not answer within {}", limits::SESSION_START);
            return Err(DescribeError::Malformed(name, why));
        }
    };
    let words = String::from_utf8_lossy(&answer.stderr);
    if !answer.status.success() {
        let last = words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(DescribeError::Refused(last.trim().to_owned()));
    }
    // What the entry prints while it is imported comes before the answer, which is the last line.
    let text = String::from_utf8_lossy(&answer.stdout);
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    serde_json::from_str(line).map_err(|error| DescribeError::Malformed(name, error.to_string()))
}
