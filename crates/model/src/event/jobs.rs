//! Events of jobs that have nothing to do with an attempt of theirs: often of many at once.

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::ids::{JobId, JobRun};

/// What happened to jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobsEvent {
    /// The pause after a failure is over; the job is queued again.
    BackoffElapsed {
        /// The job.
        job: JobId,
    },
    /// Running jobs were asked to stop.
    CancelRequested {
        /// The jobs.
        jobs: Vec<JobId>,
        /// Why.
        cause: Cause,
    },
    /// Jobs that did not run were cancelled.
    Cancelled {
        /// The jobs.
        jobs: Vec<JobRun>,
        /// Why.
        cause: Cause,
    },
    /// Jobs that did not run in time have expired.
    Expired {
        /// The jobs.
        jobs: Vec<JobRun>,
        /// Which time passed.
        cause: Cause,
    },
    /// Failed, cancelled or expired jobs were put back in the queue by hand.
    Retried {
        /// The jobs.
        jobs: Vec<JobRun>,
    },
    /// A person holds jobs that did not run.
    Held {
        /// The jobs.
        jobs: Vec<JobRun>,
    },
    /// A person let go of jobs.
    Released {
        /// The jobs.
        jobs: Vec<JobRun>,
    },
}
