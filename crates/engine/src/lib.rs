//! The verbs of gristmill: a deterministic, synchronous engine.
//!
//! [`Engine::handle`] judges a command and emits events; state changes only by applying an event;
//! recovery is a loop over [`Engine::apply`]. There is no clock here, no file, no socket and no
//! log: time comes in as an argument, and whoever calls must make the emitted records durable
//! before anybody hears of them.

pub mod change;
mod decide;
mod explain;
mod invariant;
pub mod link;
mod schedule;
mod state;
mod timer;
mod turn;

pub use state::{
    Attempt, Batch, Bound, Health, Job, Pipeline, Project, Range, Samples, State, Worker,
};

use change::Made;
use gristmill_model::access::Actor;
use gristmill_model::api::Explanation;
use gristmill_model::command::{Command, Reply, Request};
use gristmill_model::event::{Event, Record, ServerEvent};
use gristmill_model::limits::Timing;
use gristmill_model::problem::Rejection;
use gristmill_model::{JobId, Moment, Time};
use invariant::{Rounds, spot_check};
use turn::Turn;

/// The state of everything, and the only way to change it.
///
/// ```
/// use gristmill_engine::Engine;
/// use gristmill_model::limits::Timing;
/// use gristmill_model::Time;
///
/// let mut live = Engine::new(Timing::default());
/// let mut records = Vec::new();
/// live.start(Time(1).into(), "0.1.0", &mut records);
///
/// let mut recovered = Engine::new(Timing::default());
/// records.iter().for_each(|record| recovered.apply(record));
/// assert!(recovered.state().same_as(live.state()));
/// ```
#[derive(Debug, Clone)]
pub struct Engine {
    state: State,
    rounds: Rounds,
}

impl Engine {
    /// An engine to which nothing has happened.
    #[must_use]
    pub fn new(timing: Timing) -> Engine {
        Engine { state: State::new(timing), rounds: Rounds::default() }
    }

    /// Applies a record from the log. Records must come in the order in which they were emitted.
    ///
    /// # Panics
    /// When the record contradicts the state: then the log is not ours, or we have a bug.
    pub fn apply(&mut self, record: &Record) {
        self.state.apply(record);
    }

    /// What people see otherwise since this was last asked: changes in the order of the records
    /// that made them. Take them after every round, and after every piece of a replay.
    pub fn take_changes(&mut self) -> Vec<Made> {
        self.state.take_changes()
    }

    /// Makes changes, as at first, or makes none: for a replay whose changes nobody wants.
    pub fn make_changes(&mut self, on: bool) {
        self.state.make_changes(on);
    }

    /// Begins a life after recovery: workers that were known have a grace to come back.
    pub fn start(&mut self, at: Moment, version: &str, out: &mut Vec<Record>) {
        self.turn(at, Actor::SERVER, out)
            .emit(Event::Server(ServerEvent::Started { version: version.into() }));
    }

