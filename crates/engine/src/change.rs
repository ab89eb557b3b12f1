//! Changes: what people see of something, as it stands after an event. The engine makes them while
//! it applies events, live and in recovery alike; tables, feed and whoever waits are sinks of them
//! and know no rule.
//!
//! A change says how a thing stands, never by how much it differs, so a later one takes the place
//! of an earlier one of the same thing. What never changes of a thing (a batch's submission, the
//! inputs of its jobs, a pipeline) is told once, with the event that made it.

use std::num::NonZeroU64;
use std::sync::Arc;

use gristmill_model::access::Actor;
use gristmill_model::attempt::{Failure, Success, Usage};
use gristmill_model::cause::Cause;
use gristmill_model::event::Opening;
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::restored::Past;
use gristmill_model::source::Source;
use gristmill_model::terms::{Target, When};
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{AttemptId, BatchId, JobId, JobRun, PipelineId, ProjectId, Time, WorkerId};

/// How many jobs of a batch stand in each state, in the order of `JobState::ALL`. Those that wait
/// count as queued: what they are called says [`Batch::waits_as`].
pub type Counts = [u64; JobState::ALL.len()];

/// What people see of something, as it stands after an event. All times are the wall's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A version of a pipeline was defined.
    Pipeline(Pipeline),
    /// A batch was made.
    Opened(Box<Opened>),
    /// Jobs joined a batch; how they stand follows in a run.
    Accepted(Accepted),
    /// A batch as it stands.
    Batch(Box<Batch>),
    /// A batch waits in vain for something that has ended otherwise.
    Unmet {
        /// The batch.
        batch: BatchId,
        /// What it waited for.
        on: Target,
        /// How that was to end.
        when: When,
        /// When it had ended otherwise.
        at: Time,
    },
    /// The end of a batch is to be announced to whoever asked to be called.
    Announced {
        /// The batch.
        batch: BatchId,
        /// When it was announced; a later end is announced anew.
        at: Time,
    },
    /// Whoever asked to be called at a batch's end was called, or could not be.
    Called {
        /// The batch.
        batch: BatchId,
        /// Whether the call was answered with a success.
        delivered: bool,
        /// What the last try came to.
        detail: String,
        /// When.
        at: Time,
    },
    /// A batch was forgotten: its jobs cannot be retried any more.
    Forgotten(BatchId),
    /// Jobs that stand alike. Nothing else of them changes.
    Run(Box<Run>),
    /// A job as it stands.
    Job(Job),
    /// An attempt as it stands.
    Attempt(Attempt),
    /// A worker as it stands.
    Worker(Box<Worker>),
}

/// A version of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Its id.
    pub id: PipelineId,
    /// Whose it is.
    pub project: ProjectId,
    /// 1 for the first of its name.
    pub version: u32,
    /// What it does.
    pub spec: Arc<PipelineSpec>,
    /// When it was defined.
    pub created_at: Time,
}

/// What was said once of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The batch.
    pub batch: BatchId,
    /// What was submitted, without the jobs.
    pub opening: Arc<Opening>,
    /// The project's name.
    pub project_name: Box<str>,
    /// Who submitted it; nothing where only a base tells of it.
    pub actor: Option<Actor>,
    /// When.
    pub created_at: Time,
}

/// Jobs with consecutive ids that joined a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The batch.
    pub batch: BatchId,
    /// Its first job.
    pub first: JobId,
    /// The first job's index in the batch, from 0.
    pub index: u64,
    /// Priority of those that name none.
    pub priority: i32,
    /// What was submitted.
    pub inputs: Inputs,
    /// When.
    pub created_at: Time,
}

/// What was submitted of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs {
    /// Each for itself.
    Each(Arc<Vec<JobSpec>>),
    /// So many as one record.
    Range(Arc<Source>, u64),
    /// So many of which only the number is still known.
    Lost(u64),
}

impl Inputs {
    /// How many jobs.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Inputs::Each(specs) => specs.len() as u64,
            Inputs::Range(_, count) | Inputs::Lost(count) => *count,
        }
    }
}

