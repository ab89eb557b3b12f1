//! Why a job is where it is, as the API tells it; part of the contract in [`api`](super).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{JobId, WorkerId};
use crate::job::JobState;
use crate::time::Time;

/// Why a job is where it is: `GET /v1/jobs/ID/explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The job.
    #[schema(value_type = String, example = "j17")]
    pub job: JobId,
    /// Where it stands.
    pub state: JobState,
    /// One sentence: why.
    pub summary: String,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Time>,
    /// Jobs that go first, where it waits in a queue or in a worker's backlog.
    pub ahead: Option<u64>,
    /// The next of them, in order.
    #[schema(value_type = Vec<String>)]
    pub behind: Vec<JobId>,
    /// The first jobs of other lines, of another project or with other needs, that want the same
    /// workers or devices and go before this one, in order; of many only some.
    #[serde(default)]
    pub rivals: Vec<Rival>,
    /// What it waits for besides its turn: a time, other jobs, a limit, a person.
    pub waits_for: Vec<String>,
    /// What would let it begin sooner.
    pub would_help: Vec<String>,
    /// When it would begin if runs took as long as they did of late, or at the earliest where only
    /// a time is waited for; nothing where it cannot begin before somebody has done something.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub estimated_start: Option<Time>,
    /// Each worker, and why it does not take the job; of one that waits in a worker's backlog that
    /// worker, and what it waits for there.
    pub workers: Vec<WorkerVerdict>,
}

/// A job of another line that goes before the one that is explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rival {
    /// The job.
    #[schema(value_type = String, example = "j21")]
    pub job: JobId,
    /// Name of its project.
    pub project: String,
    /// Why it goes first, in a few words.
    pub reason: String,
}

/// What the scheduler's predicates say of one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerVerdict {
    /// The worker.
    #[schema(value_type = String, example = "w2")]
    pub worker: WorkerId,
    /// Its name.
    pub name: String,
    /// Whether it could take the job now.
    pub fits: bool,
    /// Why, in a few words.
    pub reason: String,
    /// Its devices that would do for the job, where it has no room now: those with the most room
    /// first; of many only some.
    #[serde(default)]
    pub devices: Vec<DeviceVerdict>,
    /// Devices that would do beside these.
    #[serde(default)]
    pub more_devices: u64,
    /// Whom the job lets go first there, where it does.
    #[serde(default)]
    pub gives_way: Option<GivesWay>,
}

/// What the booking says of one device that would do for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceVerdict {
    /// The device.
    #[schema(example = "GPU-1")]
    pub device: String,
    /// Whether it has room for the job now.
    pub fits: bool,
    /// Why, in a few words.
    pub reason: String,
    /// Thousandths of it that the job wants: 1,000 for all of it, 0 for memory alone.
    pub wanted_share: u32,
    /// Bytes of its memory that the job wants; of a whole device what it must have at least.
    pub wanted_vram: u64,
    /// Thousandths of it that nobody has booked.
    pub free_share: u32,
    /// Bytes of its memory that nobody has booked and no program of others has.
    pub free_vram: u64,
    /// Bytes of its memory; 0 where the word means nothing.
    pub vram: u64,
    /// Bytes of its memory that programs of others have.
    pub foreign: u64,
    /// Why it is out of service, where it is.
    pub quarantined: Option<String>,
    /// Who has booked parts of it; of many only some.
    pub held_by: Vec<Holder>,
    /// Holders beside these.
    pub more_holders: u64,
    /// The session that was there last and may be there still. It has nothing booked any more, and
    /// leaves when its room is wanted.
    pub hot: Option<String>,
}

/// Who has booked a part of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Holder {
    /// The session that has it, where one does.
    pub session: Option<String>,
    /// Whether that session keeps it when it is idle.
    pub pinned: bool,
    /// Jobs that run there; none where a pinned session is idle; of many only some.
    #[schema(value_type = Vec<String>)]
    pub jobs: Vec<JobId>,
    /// Jobs beside these.
    pub more_jobs: u64,
    /// Thousandths of the device; 0 where it has memory alone.
    pub share: u32,
    /// Bytes of its memory.
    pub vram: u64,
}

/// For the sake of a session that is loaded on a device its jobs go before one whose session would
/// drive it out, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GivesWay {
    /// The session that is loaded.
    pub session: String,
    /// The next of its jobs.
    #[schema(value_type = String, example = "j21")]
    pub job: JobId,
    /// Until then at the latest.
    #[schema(value_type = String, format = DateTime)]
    pub until: Time,
}
