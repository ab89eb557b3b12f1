//! One session's process: what it is at, who waits in it, and when its next call is due.

use std::collections::{BTreeSet, VecDeque};

use gristmill_model::booking::Hold;
use gristmill_model::device::{SessionSample, SessionState};
use gristmill_model::pipeline::SessionSpec;
use gristmill_model::resources::Capacity;
use gristmill_model::{AttemptId, Span, Time};

/// What a process is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It is not started yet: others must leave first, or a pause must pass.
    Waiting,
    /// It loads.
    Starting,
    /// It has loaded and has nothing to do.
    Idle,
    /// It works on a call: these of its attempts have not ended.
    Busy(BTreeSet<AttemptId>),
    /// It was told to end.
    Leaving,
}

/// An attempt that waits for its call.
#[derive(Debug, Clone, Copy)]
struct Sitter {
    attempt: AttemptId,
    since: Time,
    alone: bool,
}

/// A process, started or not.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) spec: SessionSpec,
    pub(super) state: State,
    /// The booking's number for it while anybody sits in it.
    pub(super) seat: Option<u16>,
    /// What it takes of devices.
    pub(super) holds: Vec<Hold>,
    /// What of that it has room for: what it was opened with, or has grown to.
    granted: Vec<Hold>,
    devices: Vec<u16>,
    queue: VecDeque<Sitter>,
    since: Time,
    load: Option<Span>,
    vram: Option<u64>,
    calls: u64,
}

impl Process {
    pub(super) fn new(spec: SessionSpec, devices: Vec<u16>, now: Time) -> Process {
        Process {
            spec,
            state: State::Waiting,
            seat: None,
            holds: Vec::new(),
            granted: Vec::new(),
            devices,
            queue: VecDeque::new(),
            since: now,
            load: None,
            vram: None,
            calls: 0,
        }
    }

    pub(super) fn devices(&self) -> &[u16] {
        &self.devices
    }

    /// Whether it does what this asks for. Where the code lies is the worker's business, so name
    /// and data decide.
    pub(super) fn is_of(&self, spec: &SessionSpec) -> bool {
        self.spec.name == spec.name && self.spec.data == spec.data
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.state == State::Leaving
    }

    /// Whether it has loaded and nobody sits in it: then it may be told to leave.
    pub(super) fn is_spare(&self) -> bool {
        self.state == State::Idle && self.queue.is_empty() && !self.spec.pinned
    }

    /// Whether it was never started and nobody waits for it any more.
    pub(super) fn is_pointless(&self) -> bool {
        self.state == State::Waiting && self.queue.is_empty()
    }

    /// Whether it is a process at all.
    pub(super) fn is_there(&self) -> bool {
        self.state != State::Waiting
    }

    /// What to lose with it: what it costs to load, by how long ago it was last of use.
    pub(super) fn worth(&self, now: Time) -> u64 {
        let load = self.load.unwrap_or_default().0.max(1);
        let rest = now.since(self.since).0.max(1);
        load.saturating_mul(1_000_000) / rest
    }

    pub(super) fn sit(
        &mut self,
        now: Time,
        attempt: AttemptId,
        alone: bool,
        seat: Option<u16>,
        holds: Vec<Hold>,
    ) {
        self.queue.push_back(Sitter { attempt, since: now, alone });
        self.seat = seat;
        self.holds = holds;
    }

    pub(super) fn leave(&mut self, now: Time, attempt: AttemptId) {
        self.queue.retain(|sitter| sitter.attempt != attempt);
        if let State::Busy(call) = &mut self.state {
            call.remove(&attempt);
        }
        if self.queue.is_empty() && self.in_call().next().is_none() && self.seat.take().is_some() {
            self.since = now;
        }
    }

    pub(super) fn open(&mut self, now: Time) {
        self.state = State::Starting;
        self.since = now;
        self.grow();
    }

    /// Whether it is hot and those who sit in it want more of its devices than it has room for: all
    /// of them, where it had a part.
    pub(super) fn is_outgrown(&self) -> bool {
        let more = |(wanted, granted): (&Hold, &Hold)| {
            wanted.whole && !granted.whole || wanted.vram > granted.vram
        };
        let waits = self.state == State::Idle && !self.queue.is_empty();
        waits && self.holds.iter().zip(&self.granted).any(more)
    }

