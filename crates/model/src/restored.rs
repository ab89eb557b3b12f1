//! Contract with the disk: the state as it was, in parts. The events before a point of the log can
//! be put aside when these parts stand in their place: applied in order to an empty state, they
//! make the state of that point.
//!
//! **Rule of change.** The same as for [`event`](crate::event), of which this is a part.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::Actor;
use crate::booking::{Pinned, Seat};
use crate::cause::Cause;
use crate::ids::{AttemptId, BatchId, JobId, JobRun, PipelineId, ProjectId, WorkerId};
use crate::job::JobState;
use crate::payload::Payload;
use crate::scope::{Limit, Scope};
use crate::source::Source;
use crate::terms::{Target, When};
use crate::time::Time;
use crate::worker::WorkerDescription;

/// A part of the state as it was. Pipelines, flows and declared workers need none of their own:
/// the events that made them are told again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// A project; what it has used comes last, in [`Part::Shares`].
    Project {
        /// Its id.
        project: ProjectId,
        /// Its name.
        name: String,
        /// Its weight.
        weight: u32,
    },
    /// A batch, without its jobs.
    Batch(Box<BatchPart>),
    /// What is left of a range.
    Range {
        /// Id of its first job.
        first: JobId,
        /// Its batch.
        batch: BatchId,
        /// How many jobs there were.
        count: u64,
        /// Where their inputs come from.
        source: Source,
        /// Their place among those that wait.
        rank: i64,
        /// Those that are still folded: run by run how they stand, and since when.
        folds: Vec<(JobRun, JobState, Time)>,
        /// Of each of `folds` since when by the wall clock, and why they ended that have.
        #[serde(default)]
        ends: Vec<(Time, Option<Cause>)>,
    },
    /// A job that is not folded and has not succeeded.
    Job(Box<JobPart>),
    /// An idempotency key of a job, whatever became of the job.
    JobKey {
        /// Whose.
        project: ProjectId,
        /// The key.
        key: String,
        /// The job.
        job: JobId,
    },
    /// A worker, without its attempts.
    Worker {
        /// Its id.
        worker: WorkerId,
        /// The number its process drew.
        instance: u64,
        /// What it is and has.
        description: WorkerDescription,
        /// Whether it leaves when it has finished.
        draining: bool,
        /// Whether it is given no more work for a while.
        paused: bool,
        /// Its devices, in the order of its capacity.
        #[serde(default)]
        devices: Vec<DevicePart>,
        /// What sessions were seen to take of a device's memory, in bytes by name.
        #[serde(default)]
        measured: BTreeMap<String, u64>,
        /// Pinned sessions in which nobody sat.
        #[serde(default)]
        pinned: Vec<Pinned>,
        /// When it joined, by the wall clock.
        #[serde(default)]
        joined_at: Time,
        /// Attempts that succeeded there, and that did not.
        #[serde(default)]
        ended: (u64, u64),
    },
    /// An attempt that is leased; those that run before those that wait, which come in order.
    Attempt {
        /// Its id.
        attempt: AttemptId,
        /// Its job.
        job: JobId,
        /// Who has it.
        worker: WorkerId,
        /// 1 for the job's first at this stage.
        number: u32,
        /// Which of the stage's resources it books.
        alternative: u8,
        /// When it was leased.
        leased_at: Time,
        /// When its resources were booked.
        running_since: Option<Time>,
        /// Its devices and its session, where it runs and has any.
        #[serde(default)]
        seat: Option<Seat>,
        /// When it was leased, by the wall clock.
        #[serde(default)]
        leased_wall: Time,
    },
    /// A limit.
    Bound {
        /// Whose.
        project: ProjectId,
        /// What is bounded.
        scope: Scope,
        /// By how much.
        limit: Limit,
        /// The clock of its rate.
        next: Time,
    },
    /// The last part: what each project has used, and the next number of each kind of id.
    Shares {
        /// What the project had used that was last served.
        served: u128,
        /// What each had used, and when.
        used: Vec<(ProjectId, u128, Time)>,
        /// Next project, pipeline, batch, job, attempt and worker.
        next: [u64; 6],
    },
}

