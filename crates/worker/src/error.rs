//! Why a worker does not start, or had to leave.

use std::io;
use std::path::PathBuf;

use gristmill_model::pipeline::BUILT_IN;
use gristmill_model::problem::Code;

use crate::link::BadAddress;

/// Why a worker does not start, or had to leave.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It would have nothing to do.
    #[error("this worker runs no handler: expected at least one of {kinds}", kinds = BUILT_IN.join(", "))]
    NoHandler,
    /// Not a kind of handler that this version knows.
    #[error("unknown handler `{0}`: expected some of {kinds}", kinds = BUILT_IN.join(", "))]
    UnknownHandler(String),
    /// A folder that is to be shared is not there.
    #[error("cannot share a folder: {0}; check that all of them exist")]
    SharedRoots(#[source] io::Error),
    /// The scratch folder cannot be used.
    #[error("cannot use the scratch folder {0}: {1}")]
    Scratch(PathBuf, #[source] io::Error),
    /// The server's address is none.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// The HTTP client for blobs cannot be made.
    #[error("cannot make an HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// The machine gives no threads.
    #[error("cannot start the threads for images: {0}")]
    Threads(#[source] io::Error),
    /// The machine gives no random numbers.
    #[error("cannot draw a random number: {0}")]
    Random(#[from] getrandom::Error),
    /// The server did not take this worker in.
    #[error("the server refused this worker: {detail} ({code})", code = code.as_str())]
    Refused {
        /// The stable code.
        code: Code,
        /// One sentence.
        detail: String,
    },
    /// The server wants a token, or another one.
    #[error(
        "the server wants a token, or another one: pass the one it showed when it first started"
    )]
    Unauthorized,
    /// The server in this process ended while the worker was at work.
    #[error("the server in this process is gone")]
    ServerGone,
}
