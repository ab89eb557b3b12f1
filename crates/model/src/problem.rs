//! What can go wrong, as one table: a stable code, its HTTP status, its exit code and the way out.
//!
//! The engine answers with a [`Rejection`]; the HTTP API shows it as problem+json (RFC 9457), the
//! CLI as a sentence and an exit code. A code is never renamed and never changes its meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something was refused. The text of a code is the snake-case of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request cannot be read: not JSON, a field missing, a value of the wrong kind.
    InvalidRequest,
    /// A filter cannot be read.
    InvalidFilter,
    /// A pipeline breaks a rule.
    InvalidPipeline,
    /// A command template uses a placeholder that does not exist.
    UnknownPlaceholder,
    /// A job's input is not what its handler takes.
    InvalidInput,
    /// No valid token.
    Unauthorized,
    /// The token is valid but not for this.
    Forbidden,
    /// No such route.
    NoSuchRoute,
    /// The route is there, but not for this method.
    MethodNotAllowed,
    /// No such job.
    NoSuchJob,
    /// No such batch.
    NoSuchBatch,
    /// No such attempt.
    NoSuchAttempt,
    /// No such pipeline.
    NoSuchPipeline,
    /// No such worker.
    NoSuchWorker,
    /// The worker has no such device.
    NoSuchDevice,
    /// No such blob.
    NoSuchBlob,
    /// No such project.
    NoSuchProject,
    /// The batch takes no more jobs.
    BatchClosed,
    /// The batch finished so long ago that only its record is left.
    BatchForgotten,
    /// The scope takes no new work in.
    Draining,
    /// No worker that is declared could ever run it.
    NeverFits,
    /// The thing's state does not allow it.
    WrongState,
    /// The job that a call made has no result.
    CallFailed,
    /// The idempotency key was used for something else.
    KeyReused,
    /// A report about an attempt that is not the live one.
    StaleAttempt,
    /// More bytes than the bound allows.
    TooLarge,
    /// The bytes do not have the digest that was announced.
    DigestMismatch,
    /// Too much is queued already.
    QueueFull,
    /// Too many of these at once.
    TooMany,
    /// The worker speaks another version of the protocol.
    WrongProtocol,
    /// The store cannot take more: the disk is full or failing.
    StoreUnavailable,
    /// The server is stopping.
    ShuttingDown,
    /// A bug in the server.
    Internal,
}

/// Exit codes of the `gristmill` command, documented in docs/reference/exit-codes.md.
pub mod exit {
    /// All is well.
    pub const OK: u8 = 0;
    /// Some of the work failed.
    pub const WORK_FAILED: u8 = 1;
    /// The command line or the configuration cannot be read.
    pub const USAGE: u8 = 2;
    /// The input cannot be used.
    pub const BAD_INPUT: u8 = 3;
    /// No such thing.
    pub const NOT_FOUND: u8 = 4;
    /// The thing's state does not allow it.
    pub const CONFLICT: u8 = 5;
    /// No valid token.
    pub const UNAUTHORIZED: u8 = 6;
    /// No server answers there.
    pub const UNREACHABLE: u8 = 7;
    /// The server is full or stopping: try again later.
    pub const BUSY: u8 = 8;
    /// The address is in use.
    pub const ADDRESS_IN_USE: u8 = 9;
    /// The data folder is in use or cannot be used.
    pub const DATA_FOLDER: u8 = 10;
    /// The disk is full or failing.
    pub const DISK: u8 = 11;
    /// A bug.
    pub const INTERNAL: u8 = 70;
    /// Stopped by Ctrl-C.
    pub const INTERRUPTED: u8 = 130;
}

impl Code {
    /// Every code, for the documentation and its tests.
    pub const ALL: [Code; 33] = [
        Code::InvalidRequest,
        Code::InvalidFilter,
        Code::InvalidPipeline,
        Code::UnknownPlaceholder,
        Code::InvalidInput,
        Code::Unauthorized,
        Code::Forbidden,
        Code::NoSuchRoute,
        Code::MethodNotAllowed,
        Code::NoSuchJob,
        Code::NoSuchBatch,
        Code::NoSuchAttempt,
        Code::NoSuchPipeline,
        Code::NoSuchWorker,
        Code::NoSuchDevice,
        Code::NoSuchBlob,
        Code::NoSuchProject,
        Code::BatchClosed,
        Code::BatchForgotten,
        Code::Draining,
        Code::NeverFits,
        Code::WrongState,
        Code::CallFailed,
        Code::KeyReused,
        Code::StaleAttempt,
        Code::TooLarge,
        Code::DigestMismatch,
        Code::QueueFull,
        Code::TooMany,
        Code::WrongProtocol,
        Code::StoreUnavailable,
        Code::ShuttingDown,
        Code::Internal,
    ];

