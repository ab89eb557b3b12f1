//! Greeting of a worker, and how that of the protocol version before is read.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::PROTOCOL;
use crate::ids::AttemptId;
use crate::pipeline::PipelineSpec;
use crate::resources::{Capacity, WorkerShape};
use crate::worker::WorkerDescription;

/// Who a worker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hello {
    /// Version of this contract.
    pub protocol: u32,
    /// Drawn at random when the process started; the same in every `Hello` of its life.
    pub instance: u64,
    /// What it is and has.
    pub description: WorkerDescription,
    /// How many attempts it likes to hold beyond those that run.
    pub prefetch: u32,
    /// Attempts that it holds: running, waiting, or ended and not yet settled.
    pub holds: Vec<AttemptId>,
    /// Pipelines for the sessions that it runs: the server defines them, so that jobs can name
    /// them.
    pub offers: Vec<PipelineSpec>,
}

// The first element tells which of two layouts follows.
impl<'de> Deserialize<'de> for Hello {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Hello, D::Error> {
        from.deserialize_seq(Layouts)
    }
}

struct Layouts;

impl<'de> Visitor<'de> for Layouts {
    type Value = Hello;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a worker's greeting")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Hello, A::Error> {
        let protocol = next(&mut from)?;
        if protocol < PROTOCOL { before(protocol, &mut from) } else { today(protocol, &mut from) }
    }
}

fn today<'de, A: SeqAccess<'de>>(protocol: u32, from: &mut A) -> Result<Hello, A::Error> {
    Ok(Hello {
        protocol,
        instance: next(from)?,
        description: next(from)?,
        prefetch: next(from)?,
        holds: next(from)?,
        offers: next(from)?,
    })
}

/// Version 3, which told the description's parts one by one.
fn before<'de, A: SeqAccess<'de>>(protocol: u32, from: &mut A) -> Result<Hello, A::Error> {
    let (version, instance, name) = (next(from)?, next(from)?, next(from)?);
    let (handlers, capacity): (Vec<String>, Capacity) = (next(from)?, next(from)?);
    let (prefetch, shared_disk, holds) = (next(from)?, next(from)?, next(from)?);
    let labels: BTreeMap<String, String> = next(from)?;
    let shape = WorkerShape { capacity, handlers, labels, shared_disk };
    let description = WorkerDescription { name, version, shape };
    Ok(Hello { protocol, instance, description, prefetch, holds, offers: next(from)? })
}

fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(from: &mut A) -> Result<T, A::Error> {
    from.next_element()?.ok_or_else(|| de::Error::custom("the greeting ends too early"))
}
