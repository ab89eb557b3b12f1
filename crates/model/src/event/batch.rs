//! Events of batches: what joins them, what their terms do, how they end.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{BatchId, JobId, PipelineId, ProjectId};
use crate::job::JobSpec;
use crate::source::Source;
use crate::terms::{Target, Terms};

/// A submission without its jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Whose it is.
    pub project: ProjectId,
    /// What is done to its jobs.
    pub pipeline: PipelineId,
    /// A name for people.
    pub name: Option<String>,
    /// Idempotency key and the fingerprint of what it stands for.
    pub key: Option<(String, u64)>,
    /// Priority of jobs that name none; higher goes first.
    pub priority: i32,
    /// Labels that all its jobs share.
    pub labels: BTreeMap<String, String>,
    /// Under what terms they run.
    pub terms: Terms,
}

/// What happened to a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BatchEvent {
    /// A batch was made; its jobs follow in `JobsAdded`.
    Opened {
        /// Its id.
        batch: BatchId,
        /// What was submitted, without the jobs.
        opening: Arc<Opening>,
    },
    /// Jobs joined a batch.
    JobsAdded {
        /// The batch.
        batch: BatchId,
        /// Id of the first; the others follow without gaps.
        first: JobId,
        /// The jobs, in order.
        jobs: Arc<Vec<JobSpec>>,
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
    Closed {
        /// The batch.
        batch: BatchId,
    },
    /// A person holds a batch: none of its jobs begins.
    Held {
        /// The batch.
        batch: BatchId,
    },
    /// A person let go of a batch.
    Released {
        /// The batch.
        batch: BatchId,
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
    Finished {
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
    Forgotten {
        /// The batches.
        batches: Vec<BatchId>,
    },
}
