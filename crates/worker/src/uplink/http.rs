//! Blobs over the server's HTTP: `GET`, `HEAD` and `PUT /v1/blobs/{digest}`, tried again a bounded
//! number of times while the server is away.

use std::path::Path;

use futures::StreamExt;
use gristmill_model::digest::Digest;
use gristmill_model::limits;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use super::{BlobError, Blobs, Stored, Transfer};

/// The blobs of a server.
#[derive(Debug, Clone)]
pub struct HttpBlobs {
    client: Client,
    server: String,
    token: Option<String>,
}

impl HttpBlobs {
    /// Reaches a server by its URL, as in `http://127.0.0.1:7077`.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(server: &str, token: Option<String>) -> Result<HttpBlobs, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(limits::CONNECT.to_std())
            .read_timeout(limits::BLOB_STALL.to_std())
            .tcp_nodelay(true)
            .build()?;
        Ok(HttpBlobs { client, server: server.trim_end_matches('/').into(), token })
    }

    fn url(&self, digest: &Digest) -> String {
        format!("{}/v1/blobs/{digest}", self.server)
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn download(&self, digest: &Digest, to: &Path) -> Result<(), BlobError> {
        let response = self.signed(self.client.get(self.url(digest))).send().await;
        let response = judged(*digest, response)?;
        let mut file = File::create(to).await.map_err(|error| file_error(to, error))?;
        let mut hasher = blake3::Hasher::new();
        let mut size = 0_u64;
        let mut bytes = response.bytes_stream();
        while let Some(piece) = bytes.next().await {
            let piece = piece.map_err(|error| unreachable(*digest, &error))?;
            size += piece.len() as u64;
            if size > limits::BLOB_BYTES {
                return Err(BlobError::TooLong(to.into(), size));
            }
            hasher.update(&piece);
            file.write_all(&piece).await.map_err(|error| file_error(to, error))?;
        }
        file.flush().await.map_err(|error| file_error(to, error))?;
        let came = Digest(*hasher.finalize().as_bytes());
        if came != *digest {
            return Err(BlobError::Damaged { wanted: *digest, came });
        }
        Ok(())
    }

    async fn upload(&self, stored: Stored, from: &Path) -> Result<(), BlobError> {
        let Stored { digest, size } = stored;
        let head = self.signed(self.client.head(self.url(&digest))).send().await;
        if head.is_ok_and(|response| response.status().is_success()) {
            return Ok(());
        }
        let file = File::open(from).await.map_err(|error| file_error(from, error))?;
        let body = reqwest::Body::wrap_stream(ReaderStream::with_capacity(file, PIECE_BYTES));
        let request = self
            .client
            .put(self.url(&digest))
            .header(reqwest::header::CONTENT_LENGTH, size)
            .body(body);
        judged(digest, self.signed(request).send().await).map(drop)
    }
}

impl Blobs for HttpBlobs {
    fn fetch<'a>(&'a self, digest: &'a Digest, to: &'a Path) -> Transfer<'a, ()> {
        Box::pin(patiently(move || self.download(digest, to)))
    }

    fn store<'a>(&'a self, from: &'a Path) -> Transfer<'a, Stored> {
        Box::pin(async move {
            let stored = name(from).await?;
            patiently(|| self.upload(stored, from)).await?;
            Ok(stored)
        })
    }
}

/// Reads a file once to learn its name; it is read again while it is sent.
async fn name(from: &Path) -> Result<Stored, BlobError> {
    let error = |error| file_error(from, error);
    let mut file = File::open(from).await.map_err(error)?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut size = 0_u64;
    loop {
        let read = file.read(&mut piece).await.map_err(error)?;
        if read == 0 {
            break;
        }
        hasher.update(&piece[..read]);
        size += read as u64;
        if size > limits::BLOB_BYTES {
            return Err(BlobError::TooLong(from.into(), size));
        }
    }
    Ok(Stored { digest: Digest(*hasher.finalize().as_bytes()), size })
}

/// Tries again while the server is away or the bytes came damaged.
async fn patiently<T, F>(mut transfer: impl FnMut() -> F) -> Result<T, BlobError>
where
    F: Future<Output = Result<T, BlobError>>,
{
    let mut pause = limits::RECONNECT_FIRST.to_std();
    for _ in 1..limits::BLOB_TRIES {
        match transfer().await {
            Err(BlobError::Unreachable(..) | BlobError::Damaged { .. }) => {}
            settled => return settled,
        }
        tokio::time::sleep(pause).await;
        pause *= 4;
    }
    transfer().await
}

fn judged(digest: Digest, answer: reqwest::Result<Response>) -> Result<Response, BlobError> {
    let response = answer.map_err(|error| unreachable(digest, &error))?;
    match response.status() {
        status if status.is_success() => Ok(response),
        StatusCode::NOT_FOUND => Err(BlobError::Missing(digest)),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(BlobError::Unreachable(digest, format!("the server answered {status}")))
        }
        status => Err(BlobError::Refused(digest, status.to_string())),
    }
}

/// The innermost cause says more than "error sending request".
fn unreachable(digest: Digest, error: &reqwest::Error) -> BlobError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    BlobError::Unreachable(digest, cause.to_string())
}

fn file_error(path: &Path, error: std::io::Error) -> BlobError {
    BlobError::File(path.into(), error)
}

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 * 1024;
