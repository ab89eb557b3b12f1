//! The worker's mind: what it holds, what it says and what it starts. Pure: time comes in as an
//! argument and everything that touches the world goes out as an [`Action`], so the simulator
//! drives this very code through crashes and partitions.
//!
//! **Promises.** Every attempt that was taken in is answered with one [`Ended`], repeated after
//! each reconnect until the server settles it. An attempt that the server calls stale is stopped
//! and never spoken of again. What the server says is judged, never asserted.

mod greeting;
mod held;
mod pace;
mod reports;
mod withheld;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use gristmill_model::attempt::{Failure, FailureKind, Outcome};
use gristmill_model::booking::Booking;
use gristmill_model::problem::Code;
use gristmill_model::resources::Capacity;
use gristmill_model::wire::{Assignment, Ended, FromWorker, Stream, ToWorker};
use gristmill_model::{AttemptId, Span, Time, limits};

use held::{Holding, StopReason};
use pace::Pace;
use reports::Reports;
use withheld::WithheldLogs;

/// Who this worker is, for the whole life of its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Drawn at random when the process started.
    pub instance: u64,
    /// A name for people.
    pub name: String,
    /// Kinds of handler that it runs.
    pub handlers: Vec<String>,
    /// What it has to give.
    pub capacity: Capacity,
    /// Whether it sees the submitters' disk.
    pub shared_disk: bool,
    /// What stages may require or prefer of it.
    pub labels: BTreeMap<String, String>,
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
    /// Close the connection and end whatever still runs. The last action.
    Leave,
}

/// Why a server did not take the worker in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// One sentence.
    pub detail: String,
}

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
            booking: Booking::new(identity.capacity.clone()),
            holding: Holding::default(),
            reports: Reports::default(),
            withheld: WithheldLogs::default(),
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
            Input::Drain => self.drain(out),
            Input::Quit => return self.quit(out),
            Input::Tick => {}
        }
        self.end_overdue(now, out);
        self.say_reports(now, out);
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
        [timeout, heartbeat, reports].into_iter().flatten().min()
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
        let starts = self.booking.admit(attempt, &assignment.resources);
        self.holding.take_in(assignment);
        if starts {
            self.start(now, attempt, out);
        }
    }

    fn judge(&self, assignment: &Assignment) -> Result<(), Failure> {
        let refuse = |code, message| Err(Failure::new(FailureKind::Failed, code, message));
        let kind = assignment.handler.kind();
        if !self.identity.handlers.iter().any(|handler| handler == kind) {
            let runs = self.identity.handlers.join(", ");
            return refuse("handler_not_run", format!("this worker runs {runs}, not {kind}"));
        }
        if let Err(misfit) = self.booking.could_fit(&assignment.resources) {
            return refuse("does_not_fit", misfit.to_string());
        }
        Ok(())
    }

    fn start(&mut self, now: Time, attempt: AttemptId, out: &mut Vec<Action>) {
        if let Some(assignment) = self.holding.start(attempt, now) {
            out.push(Action::Start(assignment));
        }
    }

    /// Gives an attempt's room back and starts those that waited for it.
    fn release(&mut self, now: Time, attempt: AttemptId, out: &mut Vec<Action>) {
        for waiting in self.booking.release(attempt) {
            self.start(now, waiting, out);
        }
    }

    fn stop(&mut self, now: Time, attempt: AttemptId, out: &mut Vec<Action>) {
        if self.holding.drop_waiting(attempt) {
            self.report(now, held::never_ran(attempt, held::cancelled()));
            self.release(now, attempt, out);
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
        if run.stop != Some(StopReason::Stale) {
            self.report(now, Ended { outcome: run.verdict(ended.outcome), ..ended });
        }
        self.release(now, attempt, out);
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
        let wanted = self.pace.prefetch();
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
