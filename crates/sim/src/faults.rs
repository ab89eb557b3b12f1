//! What can go wrong. Swarm testing (Groce et al. 2012): each seed switches each kind of fault on
//! or off and draws how often it strikes, so that rare mixtures come about that no fixed rate
//! would ever show.

use std::collections::BTreeSet;
use std::fmt;

use crate::dice::Dice;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The server dies between applying events and appending them.
    CrashBeforeAppend,
    /// The server dies while an append is not durable yet: the tail may be lost, kept or torn.
    CrashUnsynced,
    /// The server dies after an append is durable and before anybody heard of it.
    CrashBeforeReply,
    /// The server dies at any time.
    CrashAnytime,
    /// The wall clock is found far ahead when the server starts again.
    ClockAhead,
    /// The wall clock is found far behind when the server starts again.
    ClockBehind,
    /// An append takes seconds.
    SlowDisk,
    /// A frame is late, and with it all that follow.
    FrameLate,
    /// A frame is lost, and with it the link.
    FrameLost,
    /// A link is reset.
    LinkReset,
    /// A worker is cut off for a while; neither side is told.
    Partition,
    /// A client's request is lost.
    RequestLost,
    /// A client's request arrives twice.
    RequestDoubled,
    /// The answer to a client is lost.
    AnswerLost,
    /// A worker is killed.
    WorkerKilled,
    /// A worker's process is stopped for a while, often for longer than a lease.
    WorkerPaused,
    /// A worker is asked to finish what it holds and leave.
    WorkerDrained,
    /// A worker is asked to leave at once.
    WorkerQuit,
    /// A handler fails.
    HandlerFails,
    /// A handler finds its input invalid.
    InputInvalid,
    /// A handler runs until somebody ends it.
    HandlerHangs,
    /// A handler runs on for a while after it was told to stop.
    HandlerStubborn,
    /// A handler leaves an output beyond the bound.
    OutputHuge,
    /// A session's process dies, whatever it is at.
    SessionDies,
    /// A session cannot load.
    SessionCannotLoad,
    /// A session takes long to load.
    SessionSlow,
    /// There is too little device memory for a job.
    OutOfMemory,
    /// A device fails under a job, and the session with it.
    DeviceFails,
    /// A device fails under every job for a while.
    DeviceSick,
    /// A device does not get its memory back when a session has ended.
    MemoryStuck,
    /// Programs of others take memory of a device, and leave after a while.
    ForeignUse,
}

impl Fault {
    /// Every kind with its name and its highest rate in a thousand chances.
    const TABLE: [(Fault, &'static str, u64); 31] = [
        (Fault::CrashBeforeAppend, "crash_before_append", 8),
        (Fault::CrashUnsynced, "crash_unsynced", 8),
        (Fault::CrashBeforeReply, "crash_before_reply", 8),
        (Fault::CrashAnytime, "crash_anytime", 60),
        (Fault::ClockAhead, "clock_ahead", 700),
        (Fault::ClockBehind, "clock_behind", 700),
        (Fault::SlowDisk, "slow_disk", 15),
        (Fault::FrameLate, "frame_late", 100),
        (Fault::FrameLost, "frame_lost", 10),
        (Fault::LinkReset, "link_reset", 100),
        (Fault::Partition, "partition", 80),
        (Fault::RequestLost, "request_lost", 250),
        (Fault::RequestDoubled, "request_doubled", 250),
        (Fault::AnswerLost, "answer_lost", 250),
        (Fault::WorkerKilled, "worker_killed", 80),
        (Fault::WorkerPaused, "worker_paused", 80),
        (Fault::WorkerDrained, "worker_drained", 60),
        (Fault::WorkerQuit, "worker_quit", 60),
        (Fault::HandlerFails, "handler_fails", 400),
        (Fault::InputInvalid, "input_invalid", 100),
        (Fault::HandlerHangs, "handler_hangs", 200),
        (Fault::HandlerStubborn, "handler_stubborn", 500),
        (Fault::OutputHuge, "output_huge", 30),
        (Fault::SessionDies, "session_dies", 100),
        (Fault::SessionCannotLoad, "session_cannot_load", 200),
        (Fault::SessionSlow, "session_slow", 300),
        (Fault::OutOfMemory, "out_of_memory", 200),
        (Fault::DeviceFails, "device_fails", 150),
        (Fault::DeviceSick, "device_sick", 60),
        (Fault::MemoryStuck, "memory_stuck", 200),
        (Fault::ForeignUse, "foreign_use", 150),
    ];

    /// How many kinds there are.
    pub const COUNT: usize = Fault::TABLE.len();

    /// Every kind.
    pub fn all() -> impl Iterator<Item = Fault> {
        Fault::TABLE.iter().map(|(fault, _, _)| *fault)
    }

    /// Where tables keep this kind.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Fault::TABLE[self.index()].1)
    }
}

/// The faults of one seed.
#[derive(Debug, Clone)]
pub struct Faults {
    per_mille: [u64; Fault::COUNT],
    dice: Dice,
    calm: bool,
}

impl Faults {
    /// Draws which faults there are and how often they strike. Each is off in half of the seeds,
    /// and so are those that are cut off.
    pub fn draw(mut dice: Dice, cut: &BTreeSet<String>) -> Faults {
        let per_mille = Fault::TABLE.map(|(_, name, most)| {
            let rate = if dice.chance(500) { dice.between(1, most) } else { 0 };
            if cut.contains(name) { 0 } else { rate }
        });
        Faults { per_mille, dice, calm: false }
    }

    /// The names of those that may strike.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        let on = Fault::all().zip(self.per_mille).filter(|(_, rate)| *rate > 0);
        on.map(|(fault, _)| fault.to_string())
    }

    /// Whether a fault strikes here and now.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        !self.calm && self.dice.chance(self.per_mille[fault.index()])
    }

    /// From now on nothing goes wrong.
    pub fn calm(&mut self) {
        self.calm = true;
    }

    /// Whether faults have stopped.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.calm
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates = Fault::all().zip(self.per_mille).filter(|(_, rate)| *rate > 0);
        for (index, (fault, rate)) in rates.enumerate() {
            write!(f, "{}{fault}={rate}\u{2030}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_in_the_order_of_the_kinds() {
        assert!(Fault::all().enumerate().all(|(index, fault)| fault.index() == index));
    }
}
