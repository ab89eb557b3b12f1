//! Who watches that promises are kept. The judge knows only what can be seen from outside: the
//! durable records, the frames, the answers, and when things truly happened. It keeps a model of
//! its own, written apart from the engine's, and holds the two against each other.

mod floor;
mod history;
mod promises;
mod pulse;
mod told;

use std::collections::BTreeMap;
use std::fmt;

use gristmill_engine::State;
use gristmill_model::command::{Command, Reply};
use gristmill_model::event::Record;
use gristmill_model::limits::Timing;
use gristmill_model::resources::Resources;
use gristmill_model::wire::{Assignment, FromWorker};
use gristmill_model::{AttemptId, JobId, Time, WorkerId};
use gristmill_worker::core::{Opening, SessionId};

use crate::network::LinkId;
use crate::tally::Tally;
use crate::worker::Kind;
use floor::Floor;
pub use floor::News;
use history::{History, fit_together};
use promises::Promises;
use pulse::Pulse;
use told::Told;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub property: &'static str,
    /// By what.
    pub detail: String,
}

/// Whether a promise was kept.
type Verdict = Result<(), Violation>;

/// Who watches.
#[derive(Debug)]
pub struct Judge {
    history: History,
    promises: Promises,
    pulse: Pulse,
    told: Told,
    /// What is truly there at each machine.
    pub floor: Floor,
    /// What each attempt that ever started was: an id must never mean two things.
    started: BTreeMap<AttemptId, (JobId, String)>,
    /// May not look into the engine.
    blind: bool,
    violation: Option<Violation>,
}

impl Violation {
    fn new(property: &'static str, detail: impl Into<String>) -> Violation {
        Violation { property, detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.detail)
    }
}

fn require(holds: bool, property: &'static str, detail: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation::new(property, detail())) }
}

impl Judge {
    /// A judge who has seen nothing.
    #[must_use]
    pub fn new(timing: Timing, blind: bool) -> Judge {
        Judge {
            history: History::new(timing.keep_finished),
            promises: Promises::default(),
            pulse: Pulse::new(timing),
            told: Told::default(),
            floor: Floor::default(),
            started: BTreeMap::new(),
            blind,
            violation: None,
        }
    }

    /// The first promise that was broken.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Notes a broken promise; the first one counts.
    pub fn note(&mut self, verdict: Verdict) {
        if let Err(violation) = verdict {
            self.violation.get_or_insert(violation);
        }
    }

    /// Something else that must hold.
    pub fn require(&mut self, holds: bool, property: &'static str, detail: &str) {
        self.note(require(holds, property, || detail.into()));
    }

    /// Records became durable.
    pub fn durable(&mut self, records: &[Record], tally: &mut Tally) {
        for record in records {
            let verdict = self.history.take(record, tally);
            self.note(verdict);
        }
    }

    /// The engine decided something; it is not durable yet.
    pub fn decided(&mut self, now: Time, records: &[Record]) {
        for record in records {
            let verdict = self.pulse.decided(now, record, &self.history);
            self.note(verdict);
            let verdict = self.told.decided(record, &self.history);
            self.note(verdict);
        }
        let verdict = self.told.counts(&self.history);
        self.note(verdict);
    }

    /// A state that was recovered, or all of which is durable, must hold all that was promised and
    /// tell the same story as the log.
    pub fn compare(&mut self, state: &State) {
        if self.blind {
            return;
        }
        let verdict = self.promises.are_kept(state, &self.history);
        self.note(verdict);
        let verdict = self.history.agrees(state);
        self.note(verdict);
    }

    /// Whether the judge may not look into the engine.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// Leases must not outlive the spans that were promised for noticing the dead.
    pub fn leases_are_short(&mut self, now: Time, state: &State) {
        let verdict = self.pulse.leases_are_short(now, state);
        self.note(verdict);
    }

    /// The server started; only now it can hear anybody.
    pub fn server_started(&mut self, now: Time) {
        self.pulse.server_started(now);
        self.told = Told::default();
    }

    /// The server heard a worker.
    pub fn heard(&mut self, now: Time, link: LinkId, frame: &FromWorker) {
        self.pulse.heard(now, link, frame);
        if let (FromWorker::Ended(ended), Some(instance)) = (frame, self.pulse.speaker(link)) {
            ended.iter().for_each(|end| self.history.was_reported(end, instance));
        }
        self.history.was_told(frame);
        if let Some(instance) = self.pulse.newest(link) {
            self.told.heard(instance, frame, &self.history);
        }
    }

