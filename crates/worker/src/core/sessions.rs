//! Sessions of this worker: which are open, on which devices, who waits in them for a call, and
//! which must leave before others can come. Pure, like the core that it is a part of.
//!
//! An attempt that a session is to work on gets its *seat* from the booking; here the seat gets a
//! *process*. A process outlives the seats: when nobody sits in it, it stays hot until another
//! needs its room. Then the cheapest to load again goes first, its process ends, and only when its
//! memory is back does the next one open.

mod process;
mod room;

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::attempt::Failure;
use gristmill_model::booking::{Hold, Seat};
use gristmill_model::device::SessionSample;
use gristmill_model::pipeline::SessionSpec;
use gristmill_model::resources::Capacity;
use gristmill_model::{AttemptId, Span, Time, limits};

use process::{Process, State};
use room::Room;

/// A session's process at its worker; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// A process to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Its id.
    pub session: SessionId,
    /// What it is.
    pub spec: SessionSpec,
    /// What of devices is booked for it.
    pub holds: Vec<Hold>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Start a process.
    Open(Opening),
    /// Make a call.
    Call(SessionId, Vec<AttemptId>),
    /// End a process.
    Close(SessionId),
    /// Start an attempt that needs no session: its devices are clear.
    Start(AttemptId),
}

/// An attempt that is to be seated.
pub(super) struct Guest<'a> {
    pub(super) attempt: AttemptId,
    pub(super) spec: &'a SessionSpec,
    pub(super) seat: &'a Seat,
    pub(super) holds: Vec<Hold>,
    pub(super) alone: bool,
}

/// The processes, and the attempts that wait for devices to be clear of them.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    processes: BTreeMap<SessionId, Process>,
    next: u64,
    /// Names that could not load lately: how often in a row, and when the next may try.
    ruins: BTreeMap<String, (u32, Time)>,
    /// Attempts without a session, with what they hold of devices: those that run, and those that
    /// still wait until sessions have left.
    guests: BTreeMap<AttemptId, Visit>,
    largest: u32,
    /// When all that was due was done.
    pumped: Time,
}

#[derive(Debug)]
struct Visit {
    holds: Vec<Hold>,
    waits: bool,
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s{}", self.0)
    }
}

impl Sessions {
    /// Jobs of the largest call that any session here takes.
    pub(super) fn largest_call(&self) -> u32 {
        self.largest
    }

    /// Gives an attempt's seat a process: that of the seat, one that is hot there, or a new one.
    pub(super) fn sit(&mut self, now: Time, guest: Guest<'_>) {
        let Guest { attempt, spec, seat, holds, alone } = guest;
        self.largest = self.largest.max(spec.batch);
        let here = |process: &Process| process.is_of(spec) && process.devices() == seat.devices;
        let of_seat = |process: &Process| here(process) && process.seat == seat.session;
        let hot = |process: &Process| {
            here(process) && process.seat.is_none() && !process.is_too_large(&holds)
        };
        let id = self.find(of_seat).or_else(|| self.find(hot)).unwrap_or_else(|| {
            self.next += 1;
            let id = SessionId(self.next);
            self.processes.insert(id, Process::new(spec.clone(), seat.devices.clone(), now));
            id
        });
        let process = self.processes.get_mut(&id).expect("found or added");
        process.sit(now, attempt, alone, seat.session, holds);
    }

    /// An attempt without a session has got devices: it starts when they are clear.
    pub(super) fn visit(&mut self, attempt: AttemptId, holds: Vec<Hold>) {
        self.guests.insert(attempt, Visit { holds, waits: true });
    }

    fn find(&self, wanted: impl Fn(&Process) -> bool) -> Option<SessionId> {
        let mut open = self.processes.iter().filter(|(_, process)| !process.is_leaving());
        open.find(|(_, process)| wanted(process)).map(|(id, _)| *id)
    }

    /// An attempt is gone, wherever it was.
    pub(super) fn leave(&mut self, now: Time, attempt: AttemptId) {
        self.guests.remove(&attempt);
        for process in self.processes.values_mut() {
            process.leave(now, attempt);
        }
    }

