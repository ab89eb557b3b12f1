//! Blobs: fetched before an attempt runs, stored after it. Over the server's HTTP here; a local
//! store stands behind the same trait where server and worker are one process.

mod http;

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use gristmill_model::digest::Digest;

pub use http::HttpBlobs;

/// A future that a trait object returns.
pub type Transfer<'a, T> = Pin<Box<dyn Future<Output = Result<T, BlobError>> + Send + 'a>>;

/// A store of bytes by digest.
pub trait Blobs: Send + Sync {
    /// Writes a blob's bytes into a new file, after checking that they are the ones named.
    fn fetch<'a>(&'a self, digest: &'a Digest, to: &'a Path) -> Transfer<'a, ()>;

    /// Keeps a file's bytes and names them.
    fn store<'a>(&'a self, from: &'a Path) -> Transfer<'a, Stored>;
}

/// The name and length of bytes that were stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Their digest.
    pub digest: Digest,
    /// Their length.
    pub size: u64,
}

/// Why a blob did not come or go.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The server does not have it.
    #[error("the server has no blob {0}")]
    Missing(Digest),
    /// What came is something else.
    #[error("blob {wanted} came as {came}: the bytes were damaged on the way or in the store")]
    Damaged {
        /// What was asked for.
        wanted: Digest,
        /// The digest of what came.
        came: Digest,
    },
    /// Longer than a blob may be.
    #[error("{0} has {1} bytes: a blob has at most {max}", max = gristmill_model::limits::BLOB_BYTES)]
    TooLong(PathBuf, u64),
    /// The file on this side.
    #[error("cannot use {0}: {1}")]
    File(PathBuf, #[source] io::Error),
    /// The server could not be reached, or not for long enough.
    #[error("blob {0}: {1}")]
    Unreachable(Digest, String),
    /// The server said no.
    #[error("blob {0}: the server answered {1}")]
    Refused(Digest, String),
}
