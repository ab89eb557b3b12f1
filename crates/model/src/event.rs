//! Contract with the disk: what happened, in the past tense. The log of these is the database.
//!
//! **Rule of change.** Events are written as MessagePack: structs as arrays, variants by name. A
//! log written by any released version must load for ever, so: never rename or remove a variant,
//! never reorder, retype or remove a field; add fields at the end, with `#[serde(default)]`; add
//! variants freely, for an older server refuses a newer log by [`FORMAT`]. Raise [`FORMAT`] with
//! every such addition. Golden files in `golden/` hold one of each; a test reads them.
//!
//! Events are nested by kind, so that a new one does not compile until every place that looks at
//! its kind says what it does with it. *Ephemeral* events are applied like the others but never
//! written. Logs of formats 2 and 3 are converted once, when they are opened: see [`format3`].

mod attempt;
mod batch;
mod device;
mod ephemeral;
pub mod format3;
mod jobs;
mod names;
mod pipeline;
mod project;
mod record;
mod server;
mod worker;

use serde::{Deserialize, Serialize};

use crate::restored::Part;

pub use attempt::{AttemptEvent, Then};
pub use batch::{BatchEvent, Opening};
pub use device::DeviceEvent;
pub use ephemeral::EphemeralEvent;
pub use jobs::JobsEvent;
pub use pipeline::PipelineEvent;
pub use project::ProjectEvent;
pub use record::Record;
pub use server::ServerEvent;
pub use worker::{LeaveReason, WorkerEvent};

/// Version of this contract; a log that carries a higher one is refused.
pub const FORMAT: u32 = 4;

/// The oldest version that still loads. Format 1 was never released.
pub const OLDEST_FORMAT: u32 = 2;

/// What happened. Kept small, for millions are made and handed on: what is large and seldom stands
/// in a box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// To the server itself.
    Server(ServerEvent),
    /// To a project.
    Project(ProjectEvent),
    /// To a pipeline.
    Pipeline(PipelineEvent),
    /// To a batch.
    Batch(BatchEvent),
    /// To jobs, other than by an attempt.
    Jobs(JobsEvent),
    /// To an attempt, and so to its job.
    Attempt(AttemptEvent),
    /// To a worker.
    Worker(WorkerEvent),
    /// To a worker's device.
    Device(DeviceEvent),
    /// A part of the state as it was, in place of the events that led to it.
    Restored(Box<Part>),
    /// What is never written.
    Ephemeral(EphemeralEvent),
}

const _: () = assert!(size_of::<Event>() <= 120, "as large as an attempt's end, and no larger");

impl Event {
    /// Whether the event belongs in the log.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        !matches!(self, Event::Ephemeral(_))
    }
}
