//! What is asked of the engine, and what it answers. Commands live in memory only: they are no
//! contract, and what came of one is told by the events it emitted.

use std::collections::BTreeMap;

use crate::access::Actor;
use crate::attempt::{Outcome, Usage};
use crate::device::{DeviceSample, SessionSample};
use crate::ids::{AttemptId, BatchId, DEFAULT_PROJECT, JobId, JobRun, PipelineId, WorkerId};
use crate::job::JobSpec;
use crate::pipeline::PipelineSpec;
use crate::resources::WorkerShape;
use crate::scope::{Flow, Limit, Scope};
use crate::source::Source;
use crate::terms::{Target, Terms};
use crate::worker::WorkerDescription;

/// A command with whoever gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who acts.
    pub actor: Actor,
    /// What is asked.
    pub command: Command,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Define a pipeline, or a new version of it; the same spec again changes nothing.
    DefinePipeline {
        /// Whose pipeline, by the project's name.
        project: String,
        /// What it does.
        spec: PipelineSpec,
    },
    /// Submit jobs as one batch.
    Submit(Box<Submission>),
    /// Add jobs to an open batch.
    Append {
        /// Which batch.
        batch: BatchId,
        /// The jobs, in order.
        jobs: Vec<JobSpec>,
        /// Further jobs as one record.
        range: Option<Source>,
        /// Whether these are the last.
        close: bool,
    },
    /// Make a project, or change its weight.
    DefineProject {
        /// Its name.
        name: String,
        /// Its share beside the other projects'; at least 1.
        weight: u32,
    },
    /// Cancel one job, waiting or running.
    CancelJob(JobId),
    /// Cancel those of many jobs that are not final.
    CancelJobs(Vec<JobRun>),
    /// Cancel every job of a batch that is not final, and close it.
    CancelBatch(BatchId),
    /// Put a failed, cancelled or expired job back in the queue, at the stage where it stopped.
    RetryJob(JobId),
    /// Put those of many jobs back in the queue that failed, were cancelled or have expired.
    RetryJobs(Vec<JobRun>),
    /// Hold a job that waits, or a batch: it does not begin until it is released.
    Hold(Target),
    /// Let go of what was held.
    Release(Target),
    /// Bound a scope, or take its bound away.
    SetLimit {
        /// Whose, by the project's name.
        project: String,
        /// What is bounded.
        scope: Scope,
        /// By how much.
        limit: Limit,
    },
    /// Pause, drain or open a scope.
    SetFlow {
        /// Whose, by the project's name.
        project: String,
        /// Which part.
        scope: Scope,
        /// How it shall flow.
        flow: Flow,
    },
    /// Give a worker no more work for a while, or give it work again.
    PauseWorker {
        /// Which worker.
        worker: WorkerId,
        /// Whether it shall pause.
        paused: bool,
    },
    /// Take a device out of service, or (without a reason) put it back.
    SetDevice {
        /// Whose.
        worker: WorkerId,
        /// Which, by its id.
        device: String,
        /// Why it is out of service.
        quarantined: Option<String>,
    },
    /// What sessions of a name really take of a device's memory.
    Measure {
        /// Which worker saw it.
        worker: WorkerId,
        /// What the session is called.
        session: String,
        /// Bytes on each of its devices.
        vram: u64,
    },
    /// How much of a device's memory programs of others have.
    NoteForeignUse {
        /// Which worker saw it.
        worker: WorkerId,
        /// The device.
        device: String,
        /// Bytes.
        vram: u64,
    },
    /// How a worker's devices and sessions do.
    Sample {
        /// Which worker.
        worker: WorkerId,
        /// Its devices.
        devices: Vec<DeviceSample>,
        /// Its sessions.
        sessions: Vec<SessionSample>,
    },
    /// A part of an attempt's result, ahead of the whole.
    Partial {
        /// Which worker.
        worker: WorkerId,
        /// Which attempt.
        attempt: AttemptId,
        /// Its place among the parts, from 0.
        index: u64,
        /// The part, as compact JSON.
        value: String,
    },
    /// Declare a worker that may join, or (without a shape) strike it off.
    DeclareWorker {
        /// A name for people.
        name: String,
        /// What it would have to give.
        shape: Option<WorkerShape>,
    },
    /// Whoever asked to be called at a batch's end was called, or could not be.
    SettleCallback {
        /// Which batch.
        batch: BatchId,
        /// Whether the call was answered with a success.
        delivered: bool,
        /// What the last try came to, in a few words.
        detail: String,
    },
    /// A worker connected, for the first time or again.
    Greet(Box<Greeting>),
    /// A worker is alive and holds these attempts.
    Heartbeat {
        /// Which worker.
        worker: WorkerId,
    },
    /// How many attempts a worker likes to hold beyond those that run.
    SetPrefetch {
        /// Which worker.
        worker: WorkerId,
        /// How many; cut to the declared bound.
        prefetch: u32,
    },
    /// How far an attempt has come.
    Progress {
        /// Which worker.
        worker: WorkerId,
        /// Which attempt.
        attempt: AttemptId,
        /// How far.
        progress: Progress,
    },
    /// An attempt ended.
    Report {
        /// Which worker says so.
        worker: WorkerId,
        /// Which attempt.
        attempt: AttemptId,
        /// How it ended.
        outcome: Outcome,
        /// What it took.
        usage: Usage,
        /// Devices that it had.
        devices: Vec<String>,
    },
    /// A worker's connection broke; it may come back.
    Disconnect(WorkerId),
    /// Give a worker no more work; it leaves when it has finished what it holds.
    Drain(WorkerId),
    /// A worker leaves for good; what it still holds is lost.
    Leave(WorkerId),
}

