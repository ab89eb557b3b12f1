//! Cancelling what waits, what runs, and a whole batch.

use gristmill_model::attempt::FailureKind;
use gristmill_model::command::{Command, Reply};
use gristmill_model::job::JobState;
use gristmill_model::problem::Code;
use gristmill_model::wire::ToWorker;
use gristmill_model::{JobId, Span};

use crate::world::{World, failure, pipeline, success};

#[test]
fn a_waiting_job_is_cancelled_at_once() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    world.ask(Command::CancelJob(job)).unwrap();
    assert_eq!(world.state(job), JobState::Cancelled);
    assert_eq!(world.ask(Command::CancelJob(job)).unwrap_err().code, Code::WrongState);
    world.worker(1);
    assert_eq!(world.state(job), JobState::Cancelled, "and never leased");
}

#[test]
fn a_running_job_is_cancelled_when_its_worker_says_so() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let worker = world.worker(1);
    let attempt = world.attempt_of(job);
    let mark = world.log.len();
    assert_eq!(world.ask(Command::CancelJob(job)).unwrap(), Reply::Count(1));
    assert_eq!(world.ask(Command::CancelJob(job)).unwrap(), Reply::Count(0), "asked already");
    let frames = gristmill_engine::link::frames(&world.engine, &world.log[mark..]);
    assert_eq!(frames, vec![(worker, ToWorker::Stop(vec![attempt]))]);
    assert_eq!(world.state(job), JobState::Cancelling);
    world.report(worker, attempt, failure(FailureKind::Failed)).unwrap();
    assert_eq!(world.state(job), JobState::Cancelled, "however its end is called");
}

#[test]
fn a_result_that_was_there_first_is_kept() {
    let mut world = World::new();
    let done = world.submit(pipeline(&["a"]), &["x"]).first;
    let staged = world.submit(pipeline(&["a", "b"]), &["y"]).first;
    let worker = world.worker(2);
    for job in [done, staged] {
        world.ask(Command::CancelJob(job)).unwrap();
        world.report(worker, world.attempt_of(job), success("there")).unwrap();
    }
    assert_eq!(world.state(done), JobState::Succeeded);
    assert_eq!(world.state(staged), JobState::Cancelled, "no further stage is begun");
}

#[test]
fn a_cancel_survives_restart_and_reconnect() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    world.greet(1, 1, &[]);
    let attempt = world.attempt_of(job);
    world.ask(Command::CancelJob(job)).unwrap();
    world.restart();
    let before = world.engine.clone();
    let (worker, _) = world.greet(1, 1, &[attempt]);
    drop(before);
    let connected = gristmill_model::event::Record {
        at: world.now.into(),
        actor: gristmill_model::access::Actor::worker(worker),
        event: gristmill_model::event::Event::Ephemeral(
            gristmill_model::event::EphemeralEvent::WorkerConnected {
                worker,
                prefetch: 0,
                until: world.now,
            },
        ),
    };
    let frames = gristmill_engine::link::frames(&world.engine, &[connected]);
    assert_eq!(frames, vec![(worker, ToWorker::Stop(vec![attempt]))], "the worker is reminded");
}

#[test]
fn a_cancelled_job_whose_worker_dies_is_cancelled() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    world.worker(1);
    world.ask(Command::CancelJob(job)).unwrap();
    world.pass(Span::seconds(16));
    assert_eq!(world.state(job), JobState::Cancelled);
}

#[test]
fn a_batch_is_cancelled_whole() {
    let mut world = World::new();
    let made = world.submit(pipeline(&["a"]), &["runs", "waits", "waits too"]);
    let worker = world.worker(1);
    assert_eq!(world.ask(Command::CancelBatch(made.batch)).unwrap(), Reply::Count(3));
    assert_eq!(world.state(made.first), JobState::Cancelling);
    assert_eq!(world.state(JobId(made.first.0 + 2)), JobState::Cancelled);
    world.report(worker, world.attempt_of(made.first), failure(FailureKind::Cancelled)).unwrap();
    let batch = world.engine.state().batch(made.batch).unwrap();
    assert!(batch.is_finished());
    assert_eq!(batch.count(JobState::Cancelled), 3);
    assert_eq!(world.engine.state().live_jobs(), 0);
}