/// A batch as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Whether more jobs may be added.
    pub open: bool,
    /// How many jobs stand in each state.
    pub counts: Counts,
    /// How its jobs are called that are queued here: the batch may keep them from beginning.
    pub waits_as: JobState,
    /// Whether a person holds it.
    pub held: bool,
    /// Its start time, until that has come.
    pub start_at: Option<Time>,
    /// What must still end first.
    pub pending: Vec<Target>,
    /// When it was closed and its last job became final.
    pub finished_at: Option<Time>,
}

/// Jobs with consecutive ids that stand alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The jobs.
    pub jobs: JobRun,
    /// Their batch.
    pub batch: BatchId,
    /// Where they stand; what waits is queued here, and the batch says what that is called.
    pub state: JobState,
    /// Since when.
    pub at: Time,
    /// Why they were cancelled or expired.
    pub cause: Option<Cause>,
}

/// A job as it stands. It is made with every lease and every report, so it is kept small: what is
/// mostly missing or never 0 takes eight bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its batch.
    pub batch: BatchId,
    /// Where it stands, as in [`Run::state`].
    pub state: JobState,
    /// Index of the stage.
    pub stage: u16,
    /// Attempts over all stages.
    pub attempts: u32,
    attempt: Option<NonZeroU64>,
    failed: Option<NonZeroU64>,
    started_at: Option<NonZeroU64>,
    finished_at: Option<NonZeroU64>,
    cause: Option<Box<Cause>>,
}

impl Job {
    pub(crate) fn new(
        (id, batch): (JobId, BatchId),
        state: JobState,
        stage: u16,
        past: Past,
    ) -> Job {
        let number = |id: Option<AttemptId>| id.and_then(|id| NonZeroU64::new(id.0));
        let time = |at: Option<Time>| at.and_then(|at| NonZeroU64::new(at.0));
        Job {
            id,
            batch,
            state,
            stage,
            attempts: past.attempts,
            attempt: number(past.last),
            failed: number(past.failed),
            started_at: time(past.started_at),
            finished_at: time(past.finished_at),
            cause: past.cause.map(Box::new),
        }
    }

    /// The last attempt.
    #[must_use]
    pub fn attempt(&self) -> Option<AttemptId> {
        self.attempt.map(|id| AttemptId(id.get()))
    }

    /// The last attempt that failed.
    #[must_use]
    pub fn failed(&self) -> Option<AttemptId> {
        self.failed.map(|id| AttemptId(id.get()))
    }

    /// When its first attempt was leased.
    #[must_use]
    pub fn started_at(&self) -> Option<Time> {
        self.started_at.map(|at| Time(at.get()))
    }

    /// When it became final.
    #[must_use]
    pub fn finished_at(&self) -> Option<Time> {
        self.finished_at.map(|at| Time(at.get()))
    }

    /// Why it was cancelled, expired or asked to stop.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.cause.as_deref().copied()
    }
}

/// An attempt as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// Its job.
    pub job: JobId,
    /// Index of the stage.
    pub stage: u16,
    /// 1 for the job's first at this stage.
    pub number: u32,
    /// Who has it.
    pub worker: WorkerId,
    /// Which of the stage's alternative resources it books.
    pub alternative: u8,
    /// When it was leased.
    pub leased_at: Time,
    /// How it ended, if it has.
    pub end: Option<Box<End>>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Time,
    /// With a result, or not.
    pub outcome: Result<Arc<Success>, Arc<Failure>>,
    /// What it took.
    pub usage: Usage,
    /// Devices that it had.
    pub devices: Vec<String>,
}

/// A worker as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its id.
    pub id: WorkerId,
    /// What it is and has.
    pub description: Arc<WorkerDescription>,
    /// When it joined.
    pub joined_at: Time,
    /// When it left.
    pub left_at: Option<Time>,
    /// Whether it takes no more work, and leaves when it has finished.
    pub draining: bool,
    /// Whether it is given no more work for a while.
    pub paused: bool,
    /// Attempts that succeeded there.
    pub succeeded: u64,
    /// Attempts that did not.
    pub failed: u64,
}

/// A change with the record that made it: its index among those since changes were last taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Which record.
    pub record: u32,
    /// What stands otherwise.
    pub change: Change,
}
