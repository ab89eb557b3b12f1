//! Contract with workers: the frames of the worker link, one WebSocket at `/v1/link`.
//!
//! **Rule of change.** Each WebSocket message is one frame as MessagePack, structs as arrays,
//! variants by name. [`PROTOCOL`] is announced in `Hello`; a server speaks its own version and the
//! one before it, and refuses others. An older reader refuses a longer array, so every change, a
//! trailing field too, raises [`PROTOCOL`]. Golden files in `golden/` hold one of each; a test
//! reads them.
//!
//! **Order.** A worker says `Hello` and hears `Welcome` or `Refused`. Then the server leases with
//! `Run`, and the worker answers each attempt with exactly one `Ended`, which it repeats after
//! every reconnect until it hears `Settled`. An attempt that the server names in `Stop` still ends
//! with `Ended`.

mod hello;

use serde::{Deserialize, Serialize};

use crate::attempt::{Outcome, Usage};
use crate::booking::Seat;
use crate::device::{DeviceSample, SessionSample};
use crate::ids::{AttemptId, BatchId, JobId, WorkerId};
use crate::payload::Payload;
use crate::pipeline::Handler;
use crate::problem::Code;
use crate::resources::Resources;
use crate::time::Span;

pub use hello::Hello;

/// Version of this contract.
pub const PROTOCOL: u32 = 4;

/// The oldest version that a server still speaks: always the one before its own.
pub const OLDEST_PROTOCOL: u32 = PROTOCOL - 1;

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromWorker {
    /// First frame of every connection.
    Hello(Hello),
    /// The worker lives. Sent at least as often as `Welcome` asked.
    Heartbeat,
    /// How many attempts it likes to hold beyond those that run.
    Prefetch(u32),
    /// How far an attempt has come.
    Progress {
        /// Which.
        attempt: AttemptId,
        /// Units done.
        done: u64,
        /// Units in all; 0 where not known.
        total: u64,
        /// A few words.
        message: String,
    },
    /// Captured output.
    Log {
        /// Which attempt.
        attempt: AttemptId,
        /// Its job: logs of an attempt that was taken over are kept too.
        job: JobId,
        /// Which stream.
        stream: Stream,
        /// The bytes as the program wrote them.
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Attempts that ended.
    Ended(Vec<Ended>),
    /// A part of a result, ahead of the whole.
    Partial {
        /// Which attempt.
        attempt: AttemptId,
        /// Its place among the parts, from 0.
        index: u64,
        /// The part, as compact JSON.
        value: String,
    },
    /// A device went out of service for this reason, or (without one) is back.
    Device {
        /// Which.
        device: String,
        /// Why, in one sentence.
        quarantined: Option<String>,
    },
    /// What sessions of a name were seen to take of a device's memory.
    Measured {
        /// What the session is called.
        session: String,
        /// Bytes on each of its devices.
        vram: u64,
    },
    /// Programs of others have this much of a device's memory.
    Foreign {
        /// Which.
        device: String,
        /// Bytes, in steps; 0 where nobody else is there any more.
        vram: u64,
    },
    /// How its devices and sessions do.
    Sample {
        /// Devices.
        devices: Vec<DeviceSample>,
        /// Sessions.
        sessions: Vec<SessionSample>,
    },
    /// The worker takes no more work and leaves when it has finished what it holds.
    Draining,
    /// Last frame: the worker leaves.
    Goodbye,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Answer to `Hello`.
    Welcome(Welcome),
    /// The worker is not taken in; the connection closes.
    Refused {
        /// Why.
        code: Code,
        /// One sentence.
        detail: String,
    },
    /// Attempts leased to this worker.
    Run(Vec<Assignment>),
    /// End these attempts.
    Stop(Vec<AttemptId>),
    /// These reports are settled: committed, or recorded as stale. Forget them.
    Settled(Vec<AttemptId>),
    /// A device is out of service for this reason, or (without one) is back.
    Device {
        /// Which.
        device: String,
        /// Why, in one sentence.
        quarantined: Option<String>,
    },
    /// Take no more work, finish what you hold, leave.
    Drain,
}

/// The server's answer to a worker that is taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The worker's id.
    pub worker: WorkerId,
    /// Speak at least this often.
    pub heartbeat: Span,
    /// Without a word for this long, everything held is given to others.
    pub lease: Span,
    /// Attempts among `holds` to stop and forget: they are no longer this worker's.
    pub stale: Vec<AttemptId>,
}

/// An attempt with all that is needed to run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The attempt: the fence for everything said about it.
    pub attempt: AttemptId,
    /// Its job.
    pub job: JobId,
    /// The job's batch.
    pub batch: BatchId,
    /// The stage's name.
    pub stage: String,
    /// 1 for the job's first attempt at this stage.
    pub number: u32,
    /// What does the work.
    pub handler: Handler,
    /// What to book.
    pub resources: Resources,
    /// End it after this long.
    pub timeout: Option<Span>,
    /// What to work on.
    pub input: Payload,
    /// Write the output file here, on the shared disk; without it an output file becomes a blob.
    pub output: Option<String>,
    /// Devices and session that are meant for it, where it can start at once.
    pub seat: Option<Seat>,
    /// Whether it shares neither a call nor a device with others.
    pub alone: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub attempt: AttemptId,
    /// How.
    pub outcome: Outcome,
    /// What it took.
    pub usage: Usage,
    /// Devices that it had.
    pub devices: Vec<String>,
}

/// A program's output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Words of the worker itself about the attempt.
    Worker,
}
