//! What an exit status means.

use gristmill_model::attempt::{Failure, FailureKind};

use super::capture::Captured;
use crate::process::Status;

/// Success is exit status 0; anything else fails, with the program's own last words.
pub(super) fn judge(program: &str, status: Status, captured: &Captured) -> Result<(), Failure> {
    let words = match captured.last_words.as_str() {
        "" => String::new(),
        words => format!(": {words}"),
    };
    match (status.exit_code, status.signal) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => {
            let message = format!("`{program}` ended with status {code}{words}");
            let failure = Failure::new(FailureKind::Failed, "exit_status", message);
            Err(Failure { exit_code: Some(code), ..failure })
        }
        (None, Some(signal)) => {
            let message = format!("`{program}` was killed by {}{words}", name(signal));
            Err(Failure::new(FailureKind::Failed, "killed_by_signal", message))
        }
        (None, None) => {
            let message = format!("nobody knows how `{program}` ended");
            Err(Failure::new(FailureKind::Failed, "exit_unknown", message))
        }
    }
}

fn name(signal: i32) -> String {
    match signal {
        libc::SIGKILL => "SIGKILL (out of memory?)".into(),
        libc::SIGTERM => "SIGTERM".into(),
        libc::SIGSEGV => "SIGSEGV".into(),
        libc::SIGABRT => "SIGABRT".into(),
        libc::SIGBUS => "SIGBUS".into(),
        libc::SIGINT => "SIGINT".into(),
        other => format!("signal {other}"),
    }
}
