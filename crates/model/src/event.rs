//! Contract with the disk: what happened, in the past tense. The log of these is the database.
//!
//! **Rule of change.** Events are written as MessagePack: structs as arrays, variants by name. A
//! log written by any released version must load for ever, so: never rename or remove a variant,
//! never reorder, retype or remove a field; add fields at the end, with `#[serde(default)]`; add
//! variants freely, for an older server refuses a newer log by [`FORMAT`]. Raise [`FORMAT`] with
//! every such addition. Golden files in `golden/` hold one of each; a test reads them.
//!
//! *Pulse* events are applied like the others but never written: they tell of connections,
//! leases and progress, which a restart finds anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::Actor;
use crate::attempt::{Failure, Success, Usage};
use crate::ids::{AttemptId, BatchId, JobId, PipelineId, ProjectId, WorkerId};
use crate::job::JobSpec;
use crate::pipeline::PipelineSpec;
use crate::resources::Capacity;
use crate::time::Time;

/// Version of this contract; a log that carries a higher one is refused.
pub const FORMAT: u32 = 1;

/// An event with the engine's time at which it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Time,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The server started and has replayed its log; every live lease begins its restart grace.
    ServerStarted {
        /// The version of gristmill that started.
        version: String,
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
    },
    /// Jobs joined a batch and the queue.
    JobsAdded {
        /// The batch.
        batch: BatchId,
        /// Id of the first; the others follow without gaps.
        first: JobId,
        /// The jobs, in order.
        jobs: Vec<JobSpec>,
    },
    /// A batch takes no more jobs.
    BatchClosed {
        /// The batch.
        batch: BatchId,
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
        /// Who asked.
        actor: Actor,
    },
    /// Jobs that did not run were cancelled.
    JobsCancelled {
        /// The jobs.
        jobs: Vec<JobId>,
        /// Who asked.
        actor: Actor,
    },
    /// A failed or cancelled job was put back in the queue by hand.
    JobRetried {
        /// The job.
        job: JobId,
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
    /// Pulse: a worker's connection stands.
    WorkerConnected {
        /// The worker.
        worker: WorkerId,
        /// How many attempts it likes to hold beyond those that run.
        prefetch: u32,
        /// Its lease lives until then.
        until: Time,
    },
    /// Pulse: a worker's connection broke.
    WorkerDisconnected {
        /// The worker.
        worker: WorkerId,
        /// Its lease lives until then.
        until: Time,
    },
    /// Pulse: a worker said that it lives.
    LeaseRenewed {
        /// The worker.
        worker: WorkerId,
        /// Its lease lives until then.
        until: Time,
    },
    /// Pulse: a worker likes to hold more or fewer attempts.
    PrefetchSet {
        /// The worker.
        worker: WorkerId,
        /// How many beyond those that run.
        prefetch: u32,
    },
    /// Pulse: an attempt has come so far.
    ProgressMade {
        /// The attempt.
        attempt: AttemptId,
        /// Its job.
        job: JobId,
        /// Units done.
        done: u64,
        /// Units in all; 0 where not known.
        total: u64,
        /// A few words.
        message: String,
    },
}

/// What becomes of a job when an attempt has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Then {
    /// It goes on to the next stage, with the output as input.
    NextStage,
    /// It has succeeded.
    Succeed,
    /// It is tried again after a pause.
    Retry {
        /// When.
        at: Time,
    },
    /// It is queued again at once: the attempt was lost, not at fault.
    Requeue,
    /// It has failed.
    Fail,
    /// It is cancelled, as somebody had asked.
    Cancel,
}

/// Why a worker left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaveReason {
    /// It said goodbye.
    Goodbye,
    /// Its lease ran out.
    LeaseExpired,
}

impl Event {
    /// Whether the event belongs in the log; the others are pulse.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        !matches!(
            self,
            Event::WorkerConnected { .. }
                | Event::WorkerDisconnected { .. }
                | Event::LeaseRenewed { .. }
                | Event::PrefetchSet { .. }
                | Event::ProgressMade { .. }
        )
    }

    /// The kind's stable name, as the event feed shows it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Event::ServerStarted { .. } => "server_started",
            Event::PipelineDefined { .. } => "pipeline_defined",
            Event::BatchOpened { .. } => "batch_opened",
            Event::JobsAdded { .. } => "jobs_added",
            Event::BatchClosed { .. } => "batch_closed",
            Event::AttemptLeased { .. } => "attempt_leased",
            Event::AttemptSucceeded { .. } => "attempt_succeeded",
            Event::AttemptFailed { .. } => "attempt_failed",
            Event::BackoffElapsed { .. } => "backoff_elapsed",
            Event::CancelRequested { .. } => "cancel_requested",
            Event::JobsCancelled { .. } => "jobs_cancelled",
            Event::JobRetried { .. } => "job_retried",
            Event::WorkerJoined { .. } => "worker_joined",
            Event::WorkerDraining { .. } => "worker_draining",
            Event::WorkerLeft { .. } => "worker_left",
            Event::WorkerConnected { .. } => "worker_connected",
            Event::WorkerDisconnected { .. } => "worker_disconnected",
            Event::LeaseRenewed { .. } => "lease_renewed",
            Event::PrefetchSet { .. } => "prefetch_set",
            Event::ProgressMade { .. } => "progress_made",
        }
    }
}
