//! An attempt's life: prepare, run, publish, report. Each step is a function on the [`Bench`],
//! which holds what the attempt has at hand and is cleared when it ends.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use gristmill_model::attempt::{Failure, FailureKind, Outcome, Success, Usage};
use gristmill_model::booking::Hold;
use gristmill_model::digest::Digest;
use gristmill_model::payload::{Artifact, Payload, Place};
use gristmill_model::pipeline::Handler;
use gristmill_model::wire::{Assignment, Ended};
use gristmill_model::{Span, limits};
use tokio_util::sync::CancellationToken;

use crate::core::Input;
use crate::disk::Aside;
use crate::folder::{WorkFolder, plain_name};
use crate::handler::{Made, Product, command, images};
use crate::uplink::BlobError;
use crate::workshop::Workshop;

/// One attempt at work.
pub(crate) struct Bench {
    pub(crate) shop: Arc<Workshop>,
    pub(crate) assignment: Assignment,
    pub(crate) stop: CancellationToken,
    pub(crate) folder: WorkFolder,
    /// Whether it is known that nobody else can be in the folder: all processes have ended.
    pub(crate) alone: bool,
    pub(crate) usage: Usage,
}

/// Lives through an attempt and reports how it ended.
pub(crate) async fn live(shop: Arc<Workshop>, assignment: Assignment, stop: CancellationToken) {
    let began = Instant::now();
    let attempt = assignment.attempt;
    let inputs = shop.inputs.clone();
    let mut bench = Bench::new(shop, assignment, stop);
    let devices = bench.devices();
    let before = bench.shop.equipment.before(&bench.holds()).await;
    // A bug in a handler must not leave the attempt without an answer.
    let done = AssertUnwindSafe(bench.work()).catch_unwind().await;
    let stuck = bench.shop.equipment.settle(None, before).await;
    for (device, reason) in stuck {
        let _ = inputs.send(Input::Device { device, quarantined: Some(reason) }).await;
    }
    let outcome = match done.unwrap_or_else(|_| Err(panicked())) {
        Ok(success) => Outcome::Succeeded(success),
        Err(failure) => Outcome::Failed(within_bounds(failure)),
    };
    bench.clear().await;
    let usage = Usage { wall: Span::from_std(began.elapsed()), ..bench.usage };
    // Without a listener the worker is leaving, and what it held is given back.
    let _ = inputs.send(Input::Ended(Ended { attempt, outcome, usage, devices })).await;
}

impl Bench {
    pub(crate) fn new(
        shop: Arc<Workshop>,
        assignment: Assignment,
        stop: CancellationToken,
    ) -> Bench {
        let folder = WorkFolder::new(&shop.folders, assignment.attempt);
        let usage = Usage::default();
        Bench { shop, assignment, stop, folder, alone: false, usage }
    }

    /// Ids of the devices that the attempt has.
    pub(crate) fn devices(&self) -> Vec<String> {
        let seat = self.assignment.seat.as_ref();
        let devices = seat.into_iter().flat_map(|seat| &seat.devices);
        devices.map(|device| self.shop.equipment.id(*device)).collect()
    }

    /// What the attempt has of devices.
    fn holds(&self) -> Vec<Hold> {
        let Assignment { resources, seat, .. } = &self.assignment;
        let devices = seat.iter().flat_map(|seat| seat.devices.iter().copied());
        self.shop.equipment.holds(resources, devices)
    }

    /// Clears away what the attempt leaves on this machine.
    pub(crate) async fn clear(&mut self) {
        self.folder.clear(self.alone, command::ARTIFACTS).await;
    }

    async fn work(&mut self) -> Result<Success, Failure> {
        let input = self.prepare().await?;
        let made = match self.assignment.handler.clone() {
            Handler::Command(spec) => command::run(self, &spec, input).await?,
            Handler::Images(spec) => images::run(self, &spec, input).await?,
            Handler::Session(_) => unreachable!("sessions are called, not started"),
        };
        self.publish(made).await
    }