    /// Judges a request. What it emits is appended to `out` and already applied; a rejection emits
    /// nothing.
    ///
    /// # Errors
    /// Why the request is refused, with a stable code.
    pub fn handle(
        &mut self,
        at: Moment,
        request: Request,
        out: &mut Vec<Record>,
    ) -> Result<Reply, Rejection> {
        let mut turn = self.turn(at, request.actor, out);
        let turn = &mut turn;
        match request.command {
            Command::DefinePipeline { project, spec } => {
                decide::pipeline::define(turn, &project, spec)
            }
            Command::Submit(submission) => decide::submit::submit(turn, *submission),
            Command::Append { batch, jobs, range, close } => {
                decide::append::append(turn, batch, jobs, range, close)
            }
            Command::DefineProject { name, weight } => decide::project::define(turn, name, weight),
            Command::CancelJob(job) => decide::cancel::job(turn, job),
            Command::CancelJobs(runs) => decide::cancel::jobs(turn, &runs),
            Command::CancelBatch(batch) => decide::cancel::batch(turn, batch),
            Command::RetryJob(job) => decide::retry::job(turn, job),
            Command::RetryJobs(runs) => decide::retry::jobs(turn, &runs),
            Command::Hold(target) => decide::hold::hold(turn, target),
            Command::Release(target) => decide::hold::release(turn, target),
            Command::SetLimit { project, scope, limit } => {
                decide::scope::limit(turn, &project, scope, limit)
            }
            Command::SetFlow { project, scope, flow } => {
                decide::scope::flow(turn, &project, scope, flow)
            }
            Command::PauseWorker { worker, paused } => decide::worker::pause(turn, worker, paused),
            Command::DeclareWorker { name, shape } => decide::worker::declare(turn, name, shape),
            Command::SettleCallback { batch, delivered, detail } => {
                decide::callback::settle(turn, batch, delivered, detail)
            }
            Command::Greet(greeting) => decide::greet::greet(turn, *greeting),
            Command::Heartbeat { worker } => decide::heartbeat::heartbeat(turn, worker),
            Command::SetPrefetch { worker, prefetch } => {
                decide::heartbeat::prefetch(turn, worker, prefetch)
            }
            Command::Progress { worker, attempt, progress } => {
                decide::report::progress(turn, worker, attempt, progress)
            }
            Command::Report { worker, attempt, outcome, usage, devices } => {
                decide::report::report(turn, worker, attempt, outcome, usage, devices)
            }
            Command::Partial { worker, attempt, index, value } => {
                decide::report::partial(turn, worker, attempt, index, value)
            }
            Command::SetDevice { worker, device, quarantined } => {
                decide::device::set(turn, worker, device, quarantined)
            }
            Command::Measure { worker, session, vram } => {
                decide::device::measure(turn, worker, session, vram)
            }
            Command::NoteForeignUse { worker, device, vram } => {
                decide::device::note_foreign_use(turn, worker, device, vram)
            }
            Command::Sample { worker, devices, sessions } => {
                decide::device::sample(turn, worker, devices, sessions)
            }
            Command::Disconnect(worker) => decide::leave::disconnect(turn, worker),
            Command::Drain(worker) => decide::leave::drain(turn, worker),
            Command::Leave(worker) => decide::leave::leave(turn, worker),
        }
    }

    /// Lets time pass: fires what is due, at most a round's worth.
    pub fn tick(&mut self, at: Moment, out: &mut Vec<Record>) {
        timer::fire(&mut self.turn(at, Actor::SERVER, out));
    }

    /// When the wall clock shows a time that somebody has named: [`Engine::tick`] must be called
    /// then. A wall clock may be set at any time, so whoever waits for it must look at it.
    #[must_use]
    pub fn next_term(&self) -> Option<Time> {
        timer::next_term(&self.state)
    }

    /// When [`Engine::tick`] must be called again at the latest by the engine's own clock, if
    /// nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        timer::next(&self.state)
    }

    /// Leases queued jobs to workers. Returns whether there may be more to place at once, because
    /// a round's bound was reached.
    pub fn place(&mut self, at: Moment, out: &mut Vec<Record>) -> bool {
        schedule::place(&mut self.turn(at, Actor::SERVER, out))
    }

    /// Why a job is where it is, from the predicates that placement itself uses.
    ///
    /// # Errors
    /// `no_such_job`.
    pub fn explain(&self, at: Moment, job: JobId) -> Result<Explanation, Rejection> {
        explain::explain(&self.state, at, job)
    }

    /// The records that make this state from an empty one: applied in order, they stand for all
    /// that was logged before.
    ///
    /// ```
    /// use gristmill_engine::Engine;
    /// use gristmill_model::limits::Timing;
    /// let engine = Engine::new(Timing::default());
    /// let mut again = Engine::new(Timing::default());
    /// engine.snapshot().for_each(|record| again.apply(&record));
    /// assert!(again.state().same_as(engine.state()));
    /// ```
    pub fn snapshot(&self) -> impl Iterator<Item = Record> + '_ {
        let at = self.state.at();
        self.state.parts().map(move |event| Record { at, actor: Actor::SERVER, event })
    }

    /// What is so.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Asserts our own invariants.
    ///
    /// # Panics
    /// When one is broken, which is a bug in the engine.
    pub fn check(&self) {
        invariant::check(&self.state);
    }

    /// Asserts our own invariants of up to `few` jobs, batches and workers, and goes on from there
    /// the next time: cheap enough for a server at work.
    ///
    /// # Panics
    /// When one is broken, which is a bug in the engine.
    pub fn spot_check(&mut self, few: usize) {
        spot_check(&self.state, &mut self.rounds, few);
    }

    fn turn<'a>(&'a mut self, at: Moment, actor: Actor, out: &'a mut Vec<Record>) -> Turn<'a> {
        Turn::new(&mut self.state, at, actor, out)
    }
}
