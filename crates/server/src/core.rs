//! The core loop: one thread, the only owner of the engine and of the log.
//!
//! A round takes what has arrived, lets the engine judge it, fire what is due and place what waits,
//! writes all events in one append, and only then speaks: answers, frames, feed. So a lone command
//! is committed at once, and a flood that gathers while an append runs shares the next one. Between
//! rounds the loop sleeps until something arrives or the engine's next deadline; it never polls.
//!
//! When an append fails, nothing more is acknowledged or written: it is not known what a restart
//! will find. The process is told and is expected to end.

mod clock;
mod inbox;
mod links;
mod recovery;
mod round;
mod waiters;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use gristmill_engine::{Engine, link};
use gristmill_model::access::Actor;
use gristmill_model::command::{Command, Greeting, Reply, Request};
use gristmill_model::event::{Event, Record, WorkerEvent};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::wire::{FromWorker, ToWorker, Welcome};
use gristmill_model::{Moment, Span, Time, WorkerId, limits};
use tokio::sync::{mpsc, watch};

use crate::feed::{Committed, Publisher};
use crate::log::Log;
use crate::threads::Instant;
use crate::threads::thread::{self, Thread};
use clock::Clock;
pub(crate) use inbox::{Answer, Connection, Message};
pub use inbox::{Goal, Snapshot, Standing};
use links::Links;
pub use recovery::RecoveryError;
pub(crate) use recovery::recover;
use round::{Pending, Round};
use waiters::Waiters;

/// In debug builds the engine's invariants are checked after each round while it is this small.
const CHECKED_JOBS: usize = 200;
/// Also in release, so many jobs and batches are checked in turn: with a million jobs in a thousand
/// batches that took 48 microseconds in the mean on two shared cores, a fifth of one a round, ...
const CHECKED_FEW: usize = 32;
/// ... every so many rounds, ...
const CHECKED_EVERY: u32 = 256;
/// ... or after so many, when there is nothing else to do.
const CHECKED_WHEN_IDLE: u32 = 32;

/// Everything that the loop's thread owns.
pub(crate) struct Core {
    engine: Engine,
    log: Box<dyn Log>,
    /// Reads the wall clock.
    wall: Box<dyn Fn() -> Time + Send>,
    started: Instant,
    clock: Clock,
    inbox: mpsc::Receiver<Message>,
    /// Taken from the inbox and left for the next round.
    arrived: VecDeque<Message>,
    links: Links,
    waiters: Waiters,
    publisher: Publisher,
    failed: watch::Sender<Option<Rejection>>,
    /// Rounds since invariants were last checked.
    rounds: u32,
    /// How many records the last round had: the next is most likely to have as many.
    usual: usize,
}

/// Whether the loop goes on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// There may be more to do at once.
    Again,
    /// Wait for news.
    Wait,
    /// It was told to stop.
    Stop,
}

impl Core {
    /// A loop over an engine that has recovered.
    pub(crate) fn new(
        engine: Engine,
        log: Box<dyn Log>,
        wall: Box<dyn Fn() -> Time + Send>,
        inbox: mpsc::Receiver<Message>,
        publisher: Publisher,
        failed: watch::Sender<Option<Rejection>>,
    ) -> Core {
        let clock = Clock::new(engine.state().now());
        Core {
            engine,
            log,
            wall,
            started: Instant::now(),
            clock,
            inbox,
            arrived: VecDeque::new(),
            links: Links::default(),
            waiters: Waiters::new(),
            publisher,
            failed,
            rounds: 0,
            usual: 0,
        }
    }

    /// Runs until it is told to stop, or until everybody who could speak to it is gone.
    pub(crate) fn run(mut self) {
        let mut next = Next::Again;
        loop {
            let deadline = match next {
                Next::Stop => return,
                Next::Again => Some(self.engine.state().now()),
                Next::Wait => self.due(),
            };
            let Some(now) = self.wait(deadline) else { return };
            next = match self.round(now) {
                Ok(next) => next,
                Err(rejection) => return self.refuse_everything(rejection),
            };
        }
    }

