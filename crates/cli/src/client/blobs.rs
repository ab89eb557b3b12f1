//! Blobs: bytes up, bytes down, each named by its digest.

use std::path::Path;

use futures::StreamExt;
use gristmill_model::digest::Digest;
use reqwest::{Body, Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use super::{Client, answer};
use crate::aside;
use crate::error::{Error, Result};

/// Bytes read or written at a time.
const PIECE: usize = 256 * 1024;

impl Client {
    /// Stores a file on the server unless it is there already; returns its digest and length.
    pub async fn upload(&self, path: &Path) -> Result<(Digest, u64)> {
        let (digest, size) = digest_of(path).await?;
        let route = format!("v1/blobs/{digest}");
        let head = self.request(Method::HEAD, &route).send().await;
        if head.map_err(|error| self.unreachable(&error))?.status() == StatusCode::OK {
            return Ok((digest, size));
        }
        let file = open(path).await?;
        let body = Body::wrap_stream(ReaderStream::with_capacity(file, PIECE));
        let request = self.request(Method::PUT, &route).header("Content-Length", size).body(body);
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        answer::check(answer).await?;
        Ok((digest, size))
    }

    /// A small blob, whole.
    pub async fn blob(&self, digest: Digest) -> Result<Vec<u8>> {
        let answer = self.send(self.request(Method::GET, &format!("v1/blobs/{digest}"))).await?;
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        match *blake3::hash(&bytes).as_bytes() == digest.0 {
            true => Ok(bytes.into()),
            false => Err(other_bytes(digest)),
        }
    }

    /// Fetches a blob into a file, whole or not at all; returns its length.
    pub async fn download(&self, digest: Digest, path: &Path) -> Result<u64> {
        let failed = |error: &std::io::Error| Error::file("write", path, error);
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(|error| failed(&error))?;
        }
        let answer = self.send(self.request(Method::GET, &format!("v1/blobs/{digest}"))).await?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let aside = tempfile::Builder::new()
            .prefix(".gristmill-")
            .permissions(aside::ordinary())
            .tempfile_in(folder)
            .map_err(|error| failed(&error))?;
        let twin = aside.reopen().map_err(|error| failed(&error))?;
        let mut file = tokio::fs::File::from_std(twin);
        let mut hasher = blake3::Hasher::new();
        let mut stream = answer.bytes_stream();
        let mut size = 0;
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| self.unreachable(&error))?;
            hasher.update(&piece);
            size += piece.len() as u64;
            file.write_all(&piece).await.map_err(|error| failed(&error))?;
        }
        file.flush().await.map_err(|error| failed(&error))?;
        if *hasher.finalize().as_bytes() != digest.0 {
            return Err(other_bytes(digest));
        }
        aside.persist(path).map_err(|error| failed(&error.error))?;
        Ok(size)
    }
}

fn other_bytes(digest: Digest) -> Error {
    Error::internal(format!("the server sent other bytes than {digest}"))
}

/// Reads a file once for its digest.
pub async fn digest_of(path: &Path) -> Result<(Digest, u64)> {
    let mut file = open(path).await?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    let mut size = 0;
    loop {
        let length = file.read(&mut piece).await;
        let length = length.map_err(|error| Error::file("read", path, &error))?;
        if length == 0 {
            return Ok((Digest(*hasher.finalize().as_bytes()), size));
        }
        hasher.update(&piece[..length]);
        size += length as u64;
    }
}

async fn open(path: &Path) -> Result<tokio::fs::File> {
    tokio::fs::File::open(path).await.map_err(|error| Error::file("read", path, &error))
}