    /// Brings the input's bytes to this machine.
    pub(crate) async fn prepare(&self) -> Result<Given, Failure> {
        let file = match &self.assignment.input {
            Payload::Text(text) | Payload::Json(text) => return Ok(Given::Text(text.clone())),
            Payload::File(file) => file,
            // Whoever sends an assignment puts the line's text in its place.
            Payload::Line(line) => {
                let message = format!("line {} of a list arrived without its text", line.index);
                return Err(Failure::new(FailureKind::Failed, "line_missing", message));
            }
        };
        let name = plain_name(&file.name);
        let path = match &file.place {
            Place::Path(path) => self.shop.roots.readable(path)?,
            Place::Blob(digest) => {
                let path = self.folder.sub_folder("input")?.join(&name);
                self.fetch(digest, &path).await?;
                path
            }
        };
        Ok(Given::File { path, name })
    }

    /// Brings a blob's bytes to a file.
    pub(crate) async fn fetch(&self, digest: &Digest, to: &Path) -> Result<(), Failure> {
        self.unless_stopped(self.shop.blobs.fetch(digest, to)).await?.map_err(blob)
    }

    /// Puts what the handler made where the server wants it.
    async fn publish(&self, made: Made) -> Result<Success, Failure> {
        let output = match made.product {
            Product::Payload(payload) => payload,
            Product::File { path, name } => Payload::File(self.publish_file(&path, name).await?),
        };
        let mut artifacts = Vec::with_capacity(made.artifacts.len());
        for path in &made.artifacts {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            artifacts.push(self.upload(path, name).await?);
        }
        Ok(Success { output, artifacts, warnings: made.warnings })
    }

    /// Moves a finished file to the shared disk, or uploads it where no place is named.
    pub(crate) async fn publish_file(
        &self,
        path: &Path,
        name: String,
    ) -> Result<Artifact, Failure> {
        let Some(wanted) = &self.assignment.output else { return self.upload(path, name).await };
        let destination = self.shop.roots.writable(wanted)?;
        let (from, attempt) = (path.to_owned(), self.assignment.attempt);
        let parts = self.shop.parts.clone();
        let moved = tokio::task::spawn_blocking(move || {
            let aside = Aside::new(parts.as_deref(), &destination, attempt);
            let size = std::fs::metadata(&from).and_then(|file| {
                aside.take(&from)?;
                aside.place()?;
                Ok(file.len())
            });
            size.map_err(|error| crate::disk::cannot_write(&destination, &error))
        });
        let size = moved.await.map_err(|_| panicked())??;
        Ok(placed(wanted, size))
    }

    /// Puts a file into the blob store.
    pub(crate) async fn upload(&self, path: &Path, name: String) -> Result<Artifact, Failure> {
        let stored = self.unless_stopped(self.shop.blobs.store(path)).await?.map_err(blob)?;
        Ok(Artifact { name, size: stored.size, place: Place::Blob(stored.digest) })
    }

    /// Awaits something that may take long, but not beyond a stop.
    pub(crate) async fn unless_stopped<T>(
        &self,
        step: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(stopped()),
            value = step => Ok(value),
        }
    }
}

/// The input, at hand.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    /// Text, or JSON as text.
    Text(String),
    /// A file on this machine, and what its owner calls it.
    File { path: PathBuf, name: String },
}

/// A file that stands in its place on the shared disk.
pub(crate) fn placed(path: &str, size: u64) -> Artifact {
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    Artifact { name, size, place: Place::Path(path.into()) }
}

/// The failure of an attempt that was ended; whoever asked for that knows the reason.
pub(crate) fn stopped() -> Failure {
    Failure::new(FailureKind::Cancelled, "cancelled", "stopped on request")
}

/// The failure of a handler that has a bug.
pub(crate) fn panicked() -> Failure {
    let message = "the handler broke down; the worker's log says where";
    Failure::new(FailureKind::Failed, "handler_panicked", message)
}

fn blob(error: BlobError) -> Failure {
    let (kind, code) = match &error {
        BlobError::TooLong(..) => (FailureKind::Invalid, "output_too_large"),
        BlobError::File(_, cause) if cause.kind() == std::io::ErrorKind::StorageFull => {
            (FailureKind::Failed, "disk_full")
        }
        BlobError::Missing(_) => (FailureKind::Invalid, "blob_missing"),
        _ => (FailureKind::Failed, "blob_transfer"),
    };
    Failure::new(kind, code, error.to_string())
}

/// Cuts the message to its bound, at a character's border.
fn within_bounds(mut failure: Failure) -> Failure {
    if failure.message.len() > limits::MESSAGE_BYTES {
        failure.message.truncate(failure.message.floor_char_boundary(limits::MESSAGE_BYTES));
    }
    failure
}
