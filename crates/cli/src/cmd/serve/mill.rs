//! The worker inside `gristmill serve --work`: the same worker as everywhere, over a link within
//! this process, with the server's own store for its blobs.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use gristmill_model::digest::Digest;
use gristmill_model::limits;
use gristmill_server::Handle;
use gristmill_worker::device::Claimed;
use gristmill_worker::{
    BlobError, Blobs, Connection, SessionWork, Shutdown, Stored, Transfer, WorkerConfig,
    WorkerError, probe,
};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio_util::io::ReaderStream;

use crate::error::{Error, Result};
use crate::output::say;

/// A worker that runs beside its server.
pub struct Mill {
    shutdown: Shutdown,
    worker: JoinHandle<std::result::Result<(), WorkerError>>,
    _scratch: TempDir,
}

impl Mill {
    pub fn start(
        handle: &Handle,
        name: String,
        sessions: Vec<SessionWork>,
        devices: Claimed,
    ) -> Result<Mill> {
        let scratch = tempfile::Builder::new()
            .prefix("gristmill-work-")
            .tempdir()
            .map_err(|error| Error::file("make a folder in", &std::env::temp_dir(), &error))?;
        let config = WorkerConfig {
            name,
            handlers: Vec::new(),
            cpus: probe::cpus(),
            memory: probe::memory(),
            named: Default::default(),
            devices,
            sessions,
            labels: Default::default(),
            shared_roots: vec!["/".into()],
            scratch: scratch.path().to_owned(),
            parts: None,
            prefetch: limits::PREFETCH,
            stop_grace: crate::cmd::work::stop_grace(),
        };
        say(format!("Working here as {}.", crate::cmd::work::summary(&config)));
        let (sender, receiver) = handle.connect_worker();
        let blobs = Arc::new(OfServer(handle.clone()));
        let connection = Connection::InProcess { sender, receiver, blobs };
        let shutdown = Shutdown::new();
        let asked = shutdown.clone();
        let worker =
            tokio::spawn(async move { gristmill_worker::run(config, connection, &asked).await });
        Ok(Mill { shutdown, worker, _scratch: scratch })
    }

    /// Gives back what it holds and ends its sessions: with the server's end there is nobody to
    /// report to.
    pub async fn stop(self) {
        self.shutdown.ask();
        self.shutdown.ask();
        match self.worker.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => say(format!("the worker ended: {error}")),
            Err(error) => say(format!("the worker broke down: {error}")),
        }
    }
}

/// The server's blobs, at hand.
struct OfServer(Handle);

impl Blobs for OfServer {
    fn fetch<'a>(&'a self, digest: &'a Digest, to: &'a Path) -> Transfer<'a, ()> {
        Box::pin(async move {
            let file = |error| BlobError::File(to.to_owned(), error);
            let found = self.0.blobs().get(*digest).await;
            let found = found.map_err(|error| BlobError::Refused(*digest, error.to_string()))?;
            let Some((_, mut pieces)) = found else { return Err(BlobError::Missing(*digest)) };
            let mut out = tokio::fs::File::create(to).await.map_err(file)?;
            let mut hash = blake3::Hasher::new();
            while let Some(piece) = pieces.next().await {
                let piece =
                    piece.map_err(|error| BlobError::Refused(*digest, error.to_string()))?;
                hash.update(&piece);
                out.write_all(&piece).await.map_err(file)?;
            }
            out.flush().await.map_err(file)?;
            match Digest(*hash.finalize().as_bytes()) {
                came if came == *digest => Ok(()),
                came => Err(BlobError::Damaged { wanted: *digest, came }),
            }
        })
    }

    fn store<'a>(&'a self, from: &'a Path) -> Transfer<'a, Stored> {
        Box::pin(async move {
            let file = |error| BlobError::File(from.to_owned(), error);
            let path = from.to_owned();
            let hashed = tokio::task::spawn_blocking(move || digest_of(&path)).await;
            let digest = hashed.map_err(|error| file(io::Error::other(error)))?.map_err(file)?;
            let bytes = tokio::fs::File::open(from).await.map_err(file)?;
            let stored = self.0.blobs().put(digest, ReaderStream::new(bytes)).await;
            let stored = stored.map_err(|error| BlobError::Refused(digest, error.to_string()))?;
            Ok(Stored { digest: stored.digest, size: stored.size })
        })
    }
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut hash = blake3::Hasher::new();
    hash.update_reader(std::fs::File::open(path)?)?;
    Ok(Digest(*hash.finalize().as_bytes()))
}