    /// Whether it may have taken more of its devices than somebody wants who would sit in it: that
    /// much nobody has booked any more.
    pub(super) fn is_too_large(&self, wanted: &[Hold]) -> bool {
        let less = |(wanted, granted): (&Hold, &Hold)| {
            granted.whole && !wanted.whole || granted.vram > wanted.vram
        };
        wanted.iter().zip(&self.granted).any(less)
    }

    /// There is room for all that it wants.
    pub(super) fn grow(&mut self) {
        self.granted.clone_from(&self.holds);
    }

    pub(super) fn ready(&mut self, now: Time) {
        if self.state == State::Starting {
            self.state = State::Idle;
            self.load = Some(now.since(self.since));
            self.since = now;
        }
    }

    pub(super) fn done(&mut self, now: Time) {
        if matches!(self.state, State::Busy(_)) {
            self.state = State::Idle;
            self.calls += 1;
            self.since = now;
        }
    }

    pub(super) fn measured(&mut self, vram: u64) {
        self.vram = Some(vram);
        self.takes(vram);
    }

    /// Its like were seen to take this much: what is taken needs no leave.
    pub(super) fn takes(&mut self, vram: u64) {
        let held = self.holds.iter_mut().chain(&mut self.granted);
        held.filter(|hold| !hold.whole).for_each(|hold| hold.vram = vram);
    }

    /// The attempts of the next call, if it is due: all that wait, up to the bound. One that keeps
    /// apart has a call of its own.
    pub(super) fn call(&mut self, now: Time) -> Option<Vec<AttemptId>> {
        let first = self.queue.front()?;
        let company = self.queue.iter().take_while(|sitter| !sitter.alone).count();
        let most = self.spec.batch as usize;
        let due = first.alone || company >= most || now >= first.since + self.spec.batch_wait;
        if self.state != State::Idle || !due || self.is_outgrown() {
            return None;
        }
        let count = company.min(most).max(1);
        let attempts: Vec<_> = self.queue.drain(..count).map(|sitter| sitter.attempt).collect();
        self.state = State::Busy(attempts.iter().copied().collect());
        self.since = now;
        Some(attempts)
    }

    /// Until when it waits for company before it makes a call.
    pub(super) fn gathers_until(&self) -> Option<Time> {
        let gathers = self.state == State::Idle && !self.is_outgrown();
        let first = self.queue.front().filter(|_| gathers)?;
        Some(first.since + self.spec.batch_wait)
    }

    pub(super) fn in_call(&self) -> impl Iterator<Item = AttemptId> + '_ {
        let call = match &self.state {
            State::Busy(call) => Some(call),
            _ => None,
        };
        call.into_iter().flatten().copied()
    }

    /// All that it was to work on.
    pub(super) fn all(&self) -> impl Iterator<Item = AttemptId> + '_ {
        self.in_call().chain(self.queue.iter().map(|sitter| sitter.attempt))
    }

    /// Another process for those that still wait, where any do.
    pub(super) fn again(self, now: Time) -> Option<Process> {
        if self.queue.is_empty() {
            return None;
        }
        let Process { spec, seat, holds, devices, queue, .. } = self;
        Some(Process { seat, holds, queue, ..Process::new(spec, devices, now) })
    }

    /// How it does; nothing while it is no process.
    pub(super) fn sample(&self, capacity: &Capacity) -> Option<SessionSample> {
        let state = match self.state {
            State::Waiting => return None,
            State::Starting => SessionState::Starting,
            State::Idle => SessionState::Idle,
            State::Busy(_) => SessionState::Busy,
            State::Leaving => SessionState::Stopping,
        };
        let id = |device: &u16| capacity.devices[usize::from(*device)].id.clone();
        Some(SessionSample {
            name: self.spec.name.clone(),
            devices: self.devices.iter().map(id).collect(),
            state,
            vram: self.vram,
            calls: self.calls,
            load: self.load,
        })
    }
}