    /// The server found out that a link is broken.
    pub fn lost(&mut self, now: Time, link: LinkId) {
        self.pulse.lost(now, link);
    }

    /// A client's request reached the server.
    pub fn asked(&mut self, command: &Command) {
        self.history.was_asked(command);
    }

    /// What the engine says of a job that waits must agree with what the log lets one know.
    pub fn explained(&mut self, now: Time, job: JobId, waits: &[String]) {
        let free = self.history.is_free(job, now);
        let agree = free.is_none_or(|free| free == waits.is_empty());
        self.note(require(agree, "explain agrees with what happens", || {
            format!("{job} waits for {waits:?}, the log says that it is free: {free:?}")
        }));
    }

    /// What keeps work from ending that nobody but a person can let go.
    #[must_use]
    pub fn to_let_go(&self) -> Vec<Command> {
        self.history.to_let_go()
    }

    /// Everything that was to be said at the end was said.
    pub fn at_the_end(&mut self) {
        let silent = self.history.unannounced();
        self.note(require(silent.is_none(), "whoever asked to be called is called", || {
            format!("{silent:?} has finished and nobody was told")
        }));
    }

    /// The time of the last durable record by the server's wall clock, as clients may know it.
    #[must_use]
    pub fn wall(&self) -> Time {
        self.history.wall()
    }

    /// A client was answered.
    pub fn answered(&mut self, command: &Command, reply: &Reply) {
        let verdict = self.promises.answered(command, reply, &self.history);
        self.note(verdict);
    }

    /// A worker starts an attempt.
    pub fn started(&mut self, assignment: &Assignment) {
        let &Assignment { attempt, job, .. } = assignment;
        let what = (job, assignment.stage.clone());
        let known = self.started.entry(attempt).or_insert_with(|| what.clone());
        let same = *known == what;
        self.note(require(same, "an attempt's id is never used again", || {
            format!("{attempt} starts as {job} and was something else before")
        }));
        let verdict = self.history.was_leased(assignment);
        self.note(verdict);
    }

    /// A worker starts an attempt, beside what it runs already. It must be such a worker as the
    /// stage asks for, and all that runs there must fit together.
    pub fn runs_on(&mut self, kind: &Kind, assignment: &Assignment, requests: &[Resources]) {
        let fits = fit_together(requests, &kind.capacity);
        self.note(require(fits, "no worker runs more than it has room for", || {
            format!("{requests:?} on {:?}", kind.capacity)
        }));
        let suits = self.history.suits_truly(assignment.attempt, kind);
        self.note(suits);
    }

    /// Something begins at a machine: all its devices serve, as far as its worker knows.
    pub fn begins_on(&mut self, node: usize, devices: &[u16], what: &str) {
        let verdict = self.floor.begins_on(node, devices, what);
        self.note(verdict);
    }

    /// A session's process starts at a machine.
    pub fn opens_on(&mut self, node: usize, kind: &Kind, opening: &Opening) {
        let verdict = self.floor.opens(node, &kind.capacity, opening);
        self.note(verdict);
    }

    /// An attempt starts at a machine that needs no session.
    pub fn starts_on(&mut self, node: usize, kind: &Kind, assignment: &Assignment) {
        let verdict = self.floor.starts(node, &kind.capacity, assignment);
        self.note(verdict);
    }

    /// A session at a machine is called.
    pub fn calls_on(
        &mut self,
        node: usize,
        kind: &Kind,
        session: (SessionId, &str),
        items: &[Assignment],
    ) {
        let verdict = self.floor.calls(node, &kind.capacity, session, items);
        self.note(verdict);
    }

    /// A worker hears that reports are settled.
    pub fn settled(&mut self, attempts: &[AttemptId]) {
        for attempt in attempts {
            let live = self.is_live(*attempt);
            self.note(require(!live, "settled means durable", || {
                format!("{attempt} was settled and is still live in the log")
            }));
        }
    }

    /// Whether an attempt is the live one of its job, as far as the log tells.
    #[must_use]
    pub fn is_live(&self, attempt: AttemptId) -> bool {
        self.history.is_live(attempt)
    }

    /// The worker of an instance that has not left, as far as the log tells.
    #[must_use]
    pub fn worker_of(&self, instance: u64) -> Option<WorkerId> {
        self.history.worker_of(instance)
    }

    /// A job that is not final.
    #[must_use]
    pub fn unfinished(&self) -> Option<JobId> {
        self.history.unfinished()
    }
}
