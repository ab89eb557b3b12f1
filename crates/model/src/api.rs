//! Contract with HTTP clients and `--json` readers.
//!
//! **Rule of change.** Under `/v1` a field is never renamed, retyped or removed, and a field that
//! is always present stays so; new fields may appear at any time, and clients must ignore those
//! they do not know. Requests refuse unknown fields. Golden files in `golden/` and the checked-in
//! OpenAPI document hold the shapes; tests compare.

mod explain;
mod fleet;
mod place;
mod steer;
mod submit;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Actor;
use crate::attempt::{Failure, FailureKind, Usage};
use crate::ids::{AttemptId, BatchId, JobId, PipelineId, WorkerId};
use crate::job::JobState;
use crate::payload::{Artifact, Payload};
use crate::pipeline::PipelineSpec;
use crate::resources::WorkerShape;
use crate::time::{Span, Time};
use crate::wire::Stream;

pub use explain::{DeviceVerdict, Explanation, GivesWay, Holder, Rival, WorkerVerdict};
pub use fleet::{Device, Quarantine, QuarantineRequest, Session};
pub use place::JobAt;
pub use steer::{
    DeclareRequest, Declared, FlowRequest, Flowing, Limited, Project, ProjectRequest, Terms, Unmet,
};
pub use submit::{
    Accepted, AppendRequest, BatchRequest, JobRequest, KnownJob, Links, RangeRequest,
    SingleRequest, SubmittedJob, TermsRequest,
};

/// A job as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id.
    #[schema(value_type = String, example = "j17")]
    pub id: JobId,
    /// Its batch.
    #[schema(value_type = String, example = "b3")]
    pub batch: BatchId,
    /// Place in its batch, from 0.
    pub index: u64,
    /// The pipeline's name.
    pub pipeline: String,
    /// Where it stands.
    pub state: JobState,
    /// Name of the stage where it stands, or of the last.
    pub stage: String,
    /// Higher goes first.
    pub priority: i32,
    /// Its labels, the batch's included.
    pub labels: BTreeMap<String, String>,
    /// Idempotency key.
    pub key: Option<String>,
    /// The first stage's input.
    pub input: Payload,
    /// Where the output file goes, on a shared disk.
    pub output_path: Option<String>,
    /// The last stage's output, once it has succeeded.
    pub result: Option<Payload>,
    /// Files collected beside the result.
    pub artifacts: Vec<Artifact>,
    /// What a person should know though the work was done.
    pub warnings: Vec<String>,
    /// The last failure; of a job that its batch's terms have ended, which of them did.
    pub failure: Option<Failure>,
    /// Attempts so far, over all stages.
    pub attempts: u32,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When its first attempt was leased.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Time>,
    /// When it became final.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Time>,
}

/// One try of one stage of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Its id.
    #[schema(value_type = String, example = "a21")]
    pub id: AttemptId,
    /// Its job.
    #[schema(value_type = String, example = "j17")]
    pub job: JobId,
    /// Name of the stage.
    pub stage: String,
    /// 1 for the first at this stage.
    pub number: u32,
    /// Who had it.
    #[schema(value_type = String, example = "w2")]
    pub worker: WorkerId,
    /// Which of the stage's resources it books: 0 for the preferred, then the alternatives.
    #[serde(default)]
    pub alternative: u8,
    /// The devices that it has, or had, by name.
    #[serde(default)]
    pub devices: Vec<String>,
    /// Whether it runs, or how it ended.
    pub state: AttemptState,
    /// Its input: the job's, or the earlier stage's output.
    pub input: Payload,
    /// Its output, if it succeeded.
    pub output: Option<Payload>,
    /// Why not, if it failed.
    pub failure: Option<Failure>,
    /// What it took.
    pub usage: Option<Usage>,
    /// When it was leased.
    #[schema(value_type = String, format = DateTime)]
    pub leased_at: Time,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Time>,
}

/// How an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Leased to its worker.
    Running,
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// Its input can never succeed.
    Invalid,
    /// Its time ran out.
    TimedOut,
    /// Its worker died.
    Lost,
    /// It was asked to stop.
    Cancelled,
    /// There was too little device memory.
    OutOfMemory,
    /// A device failed under it.
    Device,
}

impl From<FailureKind> for AttemptState {
    fn from(kind: FailureKind) -> AttemptState {
        match kind {
            FailureKind::Failed => AttemptState::Failed,
            FailureKind::Invalid => AttemptState::Invalid,
            FailureKind::TimedOut => AttemptState::TimedOut,
            FailureKind::Lost => AttemptState::Lost,
            FailureKind::Cancelled => AttemptState::Cancelled,
            FailureKind::OutOfMemory => AttemptState::OutOfMemory,
            FailureKind::Device => AttemptState::Device,
        }
    }
}

/// A batch as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Batch {
    /// Its id.
    #[schema(value_type = String, example = "b3")]
    pub id: BatchId,
    /// A name for people.
    pub name: Option<String>,
    /// Whose work it is; not known any more of a batch that was forgotten long ago.
    #[serde(default)]
    pub project: Option<String>,
    /// The pipeline's name.
    pub pipeline: String,
    /// Who submitted it.
    pub actor: String,
    /// Higher goes first.
    pub priority: i32,
    /// Labels that its jobs share.
    pub labels: BTreeMap<String, String>,
    /// Whether more jobs may be added.
    pub open: bool,
    /// Whether it is closed and every job is final.
    pub finished: bool,
    /// How many jobs there are.
    pub jobs: u64,
    /// How many of them stand where.
    pub counts: BTreeMap<JobState, u64>,
    /// Under what terms they run, where there are any and the batch is not forgotten.
    #[serde(default)]
    pub terms: Option<Terms>,
    /// What it waited for and what ended otherwise.
    #[serde(default)]
    pub unmet: Vec<Unmet>,
    /// What came of calling whoever is to be told of its end.
    #[serde(default)]
    pub called: Option<Called>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When its last job became final.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Time>,
}