    /// A process has loaded.
    pub(super) fn ready(&mut self, now: Time, id: SessionId) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.ready(now);
            self.ruins.remove(&process.spec.name);
        }
    }

    /// A process is done with its call.
    pub(super) fn done(&mut self, now: Time, id: SessionId) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.done(now);
        }
    }

    /// What a process really takes of each device's memory, and its like. Returns their key.
    pub(super) fn measured(&mut self, id: SessionId, vram: u64) -> Option<String> {
        let process = self.processes.get_mut(&id)?;
        process.measured(vram);
        let key = process.spec.key();
        let alike = self.processes.values_mut().filter(|process| process.spec.key() == key);
        alike.for_each(|process| process.takes(vram));
        Some(key)
    }

    /// A process has ended. Returns the attempts that end with it: those of its call, and where it
    /// could not load all that waited for it. Others wait for a new process.
    pub(super) fn gone(&mut self, now: Time, id: SessionId, ruin: Option<&Failure>) -> Gone {
        let Some(process) = self.processes.remove(&id) else { return Gone::default() };
        if process.state == State::Starting && ruin.is_some() {
            let (times, until) = self.ruins.entry(process.spec.name.clone()).or_default();
            *times += 1;
            *until = now + pause(*times);
            return Gone { ended: process.all().collect() };
        }
        let ended: BTreeSet<_> = process.in_call().collect();
        if let Some(next) = process.again(now) {
            self.next += 1;
            self.processes.insert(SessionId(self.next), next);
        }
        Gone { ended }
    }

    /// What can be done now, in order.
    pub(super) fn pump(&mut self, now: Time, capacity: &Capacity, out: &mut Vec<Step>) {
        self.pumped = now;
        self.processes.retain(|_, process| !process.is_pointless());
        let waiting: Vec<_> = self.waiting(now).collect();
        for (who, holds) in waiting {
            match room::find(self, capacity, now, who, &holds) {
                Room::Clear => self.admit(now, who, holds, out),
                Room::After(leaving) => leaving.into_iter().for_each(|id| self.close(id, out)),
                Room::Taken => {}
            }
        }
        for (id, process) in &mut self.processes {
            if let Some(attempts) = process.call(now) {
                out.push(Step::Call(*id, attempts));
            }
        }
    }

    /// When to come back at the latest.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let gathers = self.processes.values().filter_map(Process::gathers_until);
        let pauses = self.processes.values().filter(|process| process.state == State::Waiting);
        let pauses = pauses.filter_map(|process| Some(self.ruins.get(&process.spec.name)?.1));
        let pauses = pauses.filter(|until| *until > self.pumped);
        gathers.chain(pauses).min()
    }

    /// Whether there is any process, started or not.
    pub(super) fn has_processes(&self) -> bool {
        !self.processes.is_empty()
    }

    /// How they do, in order of their ids; devices by their place.
    pub(super) fn samples(&self, capacity: &Capacity) -> Vec<SessionSample> {
        self.processes.values().filter_map(|process| process.sample(capacity)).collect()
    }

    /// Who waits for devices to be clear, with what they need of them.
    fn waiting(&self, now: Time) -> impl Iterator<Item = (Who, Vec<Hold>)> + '_ {
        let pauses = move |process: &Process| {
            self.ruins.get(&process.spec.name).is_some_and(|(_, until)| now < *until)
        };
        let processes = self.processes.iter();
        let processes = processes.filter(move |(_, process)| {
            process.is_outgrown() || process.state == State::Waiting && !pauses(process)
        });
        let sessions = processes.map(|(id, process)| (Who::Session(*id), process.holds.clone()));
        let guests = self.guests.iter().filter(|(_, visit)| visit.waits);
        sessions.chain(guests.map(|(id, visit)| (Who::Guest(*id), visit.holds.clone())))
    }

    fn admit(&mut self, now: Time, who: Who, holds: Vec<Hold>, out: &mut Vec<Step>) {
        match who {
            Who::Session(session) => {
                let process = self.processes.get_mut(&session).expect("it waits");
                if process.is_there() {
                    return process.grow();
                }
                process.open(now);
                let spec = process.spec.clone();
                out.push(Step::Open(Opening { session, spec, holds }));
            }
            Who::Guest(attempt) => {
                self.guests.get_mut(&attempt).expect("it waits").waits = false;
                out.push(Step::Start(attempt));
            }
        }
    }

    fn close(&mut self, id: SessionId, out: &mut Vec<Step>) {
        let process = self.processes.get_mut(&id).expect("chosen from those that are here");
        process.state = State::Leaving;
        out.push(Step::Close(id));
    }
}

/// The pause after a session could not load so many times in a row.
fn pause(times: u32) -> Span {
    let doubled = limits::SESSION_PAUSE_FIRST.0.saturating_mul(1 << (times.max(1) - 1).min(16));
    Span(doubled.min(limits::SESSION_PAUSE_LONGEST.0))
}

/// Who wants room on devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Session(SessionId),
    Guest(AttemptId),
}

/// What went with a process.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub(super) ended: BTreeSet<AttemptId>,
}
