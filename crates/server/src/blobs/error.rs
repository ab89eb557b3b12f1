//! What can go wrong with blobs, told apart by whose fault it is: the sender's or the store's.

use std::error::Error;
use std::io;

use gristmill_model::digest::Digest;

/// Why a blob cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The sender announced another digest.
    #[error("the bytes have the digest {found}, not {expected} as announced: upload them again")]
    DigestMismatch {
        /// What was announced.
        expected: Digest,
        /// What the bytes have.
        found: Digest,
    },
    /// More bytes than a blob may have.
    #[error("a blob has at most {limit} bytes: send it in parts")]
    TooLarge {
        /// The bound.
        limit: u64,
    },
    /// The sender broke off.
    #[error("the upload broke off ({0}): upload it again")]
    BrokenOff(io::Error),
    /// No space is left.
    #[error("the disk of the blob store is full: free some space")]
    Full,
    /// Anything else that the store says.
    #[error("the blob store cannot be used: {0}")]
    Unusable(object_store::Error),
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> BlobError {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            let kind = inner.downcast_ref::<io::Error>().map(io::Error::kind);
            if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
                return BlobError::Full;
            }
            cause = inner.source();
        }
        BlobError::Unusable(error)
    }
}