/// What came of a call at a batch's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Called {
    /// Whether somebody has heard; otherwise it was given up.
    pub delivered: bool,
    /// The last answer, or why there was none.
    pub detail: String,
    /// When that was clear.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
}

/// A pipeline as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pipeline {
    /// Its id.
    #[schema(value_type = String, example = "p2")]
    pub id: PipelineId,
    /// 1 for the first of its name.
    pub version: u32,
    /// What it does.
    pub spec: PipelineSpec,
    /// When it was defined.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
}

/// A worker as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// Its id.
    #[schema(value_type = String, example = "w2")]
    pub id: WorkerId,
    /// A name for people.
    pub name: String,
    /// Version of gristmill that it runs; empty where it is not known.
    #[serde(default)]
    pub version: String,
    /// How it stands.
    pub state: WorkerState,
    /// What it has to give, and what stages may ask of it.
    #[serde(flatten)]
    pub shape: WorkerShape,
    /// Attempts that run there.
    pub running: u32,
    /// Attempts that wait there.
    pub waiting: u32,
    /// Attempts that succeeded there.
    pub succeeded: u64,
    /// Attempts that did not.
    pub failed: u64,
    /// Its devices as they stand, while it is here.
    #[serde(default)]
    pub devices: Vec<Device>,
    /// When it joined.
    #[schema(value_type = String, format = DateTime)]
    pub joined_at: Time,
    /// When it left.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub left_at: Option<Time>,
}

/// How a worker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Connected and taking work.
    Ready,
    /// Connected, and given no more work until somebody resumes it.
    Paused,
    /// Takes no more work, and leaves.
    Draining,
    /// Its connection broke; its lease still runs.
    Disconnected,
    /// Gone.
    Gone,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Whether there are more; ask with `?after=` the last row's id.
    pub has_more: bool,
}

/// An event as the feed shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedEvent {
    /// Place in the log; the `Last-Event-ID` to come back with. Pulse events share the one before.
    pub seq: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// Who caused it: `server`, `local`, `token`, or a worker such as `worker:2`. Servers of before
    /// do not tell it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "token")]
    pub actor: Option<Actor>,
    /// What happened: `attempt_succeeded`, ...
    pub event: String,
    /// The job, where there is one.
    #[schema(value_type = Option<String>, example = "j17")]
    pub job: Option<JobId>,
    /// The batch, where there is one.
    #[schema(value_type = Option<String>, example = "b3")]
    pub batch: Option<BatchId>,
    /// The worker, where there is one.
    #[schema(value_type = Option<String>, example = "w2")]
    pub worker: Option<WorkerId>,
    /// The job's state after it, where it changed.
    pub state: Option<JobState>,
    /// All that the event says.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// A line of what a job printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// The job.
    #[schema(value_type = String, example = "j17")]
    pub job: JobId,
    /// Its batch.
    #[schema(value_type = String, example = "b3")]
    pub batch: BatchId,
    /// Its place in its batch, from 0.
    pub index: u64,
    /// The attempt that printed it.
    #[schema(value_type = String, example = "a21")]
    pub attempt: AttemptId,
    /// The worker where it ran.
    #[schema(value_type = String, example = "w2")]
    pub worker: WorkerId,
    /// Where; nothing where the server says that something was not kept.
    pub stream: Option<LogStream>,
    /// When the server had it, where that is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Time>,
    /// The line without its end. What is no UTF-8 is replaced.
    pub text: String,
}

/// Where a line of output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Words of the worker itself about the attempt.
    Worker,
    /// Where the attempt failed, as its handler's language tells it; not where it was printed too.
    Traceback,
}

impl From<Stream> for LogStream {
    fn from(stream: Stream) -> LogStream {
        match stream {
            Stream::Stdout => LogStream::Stdout,
            Stream::Stderr => LogStream::Stderr,
            Stream::Worker => LogStream::Worker,
        }
    }
}

/// A blob that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Blob {
    /// BLAKE3 digest of its bytes.
    #[schema(value_type = String, example = "b3-af13…")]
    pub digest: crate::digest::Digest,
    /// Length in bytes.
    pub size: u64,
}

/// How the server is: `GET /healthz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok` while the server takes and acknowledges work.
    pub status: String,
    /// Its version.
    pub version: String,
    /// Since its start.
    #[schema(value_type = String, example = "3h 2m")]
    pub uptime: Span,
    /// Jobs that are not final, by state.
    pub jobs: BTreeMap<JobState, u64>,
    /// Workers that are connected.
    pub workers: u32,
    /// The number of the last event.
    #[serde(default)]
    pub events: u64,
    /// Events after this one are kept one by one; of those before it what they led to.
    #[serde(default)]
    pub kept_after: u64,
}

/// Body of a cancel of many or a retry of many: how many were affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Affected {
    /// How many jobs.
    pub jobs: u64,
    /// Jobs beside these that the verb was for as well, but they finished so long ago that only
    /// their records are left.
    #[serde(default)]
    pub forgotten: u64,
}

/// An error: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable URI reference: `/problems/CODE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A few words, the same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// What went wrong this time.
    pub detail: String,
    /// The way out.
    pub advice: String,
}

impl From<&crate::problem::Rejection> for Problem {
    fn from(rejection: &crate::problem::Rejection) -> Problem {
        let code = rejection.code;
        Problem {
            kind: format!("/problems/{}", code.as_str()),
            title: code.title().into(),
            status: code.status(),
            code: code.as_str(),
            detail: rejection.detail.clone(),
            advice: code.advice().into(),
        }
    }
}