    /// When to look again at the latest. For what goes by the wall clock it is looked at now and
    /// then, for it may be set while the loop sleeps.
    fn due(&self) -> Option<Time> {
        let at = Moment { now: self.clock.time(), wall: (self.wall)() };
        let term = self.engine.next_term().map(|term| at.now_at(term));
        let look = term.map(|term| term.min(at.now + limits::WALL_LOOK));
        self.engine.next_deadline().into_iter().chain(look).min()
    }

    /// Sleeps until something arrives or the deadline has come; returns the time, or nothing when
    /// nothing can arrive any more.
    fn wait(&mut self, deadline: Option<Time>) -> Option<Time> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut taken = Vec::new();
        loop {
            let now = self.clock.woke(self.elapsed(), deadline);
            let room = limits::COMMANDS_PER_COMMIT.saturating_sub(self.arrived.len()).max(1);
            match self.inbox.poll_recv_many(&mut context, &mut taken, room) {
                Poll::Ready(0) => return None,
                Poll::Ready(_) => {
                    self.arrived.extend(taken);
                    return Some(now);
                }
                Poll::Pending if !self.arrived.is_empty() => return Some(now),
                Poll::Pending => match deadline {
                    Some(deadline) if deadline <= now => return Some(now),
                    Some(deadline) => thread::park_timeout(deadline.since(now).to_std()),
                    None => thread::park(),
                },
            }
        }
    }

    fn elapsed(&self) -> Span {
        Span::from_std(self.started.elapsed())
    }

    /// One round. An error is the store's: nothing of the round was told to anybody.
    fn round(&mut self, now: Time) -> Result<Next, Rejection> {
        let at = Moment { now, wall: (self.wall)() };
        if let Some(by) = self.clock.note_wall(at.wall) {
            tracing::warn!(
                "the clock of this machine went {by}: it was set, or the machine slept; leases, \
                 pauses and rates go on as before, given times come when it shows them"
            );
        }
        let records = Vec::with_capacity(self.usual + self.usual / 4);
        let mut round = Round { records, ..Round::default() };
        let mut stop = false;
        while round.commands < limits::COMMANDS_PER_COMMIT
            && !stop
            && let Some(message) = self.arrived.pop_front()
        {
            stop = self.take(at, message, &mut round);
        }
        self.engine.tick(at, &mut round.records);
        let more = self.engine.place(at, &mut round.records);
        for (worker, frame) in link::frames(&self.engine, &round.records) {
            round.outgoing(worker).add(frame);
        }
        let seq = match self.log.append(&round.records) {
            Ok(seq) => seq,
            Err(error) => {
                let rejection = Rejection::new(Code::StoreUnavailable, error.to_string());
                round.refuse(&rejection);
                return Err(rejection);
            }
        };
        self.release(seq, round);
        if cfg!(debug_assertions) && self.engine.state().live_jobs() < CHECKED_JOBS {
            self.engine.check();
        }
        self.look_around(more);
        Ok(match (stop, more || !self.arrived.is_empty()) {
            (true, _) => Next::Stop,
            (false, true) => Next::Again,
            (false, false) => Next::Wait,
        })
    }

    /// Checks a few invariants now and then, and once whenever there is nothing else to do.
    fn look_around(&mut self, busy: bool) {
        self.rounds += 1;
        let idle = !busy && self.arrived.is_empty() && self.rounds >= CHECKED_WHEN_IDLE;
        if idle || self.rounds >= CHECKED_EVERY {
            self.rounds = 0;
            self.engine.spot_check(CHECKED_FEW);
        }
    }

    /// Takes in one message; `true` when it says to stop.
    fn take(&mut self, at: Moment, message: Message, round: &mut Round) -> bool {
        round.commands += 1;
        match message {
            Message::Request { request, answer } => {
                let judged = self.engine.handle(at, request, &mut round.records);
                round.pending.push(Pending::Reply(answer, judged));
            }
            Message::Greet { greeting, frames, answer } => {
                self.greet(at, greeting, frames, answer, round);
            }
            Message::Heard { connection, frames } => {
                if self.links.is_current(connection) {
                    frames.into_iter().for_each(|f| self.hear(at, connection.worker, f, round));
                }
            }
            Message::Disconnect(connection) => {
                if self.links.is_current(connection) {
                    self.links.close(connection.worker);
                    // A worker that has left is not missed.
                    let _ = self.ask(
                        at,
                        Actor::worker(connection.worker),
                        Command::Disconnect(connection.worker),
                        round,
                    );
                }
            }
            Message::Explain { job, answer } => {
                let explained = self.engine.explain(at, job);
                round.pending.push(Pending::Explained(answer, Box::new(explained)));
            }
            Message::Wait { goal, question } => round.pending.push(Pending::Wait(goal, question)),
            Message::Leased { attempt, answer } => {
                // A worker speaks only of leases that it heard of, so of durable ones.
                let leased = self.engine.state().attempt(attempt).map(|live| live.job);
                drop(answer.send(Ok(leased)));
            }
            Message::Look(question) => round.pending.push(Pending::Look(question)),
            Message::Snapshot(answer) => round.pending.push(Pending::Snapshot(answer)),
            Message::Stop => return true,
        }
        false
    }

    fn greet(
        &mut self,
        at: Moment,
        greeting: Greeting,
        frames: mpsc::Sender<ToWorker>,
        answer: Answer<Connection>,
        round: &mut Round,
    ) {
        match self.ask(at, Actor::NEW_WORKER, Command::Greet(Box::new(greeting)), round) {
            Ok(Reply::Welcome { worker, stale }) => {
                let connection = self.links.open(worker, frames);
                let timing = self.engine.state().timing();
                let (heartbeat, lease) = (timing.heartbeat, timing.lease);
                round.outgoing(worker).welcome(Welcome { worker, heartbeat, lease, stale });
                round.pending.push(Pending::Greeted(answer, Ok(connection)));
            }
            Ok(other) => unreachable!("a greeting is answered with a welcome, not {other:?}"),
            Err(rejection) => round.pending.push(Pending::Greeted(answer, Err(rejection))),
        }
    }

    /// A frame of a worker. A report is settled whether it was believed or stale: either way the
    /// worker must forget it.
    fn hear(&mut self, at: Moment, worker: WorkerId, frame: FromWorker, round: &mut Round) {
        for command in link::commands(worker, frame) {
            round.commands += 1;
            let reported = match &command {
                Command::Report { attempt, .. } => Some(*attempt),
                _ => None,
            };
            let judged = self.ask(at, Actor::worker(worker), command, round);
            if let Some(attempt) = reported {
                let stale = Code::StaleAttempt;
                if judged.is_ok() || judged.is_err_and(|rejection| rejection.code == stale) {
                    round.outgoing(worker).settle(attempt);
                }
            }
        }
    }

    fn ask(
        &mut self,
        at: Moment,
        actor: Actor,
        command: Command,
        round: &mut Round,
    ) -> Result<Reply, Rejection> {
        let request = Request { actor, command };
        self.engine.handle(at, request, &mut round.records)
    }

    /// The round is durable: now everybody hears of it.
    fn release(&mut self, seq: u64, round: Round) {
        self.usual = round.records.len();
        let changes = self.engine.take_changes();
        let committed = Arc::new(Committed::new(seq, round.records, changes));
        self.publisher.publish(&committed);
        for (worker, outgoing) in round.outgoing {
            self.links.send(worker, outgoing);
        }
        for Record { event, .. } in &committed.records {
            if let Event::Worker(WorkerEvent::Left { worker, .. }) = event {
                self.links.close(*worker);
            }
        }
        if !self.waiters.is_empty() {
            for made in &committed.changes {
                self.waiters.wake(self.engine.state(), &made.change);
            }
        }
        for pending in round.pending {
            if let Some(unheard) = pending.answer(self.engine.state(), &mut self.waiters) {
                self.arrived.push_back(Message::Disconnect(unheard));
            }
        }
        self.publisher.wait_for_room();
    }

    /// After a failure of the store: whatever is asked, now or later, is refused.
    fn refuse_everything(mut self, rejection: Rejection) {
        tracing::error!(error = rejection.detail, "the store failed: nothing more is acknowledged");
        self.links.close_all();
        self.failed.send_replace(Some(rejection.clone()));
        self.waiters.take_all().for_each(|question| question.refuse(rejection.clone()));
        let mut arrived = std::mem::take(&mut self.arrived);
        while let Some(message) = arrived.pop_front().or_else(|| self.inbox.blocking_recv()) {
            if matches!(message, Message::Stop) {
                return;
            }
            message.refuse(&rejection);
        }
    }
}

/// Wakes the loop's thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