    /// HTTP status, exit code, short title and advice.
    const fn row(self) -> (u16, u8, &'static str, &'static str) {
        use exit::{BAD_INPUT, BUSY, CONFLICT, DISK, INTERNAL, NOT_FOUND, UNAUTHORIZED};
        match self {
            Code::InvalidRequest => {
                (400, BAD_INPUT, "the request cannot be read", "see /v1/openapi.json")
            }
            Code::InvalidFilter => (
                400,
                BAD_INPUT,
                "the filter cannot be read",
                "write it like state=failed,queued label.user=ada",
            ),
            Code::InvalidPipeline => {
                (422, BAD_INPUT, "the pipeline breaks a rule", "mend what the detail names")
            }
            Code::UnknownPlaceholder => {
                (422, BAD_INPUT, "unknown placeholder", "use {input}, {output}, {job} or {attempt}")
            }
            Code::InvalidInput => (
                422,
                BAD_INPUT,
                "the input is not what the handler takes",
                "mend what the detail names; `gristmill pipelines show NAME` shows what it takes",
            ),
            Code::Unauthorized => (
                401,
                UNAUTHORIZED,
                "no valid token",
                "pass --token or GRISTMILL_TOKEN; the server shows its token at first start",
            ),
            Code::Forbidden => (403, UNAUTHORIZED, "not allowed", "ask whoever runs the server"),
            Code::NoSuchRoute => (404, NOT_FOUND, "no such route", "see /v1/openapi.json"),
            Code::MethodNotAllowed => {
                (405, NOT_FOUND, "the route has no such method", "see /v1/openapi.json")
            }
            Code::NoSuchJob => (404, NOT_FOUND, "no such job", "list them with `gristmill jobs`"),
            Code::NoSuchBatch => {
                (404, NOT_FOUND, "no such batch", "list them with `gristmill batch`")
            }
            Code::NoSuchAttempt => (404, NOT_FOUND, "no such attempt", "see `gristmill job ID`"),
            Code::NoSuchPipeline => (
                404,
                NOT_FOUND,
                "no such pipeline",
                "define it with `gristmill pipelines define FILE`",
            ),
            Code::NoSuchWorker => (
                404,
                NOT_FOUND,
                "no such worker",
                "see `gristmill workers` and `gristmill workers declared`",
            ),
            Code::NoSuchDevice => (
                404,
                NOT_FOUND,
                "no such device",
                "`gristmill devices --server URL` lists those that workers have",
            ),
            Code::NoSuchBlob => {
                (404, NOT_FOUND, "no such blob", "upload it first with PUT /v1/blobs/DIGEST")
            }
            Code::NoSuchProject => {
                (404, NOT_FOUND, "no such project", "list them with `gristmill projects`")
            }
            Code::Draining => (
                409,
                CONFLICT,
                "the scope takes no new work in",
                "wait until somebody opens it with `gristmill resume`",
            ),
            Code::NeverFits => (
                422,
                BAD_INPUT,
                "no worker could ever run it",
                "ask for less, or declare a worker that has what it takes",
            ),
            Code::BatchClosed => {
                (409, CONFLICT, "the batch takes no more jobs", "submit a new batch")
            }
            Code::BatchForgotten => (
                410,
                CONFLICT,
                "the batch was forgotten",
                "read its record with `gristmill batch` and `gristmill job`",
            ),
            Code::WrongState => (
                409,
                CONFLICT,
                "its state does not allow it",
                "see `gristmill job ID` or `gristmill batch ID`",
            ),
            Code::CallFailed => (
                502,
                CONFLICT,
                "the job has no result",
                "the detail says why; the header gristmill-job names the job",
            ),
            Code::KeyReused => {
                (422, CONFLICT, "the idempotency key was used for something else", "use a new key")
            }
            Code::StaleAttempt => (
                409,
                CONFLICT,
                "the attempt is not the live one",
                "drop the result: another attempt has taken over",
            ),
            Code::TooLarge => (413, BAD_INPUT, "too large", "send less, or send it as a blob"),
            Code::DigestMismatch => {
                (422, BAD_INPUT, "the bytes have another digest", "upload them again")
            }
            Code::QueueFull => (429, BUSY, "too much is queued", "wait and submit again"),
            Code::TooMany => (429, BUSY, "too many at once", "wait and try again"),
            Code::WrongProtocol => (
                426,
                CONFLICT,
                "another version of the worker protocol",
                "use the same gristmill on both sides",
            ),
            Code::StoreUnavailable => {
                (503, DISK, "the store takes no more", "free or mend its disk, then start again")
            }
            Code::ShuttingDown => (503, BUSY, "the server is stopping", "try again in a moment"),
            Code::Internal => {
                (500, INTERNAL, "a bug in the server", "look at the server's log and report it")
            }
        }
    }

    /// HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().0
    }

    /// Exit code of a command that ends with it.
    #[must_use]
    pub const fn exit(self) -> u8 {
        self.row().1
    }

    /// What happened, in a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// The way out.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        self.row().3
    }

    /// The stable text of the code.
    #[must_use]
    pub fn as_str(self) -> String {
        let mut text = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() && !text.is_empty() {
                text.push('_');
            }
            text.push(letter.to_ascii_lowercase());
        }
        text
    }
}

/// A refusal: nothing has changed, and the caller can act on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The stable code.
    pub code: Code,
    /// One sentence that names the thing and what was expected.
    pub detail: String,
}

impl Rejection {
    /// A refusal with its sentence.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Rejection {
        Rejection { code, detail: detail.into() }
    }

    /// What is asked of something that finished so long ago that only its record is left.
    #[must_use]
    pub fn forgotten(what: impl fmt::Display) -> Rejection {
        let detail = format!(
            "{what} finished and was forgotten: only its record is left, and nothing of it can be \
             changed any more; submit it again"
        );
        Rejection::new(Code::BatchForgotten, detail)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_text_in_both_spellings() {
        for code in Code::ALL {
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.as_str()));
            assert!(code.status() >= 400 && code.exit() > 1 && !code.advice().is_empty());
        }
    }
}
