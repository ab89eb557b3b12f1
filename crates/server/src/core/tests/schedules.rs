//! The loop sleeps by parking its thread; who writes into its inbox wakes it, and so does the
//! engine's next deadline. Looked at under thousands of schedules: nothing is slept through.

use gristmill_model::Span;
use gristmill_model::terms::Terms;
use gristmill_threads::{Clock, Model, Planted};
use shuttle::future::block_on;
use shuttle::thread::{self, JoinHandle};

use super::*;
use crate::threads::Instant;

/// Fewer than usual: an engine is dear.
const SCHEDULES: usize = 600;

/// A running loop over a log that is well, steered by the model.
struct Steered {
    inbox: mpsc::Sender<Message>,
    feed: Feed,
    log: MemoryLog,
    thread: JoinHandle<()>,
}

impl Steered {
    /// A loop whose inbox holds one message: who writes may have to wait for room.
    fn start() -> Steered {
        let log = MemoryLog::default();
        let (publisher, feed) = feed::feed(Arc::new(Tail::new(0)));
        let (inbox, messages) = mpsc::channel(1);
        let (fails, _) = watch::channel(None);
        let engine = Engine::new(Timing::default());
        let kept = Box::new(log.clone());
        let started = Instant::now();
        let wall = Box::new(move || Time(1) + Span::from_std(started.elapsed()));
        let core = Core::new(engine, kept, wall, messages, publisher, fails);
        Steered { inbox, feed, log, thread: thread::spawn(move || core.run()) }
    }

    fn client(&self, does: impl FnOnce(&mpsc::Sender<Message>) + Send + 'static) -> JoinHandle<()> {
        let inbox = self.inbox.clone();
        thread::spawn(move || does(&inbox))
    }
}

fn ask<T>(
    inbox: &mpsc::Sender<Message>,
    message: impl FnOnce(oneshot::Sender<Result<T, Rejection>>) -> Message,
) -> T {
    let (answer, answered) = oneshot::channel();
    block_on(inbox.send(message(answer))).unwrap();
    block_on(answered).unwrap().unwrap()
}

fn request(inbox: &mpsc::Sender<Message>, command: Command) {
    let request = Request { actor: Actor::LOCAL, command };
    ask(inbox, |answer| Message::Request { request, answer });
}

/// Two clients are answered; what they were told is in the log. Then the loop ends: it is told to,
/// or nobody is left who could speak.
fn two_clients_and_an_end(told: bool) {
    let running = Steered::start();
    let clients = [0, 1].map(|_| {
        let log = running.log.clone();
        running.client(move |inbox| {
            let before = log.last();
            request(inbox, submission());
            assert!(log.last() >= before + 3);
        })
    });
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(running.feed.committed(), running.log.last());
    if told {
        block_on(running.inbox.send(Message::Stop)).unwrap();
    }
    drop(running.inbox);
    running.thread.join().unwrap();
}

#[test]
fn no_message_is_slept_through() {
    let model = Model::new(Clock::StandsStill).at_most(SCHEDULES);
    model.explore(|| two_clients_and_an_end(true));
    let forgetful = Model::new(Clock::StandsStill).with(Planted::WakeIsForgotten);
    assert!(forgetful.finds(|| two_clients_and_an_end(true)).is_standstill());
}

#[test]
fn the_end_of_all_who_could_speak_is_heard() {
    let model = Model::new(Clock::StandsStill).at_most(SCHEDULES);
    model.explore(|| two_clients_and_an_end(false));
}

/// One waits for the end of a batch that no worker takes: it comes when the batch expires.
fn a_batch_expires() {
    let running = Steered::start();
    let waits = running.client(|inbox| {
        let Command::Submit(submission) = submission() else { unreachable!("it submits") };
        let expires_at = Some(Time(1) + Span::seconds(10));
        let terms = Terms { expires_at, ..Terms::default() };
        request(inbox, Command::Submit(Box::new(Submission { terms, ..*submission })));
        ask(inbox, |answer| Message::wait(Goal::Batch(BatchId(1)), |_| (), answer));
    });
    let other = running.client(|inbox| {
        ask(inbox, Message::Snapshot);
    });
    other.join().unwrap();
    waits.join().unwrap();
    block_on(running.inbox.send(Message::Stop)).unwrap();
    running.thread.join().unwrap();
}

#[test]
fn no_deadline_is_slept_through() {
    Model::new(Clock::Passes).at_most(SCHEDULES).explore(a_batch_expires);
    let timeless = Model::new(Clock::StandsStill).finds(a_batch_expires);
    assert!(timeless.is_standstill(), "it is the deadline that wakes the loop");
}