/// Jobs to take in as one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Whose work, by the project's name; a project that is not known is made.
    pub project: String,
    /// What is done to each job.
    pub pipeline: PipelineRef,
    /// A name for people.
    pub name: Option<String>,
    /// Idempotency key: the same key with the same fingerprint makes no second batch.
    pub key: Option<BatchKey>,
    /// Higher goes first; 0 is ordinary.
    pub priority: i32,
    /// Labels that all jobs share.
    pub labels: BTreeMap<String, String>,
    /// Under what terms the jobs run.
    pub terms: Terms,
    /// The jobs, in order.
    pub jobs: Vec<JobSpec>,
    /// Further jobs as one record.
    pub range: Option<Source>,
    /// Whether more jobs may be added later.
    pub open: bool,
}

impl Submission {
    /// A closed batch of these jobs in the default project, with nothing else to say.
    #[must_use]
    pub fn new(pipeline: PipelineRef, jobs: Vec<JobSpec>) -> Submission {
        Submission {
            project: DEFAULT_PROJECT.into(),
            pipeline,
            name: None,
            key: None,
            priority: 0,
            labels: BTreeMap::new(),
            terms: Terms::default(),
            jobs,
            range: None,
            open: false,
        }
    }
}

/// An idempotency key with a digest of what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchKey {
    /// The key as the submitter chose it.
    pub key: String,
    /// The first eight bytes of a digest of the submission.
    pub fingerprint: u64,
}

/// Which pipeline a submission means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PipelineRef {
    /// The newest version of a named one.
    Named(String),
    /// This one, defined on the way if it is not known yet.
    Inline(PipelineSpec),
}

/// What a worker says when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Drawn at random by the worker's process; the same again after a reconnect.
    pub instance: u64,
    /// What it is and has.
    pub description: WorkerDescription,
    /// How many attempts it likes to hold beyond those that run.
    pub prefetch: u32,
    /// Attempts that it holds: running, waiting, or ended and not yet settled.
    pub holds: Vec<AttemptId>,
    /// Pipelines for the sessions that it runs, so that jobs can name them.
    pub offers: Vec<PipelineSpec>,
}

impl Greeting {
    /// The greeting of a worker that holds nothing and offers nothing.
    #[must_use]
    pub fn new(instance: u64, description: WorkerDescription) -> Greeting {
        Greeting { instance, description, prefetch: 0, holds: Vec::new(), offers: Vec::new() }
    }
}

/// How far an attempt has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all; 0 where not known.
    pub total: u64,
    /// A few words.
    pub message: String,
}

/// What the engine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done; there is nothing to add.
    Done,
    /// The pipeline's id and version.
    Pipeline(PipelineId, u32),
    /// A batch was made, added to, or found by its key.
    Batch(Submitted),
    /// How many jobs were affected.
    Count(u64),
    /// The worker's id, and which of the attempts it holds it must stop, for they are no longer
    /// its own.
    Welcome {
        /// The id to speak under.
        worker: WorkerId,
        /// Attempts that it holds but must stop.
        stale: Vec<AttemptId>,
    },
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The batch.
    pub batch: BatchId,
    /// The first new job; the others follow in order without gaps.
    pub first: JobId,
    /// How many new jobs.
    pub count: u64,
    /// Jobs found by their own keys: place in the submission, and the job.
    pub known: Vec<(u64, JobId)>,
    /// Whether the whole batch was found by its key and nothing was made.
    pub replayed: bool,
    /// What the submitter should know: that no worker known could ever run a stage.
    pub warnings: Vec<String>,
}
