//! Devices and sessions as the API shows them; part of the contract in [`api`](super).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Actor;
use crate::device::{DeviceSample, SessionSample};
use crate::ids::{AttemptId, WorkerId};

/// A device of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Whose.
    #[schema(value_type = String, example = "w2")]
    pub worker: WorkerId,
    /// The worker's name.
    pub worker_name: String,
    /// Stable name: a GPU's UUID.
    pub id: String,
    /// Kind of device, for example `gpu`.
    pub kind: String,
    /// What people call it; may be empty.
    pub name: String,
    /// Bytes of its memory; 0 where the word means nothing.
    pub vram: u64,
    /// Processes that may use it at once; 0 where nothing bounds them.
    pub slots: u32,
    /// How much of it is booked, in thousandths.
    pub booked_share: u32,
    /// Bytes of its memory that are booked.
    pub booked_vram: u64,
    /// Why it is out of service, where it is.
    pub quarantined: Option<Quarantine>,
    /// The session that was on it last, and may be there still.
    pub session: Option<String>,
    /// Attempts that run on it.
    #[schema(value_type = Vec<String>, example = json!(["a21"]))]
    pub attempts: Vec<AttemptId>,
    /// How it did when its worker last told.
    pub sample: Option<DeviceSample>,
}

/// Why a device is out of service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quarantine {
    /// One sentence.
    pub reason: String,
    /// Who took it out.
    #[schema(value_type = String, example = "worker")]
    pub by: Actor,
}

/// A session at a worker, as the worker last told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Whose.
    #[schema(value_type = String, example = "w2")]
    pub worker: WorkerId,
    /// The worker's name.
    pub worker_name: String,
    /// How it does.
    #[serde(flatten)]
    pub sample: SessionSample,
}

/// Body of `POST /v1/workers/ID/devices/DEVICE/quarantine`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuarantineRequest {
    /// Why, in one sentence.
    pub reason: String,
}
