//! Ephemeral events: connections, leases and progress. They are applied like the others and never
//! written: a restart finds them anew.

use serde::{Deserialize, Serialize};

use crate::device::{DeviceSample, SessionSample};
use crate::ids::{AttemptId, BatchId, JobId, WorkerId};
use crate::time::Time;

/// What is true only while the server runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EphemeralEvent {
    /// A worker's connection stands.
    WorkerConnected {
        /// The worker.
        worker: WorkerId,
        /// How many attempts it likes to hold beyond those that run.
        prefetch: u32,
        /// Its lease lives until then.
        until: Time,
    },
    /// A worker's connection broke.
    WorkerDisconnected {
        /// The worker.
        worker: WorkerId,
        /// Its lease lives until then.
        until: Time,
    },
    /// A worker said that it lives.
    LeaseRenewed {
        /// The worker.
        worker: WorkerId,
        /// Its lease lives until then.
        until: Time,
    },
    /// A worker likes to hold more or fewer attempts.
    PrefetchSet {
        /// The worker.
        worker: WorkerId,
        /// How many beyond those that run.
        prefetch: u32,
    },
    /// An attempt has come so far.
    ProgressMade {
        /// The attempt.
        attempt: AttemptId,
        /// Its job.
        job: JobId,
        /// The job's batch.
        batch: BatchId,
        /// Units done.
        done: u64,
        /// Units in all; 0 where not known.
        total: u64,
        /// A few words.
        message: String,
    },
    /// A part of a result, ahead of the whole.
    PartialMade {
        /// The attempt.
        attempt: AttemptId,
        /// Its job.
        job: JobId,
        /// The job's batch.
        batch: BatchId,
        /// Its place among the parts, from 0.
        index: u64,
        /// The part, as compact JSON.
        value: String,
    },
    /// How a worker's devices and sessions do.
    DevicesSampled {
        /// The worker.
        worker: WorkerId,
        /// Its devices.
        devices: Vec<DeviceSample>,
        /// Its sessions.
        sessions: Vec<SessionSample>,
    },
}
