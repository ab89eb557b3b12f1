//! Bytes by digest: inputs and outputs that travel between machines.
//!
//! A blob's name is the BLAKE3 digest of its bytes, so it never changes and putting it twice is
//! putting it once. The bytes lie in an object store; the local one writes aside, syncs the file,
//! renames it and syncs the folder before a put is acknowledged. Nothing here deletes a blob.

mod error;
mod upload;

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use gristmill_model::api::Blob;
use gristmill_model::digest::Digest;
use gristmill_model::limits;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Name;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::Semaphore;

pub use error::BlobError;

/// The store; a clone is the same store.
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    uploads: Arc<Semaphore>,
}

/// What the store holds in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// How many blobs.
    pub blobs: u64,
    /// How many bytes they have together.
    pub bytes: u64,
}

/// A blob's bytes, in pieces.
pub type Pieces = BoxStream<'static, Result<Bytes, BlobError>>;

impl Blobs {
    /// The store in a local folder, which must exist.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn local(folder: &Path) -> Result<Blobs, BlobError> {
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Blobs::over(Arc::new(store)))
    }

    /// The store over any object store whose puts are durable when they return.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>) -> Blobs {
        Blobs { store, uploads: Arc::new(Semaphore::new(limits::UPLOADS)) }
    }

    /// Stores bytes that have this digest. Bytes that are known already are compared, not written.
    ///
    /// # Errors
    /// The bytes have another digest, are too many, break off, or cannot be stored; then nothing
    /// is kept.
    pub async fn put<S>(&self, expected: Digest, bytes: S) -> Result<Blob, BlobError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
    {
        let Ok(_turn) = self.uploads.acquire().await else { unreachable!("it is never closed") };
        let known = self.head(expected).await?.is_some();
        upload::run(&*self.store, &name(expected), expected, bytes, known).await
    }

    /// Size and bytes of a blob, if it is known.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn get(&self, digest: Digest) -> Result<Option<(u64, Pieces)>, BlobError> {
        match self.store.get(&name(digest)).await {
            Ok(found) => {
                let size = found.meta.size;
                Ok(Some((size, found.into_stream().map_err(BlobError::from).boxed())))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A part of a blob's bytes, if it is known and has it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn part(
        &self,
        digest: Digest,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, BlobError> {
        match self.store.get_range(&name(digest), range).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a blob is known, and its size.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn head(&self, digest: Digest) -> Result<Option<Blob>, BlobError> {
        match self.store.head(&name(digest)).await {
            Ok(found) => Ok(Some(Blob { digest, size: found.size })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Counts all blobs; takes as long as listing them does.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn totals(&self) -> Result<Totals, BlobError> {
        let add = async |sum: Totals, found: object_store::ObjectMeta| {
            Ok(Totals { blobs: sum.blobs + 1, bytes: sum.bytes + found.size })
        };
        self.store.list(None).map_err(BlobError::from).try_fold(Totals::default(), add).await
    }
}

/// Where a blob lies: two digits name a folder, so that no folder grows too long.
fn name(digest: Digest) -> Name {
    let text = digest.to_string();
    let digits = &text["b3-".len()..];
    Name::from_iter([&digits[..2], &digits[2..]])
}

/// Removes what uploads left that a crash cut short: files whose name ends in `#` and a number.
/// Call it before the store is used; it reads every name in the folder.
///
/// # Errors
/// A folder cannot be read, or a file not removed.
pub fn sweep(folder: &Path) -> io::Result<u64> {
    let mut removed = 0;
    for inner in fs::read_dir(folder)? {
        let inner = inner?;
        if !inner.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(inner.path())? {
            let file = file?;
            if file.file_name().to_string_lossy().contains('#') {
                fs::remove_file(file.path())?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}
