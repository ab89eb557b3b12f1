//! What goes into a worker's core and what comes out of it.

use gristmill_model::AttemptId;
use gristmill_model::attempt::Failure;
use gristmill_model::device::DeviceSample;
use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::problem::Code;

use gristmill_model::wire::{Assignment, Ended, FromWorker, Stream, ToWorker};
use gristmill_model::worker::WorkerDescription;

use super::{Opening, SessionId};

/// Who this worker is, for the whole life of its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Drawn at random when the process started.
    pub instance: u64,
    /// What it is and has.
    pub description: WorkerDescription,
    /// Pipelines for the sessions that it runs.
    pub offers: Vec<PipelineSpec>,
    /// The most attempts that it will hold beyond those that run; it begins with one and learns
    /// from how long attempts take.
    pub prefetch: u32,
}

/// What happens to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A connection stands.
    Connected,
    /// The connection broke.
    Disconnected,
    /// The server spoke.
    Frame(ToWorker),
    /// A handler is done with an attempt; its last word about it.
    Ended(Ended),
    /// A handler came further.
    Progress {
        /// Which attempt.
        attempt: AttemptId,
        /// Units done.
        done: u64,
        /// Units in all; 0 where not known.
        total: u64,
        /// A few words.
        message: String,
    },
    /// A handler captured output.
    Log {
        /// Which attempt.
        attempt: AttemptId,
        /// Which stream.
        stream: Stream,
        /// The bytes as the program wrote them.
        bytes: Vec<u8>,
    },
    /// A handler made a part of an attempt's result.
    Partial {
        /// Which attempt.
        attempt: AttemptId,
        /// Its place among the parts, from 0.
        index: u64,
        /// The part, as compact JSON.
        value: String,
    },
    /// A session has loaded and takes calls.
    Ready(SessionId),
    /// A session is done with its call; each of its attempts has ended before.
    Done(SessionId),
    /// A session takes this much of each of its devices' memory, in bytes.
    Measured(SessionId, u64),
    /// A session's process has ended, and what it had of devices is back, or never will be.
    Gone(Gone),
    /// A device went out of service for this reason, or (without one) is sound again.
    Device {
        /// Its place in the capacity.
        device: u16,
        /// Why, in one sentence.
        quarantined: Option<String>,
    },
    /// How devices do.
    Sampled(Vec<DeviceSample>),
    /// Somebody asked the worker to finish what it holds and leave.
    Drain,
    /// Somebody asked the worker to leave now; what runs is ended and given back.
    Quit,
    /// Time passed.
    Tick,
}

/// What a worker does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Say this to the server.
    Send(FromWorker),
    /// Start this attempt; `Input::Ended` follows once.
    Start(Assignment),
    /// End this running attempt; its `Input::Ended` still follows.
    Stop(AttemptId),
    /// Start a session's process; `Input::Ready` or `Input::Gone` follows.
    Open(Opening),
    /// Hand these attempts to a session as one call; `Input::Ended` follows for each, and
    /// `Input::Done` or `Input::Gone` after them.
    Call(SessionId, Vec<Assignment>),
    /// End a session's process; `Input::Gone` follows.
    Close(SessionId),
    /// A person has put this device back, by its place: forget what was held against it and look
    /// anew.
    Trust(u16),
    /// Close the connection and end whatever still runs. The last action.
    Leave,
}

/// A session's process that is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Which.
    pub session: SessionId,
    /// Why, where nobody had told it to end.
    pub ruin: Option<Failure>,
    /// Devices that did not get their memory back, with what is held there.
    pub stuck: Vec<(u16, String)>,
}

/// Why a server did not take the worker in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// One sentence.
    pub detail: String,
}
