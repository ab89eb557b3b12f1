//! Events as logs of formats 2 and 3 have them, and their conversion to today's.
//!
//! Nothing is decided anew here but what those logs did not say: why jobs were cancelled or
//! expired. It follows from the event that ended the turn in which it happened, so a log is looked
//! through once ([`Converter::note`]) before it is converted record by record
//! ([`Converter::convert`]); each record becomes exactly one. Delete this file with the last
//! release that opens such logs.

mod convert;
mod part;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::{
    AttemptEvent, BatchEvent, DeviceEvent, JobsEvent, LeaveReason, Opening, PipelineEvent,
    ProjectEvent, ServerEvent, Then, WorkerEvent,
};
use crate::access;
use crate::attempt::{Failure, Success, Usage};
use crate::booking::Seat;
use crate::cause::Cause;
use crate::ids::{AttemptId, BatchId, JobId, JobRun, PipelineId, ProjectId, WorkerId};
use crate::job::JobSpec;
use crate::pipeline::PipelineSpec;
use crate::resources::{Capacity, WorkerShape};
use crate::scope::{Flow, Limit, Scope};
use crate::source::Source;
use crate::terms::{Target, Terms, When};
use crate::time::{Moment, Time};
use crate::worker::WorkerDescription;
pub use convert::Converter;
pub use part::Part;

/// Who asked for something.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Somebody on this machine.
    Local,
    /// The holder of the server's token.
    Token,
    /// A worker.
    Worker,
    /// The server itself.
    Server,
}

