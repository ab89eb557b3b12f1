//! Events of workers, connected and declared.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::WorkerId;
use crate::resources::WorkerShape;
use crate::worker::WorkerDescription;

/// What happened to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkerEvent {
    /// A worker joined.
    Joined {
        /// Its id.
        worker: WorkerId,
        /// The number its process drew.
        instance: u64,
        /// What it is and has.
        description: Arc<WorkerDescription>,
    },
    /// A worker is given no more work for a while, or is given work again.
    Paused {
        /// The worker.
        worker: WorkerId,
        /// Whether it pauses.
        paused: bool,
    },
    /// A worker that may join was declared, changed, or (without a shape) struck off.
    Declared {
        /// A name for people.
        name: String,
        /// What it would have to give.
        shape: Option<Box<WorkerShape>>,
    },
    /// A worker takes no more work.
    Draining {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker is gone; attempts that it held have ended as lost.
    Left {
        /// The worker.
        worker: WorkerId,
        /// Why.
        reason: LeaveReason,
    },
}

/// Why a worker left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaveReason {
    /// It said goodbye.
    Goodbye,
    /// Its lease ran out.
    LeaseExpired,
}
