//! The worker's mind: what it holds, what it says and what it starts. Pure: time comes in as an
//! argument and everything that touches the world goes out as an [`Action`], so the simulator
//! drives this very code through crashes and partitions.
//!
//! **Promises.** Every attempt that was taken in is answered with one [`Ended`], repeated after
//! each reconnect until the server settles it. An attempt that the server calls stale is stopped
//! and never spoken of again. What the server says is judged, never asserted.

mod devices;
mod foreign;
mod greeting;
mod held;
mod interface;
mod pace;
mod reports;
mod samples;
mod sessions;
mod withheld;

#[cfg(test)]
mod tests;

use gristmill_model::attempt::{Failure, FailureKind, Outcome};
use gristmill_model::booking::{Booking, Fate, Seat};
use gristmill_model::pipeline::Handler;
use gristmill_model::wire::{Assignment, Ended, FromWorker, Stream, ToWorker};
use gristmill_model::{AttemptId, Span, Time, limits};

use devices::Devices;
use held::{Holding, StopReason};
use pace::Pace;
use reports::Reports;
use samples::Samples;
use sessions::{Guest, Sessions};
use withheld::WithheldLogs;

pub use interface::{Action, Gone, Identity, Input, Refusal};
pub use sessions::{Opening, SessionId};

/// Where the conversation with the server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    /// No connection.
    Down,
    /// `Hello` is said, nothing heard yet.
    Greeting,
    /// Welcome: speak at least this often.
    Up { heartbeat: Span },
}

/// The worker's state machine.
#[derive(Debug)]
pub struct Core {
    identity: Identity,
    talk: Talk,
    booking: Booking,
    holding: Holding,
    reports: Reports,
    withheld: WithheldLogs,
    sessions: Sessions,
    devices: Devices,
    samples: Samples,
    pace: Pace,
    prefetch_told: u32,
    spoke: Time,
    draining: bool,
    left: bool,
    refusal: Option<Refusal>,
}

impl Core {
    /// A worker that holds nothing and has met no server yet.
    #[must_use]
    pub fn new(identity: Identity) -> Core {
        Core {
            talk: Talk::Down,
            booking: Booking::new(identity.description.shape.capacity.clone()),
            holding: Holding::default(),
            reports: Reports::default(),
            withheld: WithheldLogs::default(),
            sessions: Sessions::default(),
            devices: Devices::default(),
            samples: Samples::default(),
            pace: Pace::new(identity.prefetch),
            prefetch_told: 0,
            spoke: Time::default(),
            draining: false,
            left: false,
            refusal: None,
            identity,
        }
    }