/// An event with the engine's time at which it happened.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// When.
    pub at: Time,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum Event {
    /// The server started and has replayed its log; every live lease begins its restart grace.
    ServerStarted {
        /// The version of gristmill that started.
        version: String,
    },
    /// A project was made, or its weight was changed.
    ProjectDefined {
        /// Its id.
        project: ProjectId,
        /// Its name.
        name: String,
        /// Its share beside the other projects'; at least 1.
        weight: u32,
    },
    /// A pipeline, or a new version of one, was defined.
    PipelineDefined {
        /// Its id.
        pipeline: PipelineId,
        /// Whose it is.
        project: ProjectId,
        /// 1 for the first of its name.
        version: u32,
        /// What it does.
        spec: PipelineSpec,
    },
    /// A batch was made; its jobs follow in `JobsAdded`.
    BatchOpened {
        /// Its id.
        batch: BatchId,
        /// Whose it is.
        project: ProjectId,
        /// What is done to its jobs.
        pipeline: PipelineId,
        /// Who submitted it.
        actor: Actor,
        /// A name for people.
        name: Option<String>,
        /// Idempotency key and the fingerprint of what it stands for.
        key: Option<(String, u64)>,
        /// Higher goes first.
        priority: i32,
        /// Labels that all its jobs share.
        labels: BTreeMap<String, String>,
        /// Under what terms they run.
        terms: Box<Terms>,
    },
    /// Jobs joined a batch.
    JobsAdded {
        /// The batch.
        batch: BatchId,
        /// Id of the first; the others follow without gaps.
        first: JobId,
        /// The jobs, in order.
        jobs: Vec<JobSpec>,
    },
    /// Jobs joined a batch as one record; each is expanded when it is needed.
    RangeAdded {
        /// The batch.
        batch: BatchId,
        /// Id of the first; the others follow without gaps.
        first: JobId,
        /// How many.
        count: u64,
        /// What their inputs are.
        source: Source,
    },
    /// A batch takes no more jobs.
    BatchClosed {
        /// The batch.
        batch: BatchId,
    },
    /// A person holds a batch: none of its jobs begins.
    BatchHeld {
        /// The batch.
        batch: BatchId,
        /// Who asked.
        actor: Actor,
    },
    /// A person let go of a batch.
    BatchReleased {
        /// The batch.
        batch: BatchId,
        /// Who asked.
        actor: Actor,
    },
    /// A batch's start time has come.
    StartReached {
        /// The batch.
        batch: BatchId,
    },
    /// The time by which a batch's jobs must have begun has passed; those that had not, expired.
    ExpiryReached {
        /// The batch.
        batch: BatchId,
    },
    /// The time by which a batch's jobs must be final has passed; those that were not, expired or
    /// were asked to stop.
    DeadlineReached {
        /// The batch.
        batch: BatchId,
    },
    /// What a batch waited for has ended as it was to end.
    DependencyMet {
        /// The batch that waited.
        batch: BatchId,
        /// What it waited for.
        on: Target,
    },
    /// What a batch waited for has ended otherwise; the batch's jobs are cancelled.
    DependencyFailed {
        /// The batch that waited.
        batch: BatchId,
        /// What it waited for.
        on: Target,
    },
    /// A batch is closed and every job of it is final; said where somebody asked to be called.
    BatchFinished {
        /// The batch.
        batch: BatchId,
    },
    /// Whoever asked to be called at a batch's end was called, or could not be.
    CallbackSettled {
        /// The batch.
        batch: BatchId,
        /// Whether the call was answered with a success.
        delivered: bool,
        /// What the last try came to, in a few words.
        detail: String,
    },
    /// Batches that finished long ago were forgotten: their keys, and their jobs that could have
    /// been retried. Their rows stay readable.
    BatchesPruned {
        /// The batches.
        batches: Vec<BatchId>,
    },
    /// An attempt was leased to a worker.
    AttemptLeased {
        /// Its id, never used again.
        attempt: AttemptId,
        /// The job.
        job: JobId,
        /// Index of the stage.
        stage: u16,
        /// 1 for the job's first attempt at this stage.
        number: u32,
        /// The worker.
        worker: WorkerId,
        /// Which of the stage's alternative resources it books; 0 is the preferred one.
        alternative: u8,
        /// Which devices it gets, and which session; nothing where it waits for them at the worker,
        /// or needs neither.
        #[serde(default)]
        seat: Option<Seat>,
    },
    /// An attempt succeeded and its result is committed.
    AttemptSucceeded {
        /// The attempt.
        attempt: AttemptId,
        /// Its job.
        job: JobId,
        /// The worker that held it.
        worker: WorkerId,
        /// What it left.
        success: Success,
        /// What it took.
        usage: Usage,
        /// Devices that it had.
        devices: Vec<String>,
        /// What becomes of the job.
        then: Then,
    },
    /// An attempt did not succeed.
    AttemptFailed {
        /// The attempt.
        attempt: AttemptId,
        /// Its job.
        job: JobId,
        /// The worker that held it.
        worker: WorkerId,
        /// Why.
        failure: Failure,
        /// What it took.
        usage: Usage,
        /// Devices that it had.
        devices: Vec<String>,
        /// What becomes of the job.
        then: Then,
    },
    /// The pause after a failure is over; the job is queued again.
    BackoffElapsed {
        /// The job.
        job: JobId,
    },
    /// Running jobs were asked to stop.
    CancelRequested {
        /// The jobs.
        jobs: Vec<JobId>,
        /// Who asked; the server itself where their deadline passed, and then they expire.
        actor: Actor,
    },
    /// Jobs that did not run were cancelled.
    JobsCancelled {
        /// The jobs.
        jobs: Vec<JobRun>,
        /// Who asked; the server itself where what they waited for failed.
        actor: Actor,
    },
    /// Jobs that did not run in time have expired.
    JobsExpired {
        /// The jobs.
        jobs: Vec<JobRun>,
    },
    /// Failed, cancelled or expired jobs were put back in the queue by hand.
    JobsRetried {
        /// The jobs.
        jobs: Vec<JobRun>,
        /// Who asked.
        actor: Actor,
    },
    /// A person holds jobs that did not run.
    JobsHeld {
        /// The jobs.
        jobs: Vec<JobRun>,
        /// Who asked.
        actor: Actor,
    },
    /// A person let go of jobs.
    JobsReleased {
        /// The jobs.
        jobs: Vec<JobRun>,
        /// Who asked.
        actor: Actor,
    },
    /// A scope's limit was set; one that bounds nothing takes it away.
    LimitSet {
        /// Whose.
        project: ProjectId,
        /// What is bounded.
        scope: Scope,
        /// By how much.
        limit: Limit,
        /// Who asked.
        actor: Actor,
    },
    /// A scope was paused, drained or opened.
    FlowSet {
        /// Whose.
        project: ProjectId,
        /// Which part.
        scope: Scope,
        /// How it flows now.
        flow: Flow,
        /// Who asked.
        actor: Actor,
    },
    /// A worker joined.
    WorkerJoined {
        /// Its id.
        worker: WorkerId,
        /// The number its process drew.
        instance: u64,
        /// A name for people.
        name: String,
        /// Kinds of handler that it runs.
        handlers: Vec<String>,
        /// What it has to give.
        capacity: Capacity,
        /// Whether it sees the submitters' disk.
        shared_disk: bool,
        /// What stages may require or prefer of it.
        labels: BTreeMap<String, String>,
    },
    /// A worker is given no more work for a while, or is given work again.
    WorkerPaused {
        /// The worker.
        worker: WorkerId,
        /// Whether it pauses.
        paused: bool,
        /// Who asked.
        actor: Actor,
    },
    /// A worker that may join was declared, changed, or (without a shape) struck off.
    WorkerDeclared {
        /// A name for people.
        name: String,
        /// What it would have to give.
        shape: Option<WorkerShape>,
    },
    /// A device of a worker is out of service: what runs there goes on, nothing else begins.
    DeviceQuarantined {
        /// The worker.
        worker: WorkerId,
        /// The device.
        device: String,
        /// Why, in one sentence.
        reason: String,
        /// Who took it out: the worker that saw it fail, the server that counted failures, a
        /// person.
        actor: Actor,
    },
    /// A device is in service again.
    DeviceReturned {
        /// The worker.
        worker: WorkerId,
        /// The device.
        device: String,
        /// Who put it back.
        actor: Actor,
    },
    /// What sessions of a name really take of a device's memory; booked from now on.
    SessionMeasured {
        /// The worker.
        worker: WorkerId,
        /// What the session is called.
        session: String,
        /// Bytes on each of its devices.
        vram: u64,
    },
    /// Programs of others have this much of a device's memory: from now on nobody books it.
    ForeignUseNoted {
        /// The worker.
        worker: WorkerId,
        /// The device.
        device: String,
        /// Bytes, in steps; 0 where nobody else is there any more.
        vram: u64,
    },
    /// A worker takes no more work.
    WorkerDraining {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker is gone; attempts that it held have ended as lost.
    WorkerLeft {
        /// The worker.
        worker: WorkerId,
        /// Why.
        reason: LeaveReason,
    },
    /// A part of the state as it was, in place of the events that led to it.
    Restored(Box<Part>),
}
