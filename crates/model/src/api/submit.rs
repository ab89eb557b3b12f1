//! Submissions: what a client asks for, and what it is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::digest::Digest;
use crate::ids::{BatchId, JobId};
use crate::payload::Artifact;
use crate::pipeline::StageSpec;
use crate::terms::Dependency;
use crate::time::{Span, Time};

/// Body of `POST /v1/batches`, and the first line of a bulk submission.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// Whose work it is, by the project's name; without one `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Name of a pipeline that is defined; or give `stages`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// Stages of a pipeline of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Vec<StageSpec>>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Higher goes first; 0 is ordinary.
    #[serde(default)]
    pub priority: i32,
    /// Labels that all jobs share.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Under what terms the jobs run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Box<TermsRequest>>,
    /// The jobs; in a bulk submission they follow, one a line.
    #[serde(default)]
    pub jobs: Vec<JobRequest>,
    /// Further jobs as one record, however many; they come after those of `jobs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<RangeRequest>,
    /// Whether more jobs may be added later.
    #[serde(default)]
    pub open: bool,
}

/// One job of a submission. Give `input` or `file`, or neither for a job that needs no input.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// A text, or any other JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub input: Option<serde_json::Value>,
    /// A file: a path on a disk shared with the worker, or a blob that was uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Artifact>,
    /// Where the output file goes, on a disk shared with the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Overrides the batch's priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Labels beside the batch's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Body of `POST /v1/jobs`: one job, with what is done to it. It becomes a batch of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SingleRequest {
    /// Whose work it is, by the project's name; without one `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Name of a pipeline that is defined; or give `stages`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// Stages of a pipeline of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Vec<StageSpec>>,
    /// A text, or any other JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub input: Option<serde_json::Value>,
    /// A file: a path on a disk shared with the worker, or a blob that was uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Artifact>,
    /// Where the output file goes, on a disk shared with the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Higher goes first; 0 is ordinary.
    #[serde(default)]
    pub priority: i32,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Under what terms the job runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Box<TermsRequest>>,
}

/// Body of `POST /v1/batches/ID/jobs`; a list of jobs alone will do too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppendRequest {
    /// The jobs.
    #[serde(default)]
    pub jobs: Vec<JobRequest>,
    /// Further jobs as one record; they come after those of `jobs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<RangeRequest>,
    /// Whether these are the last.
    #[serde(default)]
    pub close: bool,
}

/// Under what terms jobs run. Spans count from when the server takes the submission in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TermsRequest {
    /// No job begins before this time; or give `delay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_at: Option<Time>,
    /// No job begins before so long has passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "10m")]
    pub delay: Option<Span>,
    /// A job that has not begun by then expires; or give `expires_in`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Time>,
    /// A job that has not begun when so long has passed expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "1h")]
    pub expires_in: Option<Span>,
    /// A job that is not final by then expires, and is stopped if it runs; or give `deadline_in`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deadline: Option<Time>,
    /// A job that is not final when so long has passed expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "1day")]
    pub deadline_in: Option<Span>,
    /// Held from the start, until somebody releases it.
    pub hold: bool,
    /// Batches and jobs that must have ended first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Dependency>,
    /// A free key that limits may speak of: `user:ada`, `api.example.org`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_key: Option<String>,
    /// A URL that is called when the batch has finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
}

/// Jobs as one record: each item is the input of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RangeRequest {
    /// Numbers, in decimal.
    Numbers {
        /// The first.
        first: i64,
        /// No number lies beyond it.
        last: i64,
        /// From one to the next; without it 1, or -1 to count down.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<i64>,
    },
    /// A pattern with groups in braces, as bash reads it.
    #[schema(example = "frame-{0000..1499}.{left,right}.exr")]
    Brace(String),
    /// The lines of a blob that was uploaded.
    Lines {
        /// The blob.
        #[schema(value_type = String, example = "b3-af13…")]
        list: Digest,
    },
}

/// Answer to a submission: 202, or 200 where the idempotency key was known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The batch.
    #[schema(value_type = String, example = "b3")]
    pub batch: BatchId,
    /// Id of the first new job; the others follow without gaps.
    #[schema(value_type = String, example = "j17")]
    pub first_job: JobId,
    /// How many new jobs.
    pub jobs: u64,
    /// Jobs that were known by their keys.
    pub known: Vec<KnownJob>,
    /// Whether the whole batch was known by its idempotency key.
    pub replayed: bool,
    /// What the submitter should know, such as that no worker known could ever run it.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Where to look.
    pub links: Links,
}

/// Answer to a job submitted over the submission link; what is refused is answered by a
/// [`Problem`](super::Problem) instead, which has a `code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubmittedJob {
    /// The job.
    #[schema(value_type = String, example = "j17")]
    pub job: JobId,
    /// The batch that it is.
    #[schema(value_type = String, example = "b3")]
    pub batch: BatchId,
    /// Whether it was known by its key, and nothing new was made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
    /// What the submitter should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A job of a submission that was known by its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KnownJob {
    /// Place in the submission, from 0.
    pub index: u64,
    /// The job.
    #[schema(value_type = String, example = "j17")]
    pub job: JobId,
}

/// URLs, relative to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Links {
    /// The thing itself.
    pub status: String,
    /// Its results, in order of submission.
    pub results: String,
    /// POST here to cancel it.
    pub cancel: String,
    /// What happens to it, as server-sent events.
    pub events: String,
}
