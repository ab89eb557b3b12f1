//! Events of attempts, and what becomes of a job when one has ended.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::attempt::{Failure, Success, Usage};
use crate::booking::Seat;
use crate::ids::{AttemptId, JobId, WorkerId};
use crate::time::Time;

/// What happened to an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptEvent {
    /// An attempt was leased to a worker.
    Leased {
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
        /// Which of the stage's alternative resources it books; 0 is the preferred one.
        alternative: u8,
        /// Which devices it gets, and which session; nothing where it waits for them at the worker,
        /// or needs neither.
        seat: Option<Seat>,
    },
    /// An attempt succeeded and its result is committed.
    Succeeded {
        /// The attempt.
        attempt: AttemptId,
        /// Its job.
        job: JobId,
        /// The worker that held it.
        worker: WorkerId,
        /// What it left.
        success: Arc<Success>,
        /// What it took.
        usage: Usage,
        /// Devices that it had.
        devices: Vec<String>,
        /// What becomes of the job.
        then: Then,
    },
    /// An attempt did not succeed.
    Failed {
        /// The attempt.
        attempt: AttemptId,
        /// Its job.
        job: JobId,
        /// The worker that held it.
        worker: WorkerId,
        /// Why.
        failure: Arc<Failure>,
        /// What it took.
        usage: Usage,
        /// Devices that it had.
        devices: Vec<String>,
        /// What becomes of the job.
        then: Then,
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
    /// It has expired: its deadline passed while it ran.
    Expire,
}
