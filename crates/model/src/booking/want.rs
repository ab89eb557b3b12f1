//! What an attempt asks of a worker, and where it sits when it has got it.

use serde::{Deserialize, Serialize};

use crate::resources::Resources;

/// What an attempt asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// What is booked: for the attempt, or for the session that works on it.
    pub resources: Resources,
    /// The session that is to work on it, where one is.
    pub session: Option<SessionWant>,
}

/// What an attempt asks of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionWant {
    /// What sessions that would do are called.
    pub name: String,
    /// Attempts that may sit in one at a time.
    pub seats: u32,
    /// Whether nobody else may sit there meanwhile.
    pub alone: bool,
    /// Whether it keeps its devices when nobody sits in it.
    pub pinned: bool,
}

/// A pinned session in which nobody sits, as a snapshot tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// What it is called.
    pub name: String,
    /// How many may sit there.
    pub seats: u32,
    /// What it has booked.
    pub resources: Resources,
    /// Its devices and its number.
    pub seat: Seat,
}

/// Where at its worker an attempt runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Seat {
    /// Devices by their place in the worker's capacity, in the order of what was asked for.
    pub devices: Vec<u16>,
    /// The session's number at its worker while anybody sits in it.
    pub session: Option<u16>,
}

impl Want {
    /// Resources for the attempt alone, without a session.
    #[must_use]
    pub fn of(resources: Resources) -> Want {
        Want { resources, session: None }
    }
}

impl Seat {
    /// Whether it names nothing: there is no device and no session to tell of.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.devices.is_empty() && self.session.is_none()
    }
}
