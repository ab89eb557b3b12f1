//! What an answer means: success, a problem that the server names, or nobody there.

use std::error::Error as _;
use std::time::Duration;

use gristmill_model::api::Problem;
use gristmill_model::problem::exit;
use reqwest::Response;
use reqwest::header::RETRY_AFTER;

use crate::error::{Error, Result, exit_of_status};

/// Passes a good answer on and turns a bad one into its error.
pub async fn check(answer: Response) -> Result<Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let url = answer.url().clone();
    let body = answer.bytes().await.unwrap_or_default();
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Err(problem.into()),
        Err(_) => Err(Error::new(
            exit_of_status(status.as_u16()),
            format!("{url} answered {status}, not as a gristmill server would"),
        )
        .hint("check that --server names a gristmill server")),
    }
}

/// How long a server that is full asks us to wait.
pub fn pause(answer: &Response) -> Option<Duration> {
    if !matches!(answer.status().as_u16(), 429 | 503) {
        return None;
    }
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// No answer came.
pub fn unreachable(server: &str, error: &reqwest::Error) -> Error {
    let why = if error.is_timeout() && error.is_connect() {
        "the connection timed out".to_owned()
    } else if error.is_timeout() {
        "it stopped answering".to_owned()
    } else {
        root(error)
    };
    Error::new(exit::UNREACHABLE, format!("no server answers at {server}: {why}"))
        .hint("start one with `gristmill serve`, or name another with --server or GRISTMILL_SERVER")
}

/// The innermost cause, without the operating system's number.
fn root(error: &reqwest::Error) -> String {
    let mut source = error.source();
    let mut text = error.to_string();
    while let Some(inner) = source {
        text = inner
            .downcast_ref::<std::io::Error>()
            .map_or_else(|| inner.to_string(), crate::error::cause);
        source = inner.source();
    }
    text
}
