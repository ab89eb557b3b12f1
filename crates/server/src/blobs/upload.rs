//! One upload: hashed on its way, in memory only a part at a time, visible only when it is whole.

use std::io;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use gristmill_model::api::Blob;
use gristmill_model::digest::Digest;
use gristmill_model::limits;
use object_store::path::Path as Name;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};

use super::BlobError;

/// Reads the bytes to their end, and stores them if they have the digest and are not `known`.
pub(super) async fn run(
    store: &dyn ObjectStore,
    name: &Name,
    expected: Digest,
    mut bytes: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
    known: bool,
) -> Result<Blob, BlobError> {
    let mut sink = Sink { store, name, part: BytesMut::new(), parts: None, known };
    let read = read(&mut bytes, expected, &mut sink).await;
    match read {
        Ok(size) => {
            sink.finish().await?;
            Ok(Blob { digest: expected, size })
        }
        Err(error) => {
            sink.abort().await;
            Err(error)
        }
    }
}

async fn read(
    bytes: &mut (impl Stream<Item = io::Result<Bytes>> + Send + Unpin),
    expected: Digest,
    sink: &mut Sink<'_>,
) -> Result<u64, BlobError> {
    let mut hasher = blake3::Hasher::new();
    let mut size = 0;
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(BlobError::BrokenOff)?;
        size += piece.len() as u64;
        if size > limits::BLOB_BYTES {
            return Err(BlobError::TooLarge { limit: limits::BLOB_BYTES });
        }
        hasher.update(&piece);
        sink.take(&piece).await?;
    }
    let found = Digest(*hasher.finalize().as_bytes());
    if found != expected {
        return Err(BlobError::DigestMismatch { expected, found });
    }
    Ok(size)
}

/// Where the bytes of an upload go.
struct Sink<'a> {
    store: &'a dyn ObjectStore,
    name: &'a Name,
    /// What has come since the last full part.
    part: BytesMut,
    /// Begun with the first full part: a small blob is one plain put.
    parts: Option<Box<dyn MultipartUpload>>,
    /// Whether the store has the bytes, and these are only compared.
    known: bool,
}

impl Sink<'_> {
    async fn take(&mut self, piece: &[u8]) -> Result<(), BlobError> {
        if self.known {
            return Ok(());
        }
        self.part.extend_from_slice(piece);
        if self.part.len() < limits::BLOB_PART_BYTES {
            return Ok(());
        }
        let part = self.part.split().freeze();
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => self.parts.insert(self.store.put_multipart(self.name).await?),
        };
        Ok(parts.put_part(part.into()).await?)
    }

    async fn finish(self) -> Result<(), BlobError> {
        if self.known {
            return Ok(());
        }
        let rest = self.part.freeze();
        let Some(mut parts) = self.parts else {
            self.store.put(self.name, rest.into()).await?;
            return Ok(());
        };
        if !rest.is_empty() {
            parts.put_part(rest.into()).await?;
        }
        parts.complete().await?;
        Ok(())
    }

    /// A failure to clean up is not told: the sender hears why the upload failed, and what is left
    /// has no digest's name, so nobody takes it for a blob.
    async fn abort(self) {
        if let Some(mut parts) = self.parts {
            let _ = parts.abort().await;
        }
    }
}
