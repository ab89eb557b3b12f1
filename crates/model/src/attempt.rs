//! How an attempt ends, and what it took.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::booking::Fate;
use crate::payload::{Artifact, Payload};
use crate::time::Span;

/// What a worker says about an attempt that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The handler did its work.
    Succeeded(Success),
    /// It did not.
    Failed(Failure),
}

/// What a successful attempt leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Success {
    /// The stage's output: the next stage's input, or the job's result.
    pub output: Payload,
    /// Files collected beside the output.
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
    /// Things that a person should know though the work was done: a damaged picture, output cut.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Why an attempt did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The class that retry policies speak of.
    pub kind: FailureKind,
    /// Stable code of the cause: `exit_status`, `image_truncated`, `worker_lost`, ...
    pub code: String,
    /// One sentence that names the cause.
    pub message: String,
    /// The program's exit code, where one ran to its end.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// Where it happened, as the handler's language tells it.
    #[serde(default)]
    pub traceback: Option<String>,
}

/// Classes of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The handler failed; another try may help.
    Failed,
    /// The input can never succeed: no other try helps.
    Invalid,
    /// The stage's timeout passed.
    TimedOut,
    /// The worker died, or its lease ran out.
    Lost,
    /// Somebody asked for it to stop.
    Cancelled,
    /// There was too little device memory.
    OutOfMemory,
    /// A device or its driver failed under it.
    Device,
}

impl FailureKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [FailureKind; 7] = [
        FailureKind::Failed,
        FailureKind::Invalid,
        FailureKind::TimedOut,
        FailureKind::Lost,
        FailureKind::Cancelled,
        FailureKind::OutOfMemory,
        FailureKind::Device,
    ];

    /// The word for it in the API, the CLI and read tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FailureKind::Failed => "failed",
            FailureKind::Invalid => "invalid",
            FailureKind::TimedOut => "timed_out",
            FailureKind::Lost => "lost",
            FailureKind::Cancelled => "cancelled",
            FailureKind::OutOfMemory => "out_of_memory",
            FailureKind::Device => "device",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an attempt took from its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// From start to end.
    #[schema(value_type = String, example = "12ms")]
    pub wall: Span,
    /// CPU time, user and system, children included.
    #[schema(value_type = String, example = "10ms")]
    pub cpu: Span,
    /// Largest resident memory in bytes; 0 where not measured.
    pub peak_memory: u64,
}

/// The code of a failure of kind [`FailureKind::Lost`]: the worker died.
pub const WORKER_LOST: &str = "worker_lost";

/// The code of a failure of kind [`FailureKind::Lost`]: the session died, and the worker did not.
pub const SESSION_LOST: &str = "session_lost";

/// The code of a failure that was one death too many.
pub const QUARANTINED: &str = "quarantined";

impl Outcome {
    /// What the outcome says about the devices that the attempt had.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match self {
            Outcome::Succeeded(_) => Fate::Succeeded,
            Outcome::Failed(failure) => failure.fate(),
        }
    }
}

impl Failure {
    /// Whether something died while it worked on the job: its worker, its session, or its device.
    #[must_use]
    pub fn is_death(&self) -> bool {
        match self.kind {
            FailureKind::Lost => [WORKER_LOST, SESSION_LOST, QUARANTINED].contains(&&*self.code),
            kind => kind == FailureKind::Device,
        }
    }

    /// What the failure says about the devices that the attempt had.
    #[must_use]
    pub fn fate(&self) -> Fate {
        if self.is_death() { Fate::Died } else { Fate::Other }
    }

    /// A failure without an exit code.
    #[must_use]
    pub fn new(kind: FailureKind, code: &str, message: impl Into<String>) -> Failure {
        Failure {
            kind,
            code: code.into(),
            message: message.into(),
            exit_code: None,
            traceback: None,
        }
    }
}
