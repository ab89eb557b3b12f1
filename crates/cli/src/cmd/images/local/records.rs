//! The records of a folder of results: a data folder like any server's, opened for one run.

use std::path::{Path, PathBuf};

use gristmill_model::access::Actor;
use gristmill_model::api::Batch;
use gristmill_model::command::Command;
use gristmill_model::digest::Digest;
use gristmill_model::limits::Timing;
use gristmill_model::problem::exit;
use gristmill_model::{BatchId, Span, limits};
use gristmill_server::folder::Folder;
use gristmill_server::{Config, Durability, Goal, Handle, Server, StartError};
use gristmill_worker::{BlobError, Blobs, Stored, Transfer};

use crate::cmd::serve;
use crate::error::{Error, Result};

/// Opens the server over the records. A power cut may cost the last few of them, and then a picture
/// is made twice; nothing waits for the disk.
pub fn open(folder: &Path, fresh: bool) -> Result<Server> {
    if fresh {
        forget(folder)?;
    }
    // The lock is ours, so whatever worked here before is dead: nobody is waited for.
    let timing = Timing { restart_grace: Span::ZERO, ..Timing::default() };
    let (data, durability) = (folder.to_owned(), Durability::Normal);
    // Records of one folder of pictures stay small, and are read while they are there.
    let config = Config { data, durability, timing, keep_events: None };
    Server::open(config).map_err(|error| refused(folder, &error))
}

/// The folder where results are written before they are put in their place, without what a killed
/// run was at. The records must be open: then nobody else is at work there.
pub fn parts(folder: &Path) -> Result<PathBuf> {
    let parts = folder.join("parts");
    match std::fs::remove_dir_all(&parts) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", &parts, &error))
        }
        _ => Ok(parts),
    }
}

/// Throws the records away, unless another process is at work on them.
fn forget(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let locked = Folder::open(folder).map_err(|error| refused(folder, &error.into()))?;
    std::fs::remove_dir_all(locked.path()).map_err(|error| Error::file("remove", folder, &error))
}

fn refused(folder: &Path, error: &StartError) -> Error {
    let refused = serve::refused(error);
    match error.exit() {
        exit::DATA_FOLDER => refused.hint(format!(
            "another `gristmill images` may be writing there; if not, --force starts over, or \
             delete {}",
            folder.display()
        )),
        _ => refused,
    }
}

/// Ends what an interrupted run left in the queue: what of it is still wanted is asked for again.
pub async fn clear(handle: &Handle) -> Result<()> {
    for batch in unfinished(handle).await? {
        handle.request(Actor::LOCAL, Command::CancelBatch(batch)).await?;
        if !handle.wait(Goal::Batch(batch), limits::WAIT).await? {
            return Err(Error::internal(format!("{batch} of an earlier run does not end"))
                .hint("--force starts over"));
        }
    }
    Ok(())
}

async fn unfinished(handle: &Handle) -> Result<Vec<BatchId>> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let asked = handle.read().ask(move |tables| tables.batches(after, limits::PAGE)).await;
        let page = asked.map_err(unreadable)?;
        let open = page.items.iter().filter(|batch: &&Batch| !batch.finished);
        found.extend(open.map(|batch| batch.id));
        after = page.items.last().map(|batch| batch.id);
        if !page.has_more {
            return Ok(found);
        }
    }
}

/// The records cannot be read.
pub fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::new(exit::DATA_FOLDER, format!("the records of this folder: {error}"))
        .hint("--force starts over")
}

/// Pictures of this machine travel by path; there are no blobs.
pub struct NoBlobs;

impl Blobs for NoBlobs {
    fn fetch<'a>(&'a self, digest: &'a Digest, _to: &'a Path) -> Transfer<'a, ()> {
        Box::pin(std::future::ready(Err(BlobError::Missing(*digest))))
    }

    fn store<'a>(&'a self, from: &'a Path) -> Transfer<'a, Stored> {
        let refused = std::io::Error::from(std::io::ErrorKind::Unsupported);
        Box::pin(std::future::ready(Err(BlobError::File(from.to_owned(), refused))))
    }
}
