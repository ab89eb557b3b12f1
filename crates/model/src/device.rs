//! What a worker tells of its devices and sessions from time to time: figures for people and
//! charts. The engine decides nothing by them; what decides (booked, in service, measured, used by
//! others) is told by events of its own.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Span;

/// How a device does. What a device cannot tell is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct DeviceSample {
    /// Its id.
    pub device: String,
    /// Bytes of its memory in use, by whomever.
    pub used: Option<u64>,
    /// Bytes of its memory that others than this worker use; absent where nobody can tell whose
    /// it is.
    pub foreign: Option<u64>,
    /// How busy it is, in percent.
    pub utilisation: Option<u8>,
    /// Degrees Celsius.
    pub temperature: Option<i16>,
    /// Milliwatts drawn.
    pub power: Option<u32>,
    /// Milliwatts that it may draw.
    pub power_limit: Option<u32>,
    /// Why it runs slower than it could, in words; empty where it does not.
    pub throttled: Vec<String>,
    /// Others that use it, in words: program, process, user.
    pub users: Vec<String>,
}

/// How a session does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionSample {
    /// What it is called.
    pub name: String,
    /// Ids of its devices.
    pub devices: Vec<String>,
    /// What it is at.
    pub state: SessionState,
    /// Bytes of device memory that it was seen to hold; absent where nobody can tell.
    pub vram: Option<u64>,
    /// Calls that it has answered.
    pub calls: u64,
    /// How long it took to load; absent while it loads.
    #[schema(value_type = Option<String>, example = "12s")]
    pub load: Option<Span>,
}

/// What a session is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It loads.
    Starting,
    /// It has loaded and waits for work.
    Idle,
    /// It works on a call.
    Busy,
    /// It is told to end.
    Stopping,
}
