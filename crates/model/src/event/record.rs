//! Records: an event with when it happened and who caused it, as a line of the log.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Event;
use crate::access::Actor;
use crate::time::{Moment, Time};

/// An event with when it happened and who caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When, by both clocks.
    pub at: Moment,
    /// Who caused it.
    pub actor: Actor,
    /// What.
    pub event: Event,
}

// The clocks are never far apart, so the second is written as its distance from the first.
impl Serialize for Record {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let lead = self.at.wall.0.wrapping_sub(self.at.now.0).cast_signed();
        (self.at.now, lead, self.actor, &self.event).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (now, lead, actor, event) = <(Time, i64, Actor, Event)>::deserialize(from)?;
        let wall = Time(now.0.wrapping_add(lead.cast_unsigned()));
        Ok(Record { at: Moment { now, wall }, actor, event })
    }
}