/// A batch as it was, without its jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchPart {
    /// Its id.
    pub batch: BatchId,
    /// Whose it is.
    pub project: ProjectId,
    /// What is done to its jobs.
    pub pipeline: PipelineId,
    /// A name for people.
    pub name: Option<String>,
    /// Idempotency key and the fingerprint of what it stands for.
    pub key: Option<(String, u64)>,
    /// Priority of jobs that name none.
    pub priority: i32,
    /// Whether more jobs may be added.
    pub open: bool,
    /// Its jobs, as runs of ids.
    pub runs: Vec<JobRun>,
    /// How many of them have succeeded.
    pub succeeded: u64,
    /// When it had finished.
    pub finished_at: Option<Time>,
    /// Whether its end must still be announced.
    pub announce: bool,
    /// Whether a person holds it.
    pub held: bool,
    /// Its start time, if that has not come.
    pub start_at: Option<Time>,
    /// What must still end first, and how.
    pub pending: BTreeMap<Target, When>,
    /// From when its jobs age, where not from their acceptance.
    pub age_from: Option<Time>,
    /// By when a job must have begun, and whether that is still to come.
    pub expires_at: Option<(Time, bool)>,
    /// By when a job must be final, and whether that is still to come.
    pub deadline: Option<(Time, bool)>,
    /// The free key that limits may speak of.
    pub limit_key: Option<String>,
    /// Whom to call at its end.
    pub callback: Option<String>,
    /// When it had finished, by the wall clock.
    #[serde(default)]
    pub finished_wall: Option<Time>,
}

/// A job as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPart {
    /// Its id.
    pub job: JobId,
    /// Its batch.
    pub batch: BatchId,
    /// Index of the stage where it stood.
    pub stage: u16,
    /// Where it stood, apart from its batch's gate.
    pub state: JobState,
    /// Since when.
    pub since: Time,
    /// Its place among those that wait.
    pub rank: i64,
    /// Input of the stage where it stood.
    pub input: Payload,
    /// Where the last stage's output file goes.
    pub output: Option<String>,
    /// Whether a worker must see the submitter's disk.
    pub shared_disk: bool,
    /// Whether it was being stopped because its deadline had passed.
    pub expiring: bool,
    /// Attempts at this stage so far.
    pub attempts: u32,
    /// Failed attempts at this stage that count.
    pub failures: u32,
    /// Workers that died while they ran it, with the attempts that they held.
    pub deaths: Vec<(WorkerId, AttemptId)>,
    /// When the pause after a failure ends.
    pub retry_at: Option<Time>,
    /// Attempts at this stage that ended for want of device memory.
    #[serde(default)]
    pub shortages: u32,
    /// What it has been through, if it was ever leased or has ended.
    #[serde(default)]
    pub past: Option<Past>,
    /// Since when by the wall clock; nothing in bases of format 3, which knew one clock.
    #[serde(default)]
    pub wall: Option<Time>,
}

/// What a job has been through: nothing is decided by it, people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Past {
    /// Attempts over all stages.
    pub attempts: u32,
    /// The last one.
    pub last: Option<AttemptId>,
    /// The last one that failed.
    pub failed: Option<AttemptId>,
    /// When its first attempt was leased, by the wall clock.
    pub started_at: Option<Time>,
    /// When it became final, by the wall clock.
    pub finished_at: Option<Time>,
    /// Why it was cancelled, expired or asked to stop.
    pub cause: Option<Cause>,
}

/// A worker's device as it was, apart from what is booked of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DevicePart {
    /// Why it is out of service and who took it out, where it is.
    pub quarantined: Option<(String, Actor)>,
    /// Jobs that it failed under since one succeeded there.
    pub failed_under: Vec<JobId>,
    /// Whose session was on it last.
    pub last: Option<String>,
    /// Attempts that died on it since one succeeded there.
    pub deaths: u32,
    /// Bytes of its memory that programs of others had.
    #[serde(default)]
    pub foreign: u64,
}
