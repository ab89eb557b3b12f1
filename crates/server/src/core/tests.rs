//! The loop's own promises: nothing is said before it is durable, and nothing at all once the store
//! has failed. What it says when all is well the tests of the whole server hear.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use gristmill_engine::Engine;
use gristmill_model::access::Actor;
use gristmill_model::command::{Command, Greeting, PipelineRef, Reply, Request, Submission};
use gristmill_model::event::Record;
use gristmill_model::job::JobSpec;
use gristmill_model::limits::Timing;
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::resources::Capacity;
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{BatchId, JobId, Time};
use tokio::sync::{mpsc, oneshot, watch};

mod schedules;

use super::{Core, Goal, Message};
use crate::feed::{self, Feed, Tail};
use crate::log::{Compaction, Log, LogError, LogReader, MemoryLog};

/// A log whose disk is full after a number of appends.
struct Failing {
    log: MemoryLog,
    good: usize,
    tried: Arc<AtomicUsize>,
}

impl Log for Failing {
    fn append(&mut self, records: &[Record]) -> Result<u64, LogError> {
        if records.iter().any(|record| record.event.is_durable()) {
            let tried = self.tried.fetch_add(1, Ordering::SeqCst);
            if tried >= self.good {
                return Err(LogError::Full { path: "log.db".into() });
            }
        }
        self.log.append(records)
    }

    fn last(&self) -> u64 {
        self.log.last()
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        self.log.reader()
    }

    fn compaction(&self) -> Result<Box<dyn Compaction>, LogError> {
        self.log.compaction()
    }
}

/// A running loop.
struct Loop {
    inbox: mpsc::Sender<Message>,
    failed: watch::Receiver<Option<Rejection>>,
    feed: Feed,
    log: MemoryLog,
    tried: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Loop {
    /// A loop whose log takes so many appends.
    fn start(good: usize) -> Loop {
        let (log, tried) = (MemoryLog::default(), Arc::new(AtomicUsize::new(0)));
        let (publisher, feed) = feed::feed(Arc::new(Tail::new(0)));
        let (inbox, messages) = mpsc::channel(16);
        let (fails, failed) = watch::channel(None);
        let failing = Failing { log: log.clone(), good, tried: Arc::clone(&tried) };
        let engine = Engine::new(Timing::default());
        let core =
            Core::new(engine, Box::new(failing), Box::new(|| Time(1)), messages, publisher, fails);
        let thread = thread::spawn(move || core.run());
        Loop { inbox, failed, feed, log, tried, thread }
    }

    fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<Result<T, Rejection>>) -> Message,
    ) -> Result<T, Rejection> {
        let (answer, answered) = oneshot::channel();
        self.inbox.blocking_send(message(answer)).unwrap();
        answered.blocking_recv().unwrap()
    }

    fn submit(&self) -> Result<Reply, Rejection> {
        let request = Request { actor: Actor::LOCAL, command: submission() };
        self.ask(|answer| Message::Request { request, answer })
    }

    fn stop(self) {
        self.inbox.blocking_send(Message::Stop).unwrap();
        self.thread.join().unwrap();
    }
}

fn submission() -> Command {
    let command = CommandSpec { argv: vec!["true".into()], shell: false, env: Default::default() };
    let stage = StageSpec::new("only", Handler::Command(command));
    let spec = PipelineSpec { name: "p".into(), stages: vec![stage] };
    let jobs = vec![JobSpec::of(Payload::empty())];
    Command::Submit(Box::new(Submission::new(PipelineRef::Inline(spec), jobs)))
}

#[test]
fn an_answer_comes_after_the_append() {
    let running = Loop::start(usize::MAX);
    for n in 1..=3 {
        assert!(matches!(running.submit(), Ok(Reply::Batch(_))));
        assert_eq!(running.feed.committed(), running.log.last());
        assert!(running.log.last() >= 3 * n);
    }
    running.stop();
}

#[test]
fn after_a_failed_append_nothing_is_acknowledged_or_written() {
    let running = Loop::start(1);
    assert!(running.submit().is_ok());
    let (kept, committed) = (running.log.last(), running.feed.committed());
    let (answer, waits) = oneshot::channel();
    let goal = Goal::Job(JobId(1));
    running.inbox.blocking_send(Message::wait(goal, |_| (), answer)).unwrap();

    for _ in 0..3 {
        let refused = running.submit().unwrap_err();
        assert_eq!(refused.code, Code::StoreUnavailable);
        assert!(refused.detail.contains("log.db: the disk is full"), "{refused}");
    }
    assert_eq!(waits.blocking_recv().unwrap().unwrap_err().code, Code::StoreUnavailable);
    let explained = running.ask(|answer| Message::Explain { job: JobId(1), answer });
    assert_eq!(explained.unwrap_err().code, Code::StoreUnavailable);
    assert!(running.ask(Message::Snapshot).is_err());
    let (frames, mut hears) = mpsc::channel(1);
    let late = WorkerDescription::new("late", &["command"], Capacity::of_cpus(1));
    let greeting = Greeting::new(1, late);
    let greeted = running.ask(|answer| Message::Greet { greeting, frames, answer });
    assert_eq!(greeted.unwrap_err().code, Code::StoreUnavailable);
    assert_eq!(hears.blocking_recv(), None);

    let told = running.failed.borrow().clone().unwrap();
    assert_eq!(told.code, Code::StoreUnavailable);
    assert_eq!(running.tried.load(Ordering::SeqCst), 2, "it was not tried again");
    assert_eq!((running.log.last(), running.feed.committed()), (kept, committed));
    running.stop();
}

#[test]
fn whoever_waits_for_what_is_final_or_unknown_is_answered_at_once() {
    let running = Loop::start(usize::MAX);
    running.submit().unwrap();
    for goal in [Goal::Job(JobId(9)), Goal::Batch(BatchId(9))] {
        running.ask(|answer| Message::wait(goal, |_| (), answer)).unwrap();
    }
    let (answer, mut waits) = oneshot::channel();
    let goal = Goal::Batch(BatchId(1));
    running.inbox.blocking_send(Message::wait(goal, |_| (), answer)).unwrap();
    running.ask(Message::Snapshot).unwrap();
    assert!(waits.try_recv().is_err(), "the batch is not done");
    let request = Request { actor: Actor::LOCAL, command: Command::CancelBatch(BatchId(1)) };
    running.ask(|answer| Message::Request { request, answer }).unwrap();
    waits.blocking_recv().unwrap().unwrap();
    running.stop();
}
