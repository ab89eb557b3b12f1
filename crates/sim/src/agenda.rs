//! What will happen, in order of time; of two things at the same time the one noted first.

use std::collections::BTreeMap;

use gristmill_model::command::{Command, Reply};
use gristmill_model::problem::Rejection;
use gristmill_model::{AttemptId, BatchId, Time};
use gristmill_worker::core::SessionId;

use crate::network::{End, LinkId};

/// Something that will happen. What names a `life` is void once that life is over.
#[derive(Debug)]
pub enum Happening {
    /// A frame arrives at an end of a link.
    Frame { link: LinkId, at: End, bytes: Vec<u8> },
    /// A worker's call for a link was answered.
    Dialled { link: LinkId },
    /// An end finds out that a link is broken.
    Broken { link: LinkId, at: End },
    /// The server closes a link that a newer one has replaced.
    Replaced { link: LinkId },
    /// A client's request arrives at the server.
    Request { client: usize, number: u64, command: Box<Command> },
    /// The server's answer arrives at a client.
    Answer { client: usize, number: u64, answer: Result<Reply, Rejection> },
    /// Somebody was called at a batch's end.
    Called { batch: BatchId },
    /// The server handles what has arrived and what is due.
    Round { life: u64 },
    /// The oldest append is durable.
    Synced { life: u64 },
    /// A base is written to its end.
    Compacted { life: u64 },
    /// The server starts.
    Boot,
    /// A worker's process starts.
    Rise { node: usize },
    /// A worker calls the server.
    Dial { node: usize, life: u64 },
    /// A worker's core wanted to be woken.
    Tick { node: usize, life: u64 },
    /// A handler says something on the way.
    Mutter { node: usize, life: u64, attempt: AttemptId },
    /// A handler is done, if nothing changed its mind since: `turn` counts that.
    Done { node: usize, life: u64, attempt: AttemptId, turn: u32 },
    /// A session has loaded, or finds that it cannot.
    Loaded { node: usize, life: u64, session: SessionId },
    /// A session's process dies on its own, or has ended as it was told to.
    HostEnds { node: usize, life: u64, session: SessionId },
    /// A device has its memory back.
    Recovers { node: usize, life: u64, device: u16 },
    /// Programs of others leave a device.
    OthersLeave { node: usize, life: u64, device: u16 },
    /// A stopped worker process goes on.
    Resume { node: usize, life: u64 },
    /// A worker's network is whole again.
    Heal { node: usize },
    /// A client does something.
    Act { client: usize },
    /// A client has waited long enough for an answer.
    Impatience { client: usize, number: u64 },
    /// Misfortune looks around.
    Storm,
    /// Faults stop.
    Calm,
    /// Is everything done?
    Inspect,
}

/// What will happen, by time.
#[derive(Debug, Default)]
pub struct Agenda {
    entries: BTreeMap<(Time, u64), Happening>,
    noted: u64,
}

impl Agenda {
    /// Notes something for later.
    pub fn note(&mut self, at: Time, happening: Happening) {
        self.noted += 1;
        self.entries.insert((at, self.noted), happening);
    }

    /// Takes what comes next.
    pub fn take(&mut self) -> Option<(Time, Happening)> {
        self.entries.pop_first().map(|((at, _), happening)| (at, happening))
    }
}
