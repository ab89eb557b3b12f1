//! Events of workers' devices, and of what sessions take of them.

use serde::{Deserialize, Serialize};

use crate::ids::WorkerId;

/// What happened to a worker's device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceEvent {
    /// A device of a worker is out of service: what runs there goes on, nothing else begins.
    Quarantined {
        /// The worker.
        worker: WorkerId,
        /// The device.
        device: String,
        /// Why, in one sentence.
        reason: String,
    },
    /// A device is in service again.
    Returned {
        /// The worker.
        worker: WorkerId,
        /// The device.
        device: String,
    },
    /// What sessions of a name really take of a device's memory; booked from now on.
    SessionMeasured {
        /// The worker.
        worker: WorkerId,
        /// What the session is called.
        session: String,
        /// Bytes on each of its devices.
        vram: u64,
    },
    /// Programs of others have this much of a device's memory: from now on nobody books it.
    ForeignUseNoted {
        /// The worker.
        worker: WorkerId,
        /// The device.
        device: String,
        /// Bytes, in steps; 0 where nobody else is there any more.
        vram: u64,
    },
}
