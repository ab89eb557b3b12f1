//! Jobs: what a submitter says about one, and the states it passes through.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::payload::{Payload, Place};

/// One job as it was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The first stage's input.
    pub input: Payload,
    /// Where the last stage's output file goes, on a disk shared with the worker; without it an
    /// output file becomes a blob.
    #[serde(default)]
    pub output: Option<String>,
    /// Idempotency key within the project: a second job with this key is not made.
    #[serde(default)]
    pub key: Option<String>,
    /// Overrides the batch's priority.
    #[serde(default)]
    pub priority: Option<i32>,
    /// Labels beside the batch's.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl JobSpec {
    /// A job with an input and nothing else to say.
    #[must_use]
    pub fn of(input: Payload) -> JobSpec {
        JobSpec { input, output: None, key: None, priority: None, labels: BTreeMap::new() }
    }

    /// Whether the worker must share the submitter's disk.
    #[must_use]
    pub fn needs_shared_disk(&self) -> bool {
        let reads =
            matches!(&self.input, Payload::File(file) if matches!(file.place, Place::Path(_)));
        reads || self.output.is_some()
    }
}

/// Where a job stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its start time.
    Scheduled,
    /// Waits for other jobs, or is held by a person.
    Blocked,
    /// Waits for a worker.
    Queued,
    /// An attempt is leased to a worker.
    Running,
    /// Waits for the pause after a failure.
    Retrying,
    /// Asked to stop; the worker has not confirmed yet.
    Cancelling,
    /// Done; its result is committed.
    Succeeded,
    /// Out of attempts.
    Failed,
    /// Stopped on request.
    Cancelled,
    /// Its time passed before it was done.
    Expired,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [JobState; 10] = [
        JobState::Scheduled,
        JobState::Blocked,
        JobState::Queued,
        JobState::Running,
        JobState::Retrying,
        JobState::Cancelling,
        JobState::Succeeded,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Expired,
    ];

    /// Whether a job stays in this state for good (unless a person retries it).
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            JobState::Succeeded | JobState::Failed | JobState::Cancelled | JobState::Expired
        )
    }

    /// The word for it in the API, the CLI and read tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            JobState::Scheduled => "scheduled",
            JobState::Blocked => "blocked",
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Retrying => "retrying",
            JobState::Cancelling => "cancelling",
            JobState::Succeeded => "succeeded",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
            JobState::Expired => "expired",
        }
    }
}

/// How a job's state changes, and by what. The engine asserts that it changes no other way, and
/// the diagram in docs/explanation/states.md is drawn from here.
pub const TRANSITIONS: &[(JobState, JobState, &str)] = {
    use JobState::{
        Blocked, Cancelled, Cancelling, Expired, Failed, Queued, Retrying, Running, Scheduled,
        Succeeded,
    };
    &[
        (Scheduled, Queued, "its start time has come"),
        (Scheduled, Blocked, "somebody holds it"),
        (Scheduled, Cancelled, "somebody cancels it"),
        (Scheduled, Expired, "its time passes"),
        (Blocked, Queued, "released, and what it waited for has ended"),
        (Blocked, Scheduled, "released before its start time"),
        (Blocked, Cancelled, "cancelled, or what it waited for ended otherwise"),
        (Blocked, Expired, "its time passes"),
        (Queued, Running, "leased to a worker"),
        (Queued, Blocked, "somebody holds it"),
        (Queued, Cancelled, "somebody cancels it"),
        (Queued, Expired, "its time passes"),
        (Running, Succeeded, "the last stage's result is committed"),
        (Running, Queued, "on to the next stage, or its worker was lost"),
        (Running, Retrying, "the attempt failed, tries are left"),
        (Running, Failed, "no tries are left, or another would not help"),
        (Running, Cancelling, "cancelled, or its deadline passes"),
        (Retrying, Queued, "the pause is over"),
        (Retrying, Cancelled, "somebody cancels it"),
        (Retrying, Expired, "its deadline passes"),
        (Cancelling, Cancelled, "the attempt has ended"),
        (Cancelling, Expired, "the attempt has ended after the deadline"),
        (Cancelling, Succeeded, "the result was there first"),
        (Failed, Queued, "retried by hand"),
        (Cancelled, Queued, "retried by hand"),
        (Expired, Queued, "retried by hand"),
    ]
};

impl JobState {
    /// Whether a job may go from this state to another in one step.
    ///
    /// ```
    /// use gristmill_model::job::JobState;
    /// assert!(JobState::Running.may_become(JobState::Succeeded));
    /// assert!(!JobState::Succeeded.may_become(JobState::Running));
    /// ```
    #[must_use]
    pub const fn may_become(self, to: JobState) -> bool {
        let mut at = 0;
        while at < TRANSITIONS.len() {
            let (from, into, _) = TRANSITIONS[at];
            if from as u8 == self as u8 && into as u8 == to as u8 {
                return true;
            }
            at += 1;
        }
        false
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = String;

    fn from_str(text: &str) -> Result<JobState, String> {
        JobState::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let all: Vec<&str> = JobState::ALL.iter().map(|state| state.as_str()).collect();
            format!("`{text}` is not a job state: expected one of {}", all.join(", "))
        })
    }
}