    /// Takes one thing in and appends what is to be done about it. Reports that come together
    /// share a frame: whoever has several inputs handles them all before acting on `out`.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Action>) {
        if self.left {
            return;
        }
        match input {
            Input::Connected => self.greet(now, out),
            Input::Disconnected => self.talk = Talk::Down,
            Input::Frame(frame) => self.hear(now, frame, out),
            Input::Ended(ended) => self.finish(now, ended, out),
            Input::Progress { attempt, done, total, message } => {
                self.pass_progress(attempt, done, total, message, out);
            }
            Input::Log { attempt, stream, bytes } => self.pass_log(attempt, stream, bytes, out),
            Input::Partial { attempt, index, value } => {
                self.pass_partial(attempt, index, value, out);
            }
            Input::Ready(session) => {
                self.sessions.ready(now, session);
                self.samples.look_now();
            }
            Input::Done(session) => self.sessions.done(now, session),
            Input::Measured(session, vram) => self.measure(now, session, vram, out),
            Input::Gone(gone) => self.bury(now, gone, out),
            Input::Device { device, quarantined } => {
                self.judge_device(now, device, quarantined, out);
            }
            Input::Sampled(devices) => self.take_in_samples(now, devices, out),
            Input::Drain => self.drain(out),
            Input::Quit => return self.quit(out),
            Input::Tick => {}
        }
        self.pump(now, out);
        self.end_overdue(now, out);
        self.say_reports(now, out);
        self.say_samples(now, out);
        self.beat(now, out);
        self.leave_when_done(out);
    }

    /// When to come back with [`Input::Tick`] at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        if self.left {
            return None;
        }
        let timeout = self.holding.next_timeout();
        let (heartbeat, reports) = match self.talk {
            Talk::Up { heartbeat } => (Some(self.spoke + heartbeat), self.reports.due()),
            Talk::Down | Talk::Greeting => (None, None),
        };
        let sessions = self.sessions.next_deadline();
        let samples = self.samples_due();
        [timeout, heartbeat, reports, sessions, samples].into_iter().flatten().min()
    }

    /// Attempts that run now, in order of their ids.
    pub fn running(&self) -> impl Iterator<Item = AttemptId> + '_ {
        self.booking.running()
    }

    /// Whether no attempt waits or runs here.
    #[must_use]
    pub fn holds_nothing(&self) -> bool {
        self.holding.is_empty()
    }

    /// Whether the worker has nothing to do and nothing left to say.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.holding.is_empty() && self.reports.is_empty()
    }

    /// Why the server turned the worker away, once it has.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    fn hear(&mut self, now: Time, frame: ToWorker, out: &mut Vec<Action>) {
        match (self.talk, frame) {
            (Talk::Down, _) => {}
            (_, ToWorker::Welcome(welcome)) => self.settle_in(now, welcome, out),
            (_, ToWorker::Refused { code, detail }) => self.turn_away(code, detail, out),
            (Talk::Greeting, _) => {}
            (Talk::Up { .. }, ToWorker::Run(assignments)) => {
                for assignment in assignments {
                    self.take_in(now, assignment, out);
                }
            }
            (Talk::Up { .. }, ToWorker::Stop(attempts)) => {
                for attempt in attempts {
                    self.stop(now, attempt, out);
                }
            }
            (Talk::Up { .. }, ToWorker::Settled(attempts)) => {
                for attempt in attempts {
                    self.reports.settle(attempt);
                }
            }
            (Talk::Up { .. }, ToWorker::Device { device, quarantined }) => {
                self.hear_of_device(now, &device, quarantined, out);
            }
            (Talk::Up { .. }, ToWorker::Drain) => self.drain(out),
        }
    }

    /// Judges an assignment and starts it, or lets it wait for room.
    fn take_in(&mut self, now: Time, assignment: Assignment, out: &mut Vec<Action>) {
        let attempt = assignment.attempt;
        if self.holding.contains(attempt) || self.reports.contains(attempt) {
            return;
        }
        if self.holding.len() + self.reports.len() >= limits::HELD_PER_WORKER {
            // Said once and not kept: a server that leases without end must not fill our memory.
            return reports::push(held::never_ran(attempt, held::too_many()), out);
        }
        if let Err(failure) = self.judge(&assignment) {
            let refused = held::never_ran(attempt, Outcome::Failed(failure));
            return self.report(now, refused);
        }
        let want = assignment.handler.want(assignment.resources.clone(), assignment.alone);
        let seat = self.booking.admit(attempt, want, assignment.seat.as_ref());
        self.holding.take_in(assignment);
        match seat {
            Some(seat) => self.begin(now, attempt, &seat, out),
            None if self.waits_in_vain(attempt) => self.give_back(now, attempt, out),
            None => {}
        }
    }

    fn judge(&self, assignment: &Assignment) -> Result<(), Failure> {
        let refuse = |code, message| Err(Failure::new(FailureKind::Failed, code, message));
        let word = assignment.handler.word();
        let shape = &self.identity.description.shape;
        if !shape.handles(word) {
            let runs = shape.handlers.join(", ");
            return refuse("handler_not_run", format!("this worker runs {runs}, not {word}"));
        }
        if let Err(misfit) = self.booking.could_fit(&assignment.resources) {
            return refuse("does_not_fit", misfit.to_string());
        }
        Ok(())
    }

    /// There is room for an attempt: it starts, or goes where its session will find it.
    fn begin(&mut self, now: Time, attempt: AttemptId, seat: &Seat, out: &mut Vec<Action>) {
        let Some(assignment) = self.holding.waiting(attempt) else { return };
        let holds = || self.booking.hold_of(attempt);
        match &assignment.handler {
            Handler::Session(spec) => {
                let (holds, alone) = (holds(), assignment.alone);
                self.sessions.sit(now, Guest { attempt, spec, seat, holds, alone });
            }
            _ if !seat.devices.is_empty() => {
                let holds = holds();
                self.sessions.visit(attempt, holds);
            }
            _ => self.start(now, attempt, out),
        }
    }

    fn start(&mut self, now: Time, attempt: AttemptId, out: &mut Vec<Action>) {
        if let Some(assignment) = self.assign(now, attempt) {
            out.push(Action::Start(assignment));
        }
    }

    /// Marks an attempt as running, and hands it out with what it really got.
    fn assign(&mut self, now: Time, attempt: AttemptId) -> Option<Assignment> {
        let seat = self.booking.seat_of(attempt);
        let assignment = self.holding.start(attempt, now)?;
        Some(Assignment { seat, ..assignment })
    }

    /// Gives an attempt's room back and starts those that waited for it.
    fn release(&mut self, now: Time, attempt: AttemptId, fate: Fate, out: &mut Vec<Action>) {
        self.sessions.leave(now, attempt);
        let promoted = self.booking.release(attempt, fate);
        self.begin_all(now, &promoted, out);
    }

    fn begin_all(&mut self, now: Time, promoted: &[(AttemptId, Seat)], out: &mut Vec<Action>) {
        for (attempt, seat) in promoted {
            self.begin(now, *attempt, seat, out);
        }
    }

    fn stop(&mut self, now: Time, attempt: AttemptId, out: &mut Vec<Action>) {
        if self.holding.drop_waiting(attempt) {
            self.report(now, held::never_ran(attempt, held::cancelled()));
            self.release(now, attempt, Fate::Other, out);
        } else if self.holding.contains(attempt) {
            self.stop_running(attempt, StopReason::Cancelled, out);
        } else if !self.reports.contains(attempt) {
            // Its `Run` was lost with an earlier connection: the answer lets the server go on.
            self.report(now, held::never_ran(attempt, held::cancelled()));
        }
    }

    fn stop_running(&mut self, attempt: AttemptId, reason: StopReason, out: &mut Vec<Action>) {
        if self.holding.stop(attempt, reason) {
            out.push(Action::Stop(attempt));
        }
    }

    /// A handler's last word. Word of an attempt that does not run is not ours to pass on.
    fn finish(&mut self, now: Time, ended: Ended, out: &mut Vec<Action>) {
        let attempt = ended.attempt;
        let at_once = self.booking.running().count();
        let Some(run) = self.holding.finish(attempt) else { return };
        if run.stop.is_none() {
            self.pace.learn(now.since(run.since), at_once);
        }
        let outcome = run.verdict(ended.outcome);
        let fate = outcome.fate();
        if run.stop != Some(StopReason::Stale) {
            self.report(now, Ended { outcome, ..ended });
        }
        self.release(now, attempt, fate, out);
        self.adjust_prefetch(out);
    }

    fn report(&mut self, now: Time, ended: Ended) {
        if self.is_up() {
            self.reports.gather(now, ended);
        } else {
            self.reports.keep(ended);
        }
    }

    /// Says what was gathered, unless it can wait for more.
    fn say_reports(&mut self, now: Time, out: &mut Vec<Action>) {
        let Some(due) = self.reports.due().filter(|_| self.is_up()) else { return };
        let runs_dry = self.booking.backlog_len() == 0;
        if runs_dry || self.reports.is_full() || now >= due {
            self.reports.say(out);
            self.spoke = now;
        }
    }

    fn pass_progress(
        &mut self,
        attempt: AttemptId,
        done: u64,
        total: u64,
        message: String,
        out: &mut Vec<Action>,
    ) {
        if self.is_up() && self.holding.job_of(attempt).is_some() {
            out.push(Action::Send(FromWorker::Progress { attempt, done, total, message }));
        }
    }

    /// Output goes out at once, or is kept within bounds until the server is back.
    fn pass_log(&mut self, of: AttemptId, stream: Stream, bytes: Vec<u8>, out: &mut Vec<Action>) {
        let Some(job) = self.holding.job_of(of) else { return };
        let log = FromWorker::Log { attempt: of, job, stream, bytes };
        if self.is_up() {
            out.push(Action::Send(log));
        } else {
            self.withheld.keep(log);
        }
    }

    fn adjust_prefetch(&mut self, out: &mut Vec<Action>) {
        // A session's next call should be here when it is done with this one.
        let wanted = self.pace.prefetch().max(self.sessions.largest_call().min(limits::PREFETCH));
        let told = u64::from(self.prefetch_told);
        if self.is_up() && u64::from(wanted).abs_diff(told) * 4 > told {
            self.prefetch_told = wanted;
            out.push(Action::Send(FromWorker::Prefetch(wanted)));
        }
    }

    fn end_overdue(&mut self, now: Time, out: &mut Vec<Action>) {
        while let Some(attempt) = self.holding.overdue(now) {
            self.stop_running(attempt, StopReason::TimedOut, out);
        }
    }

    /// Speaks when nothing has been said for a while. Logs and progress do not count as speaking:
    /// a lease must not hang on frames that a server may pass around its engine.
    fn beat(&mut self, now: Time, out: &mut Vec<Action>) {
        let Talk::Up { heartbeat } = self.talk else { return };
        if now >= self.spoke + heartbeat {
            self.spoke = now;
            out.push(Action::Send(FromWorker::Heartbeat));
        }
    }

    fn is_up(&self) -> bool {
        matches!(self.talk, Talk::Up { .. })
    }
}
