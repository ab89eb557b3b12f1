//! Retries: backoff, its place in the queue, and outcomes that are final.

use gristmill_model::attempt::FailureKind;
use gristmill_model::command::Command;
use gristmill_model::job::JobState;
use gristmill_model::problem::Code;
use gristmill_model::{JobId, Span};

use crate::world::{World, failure, pipeline, success};

#[test]
fn a_failure_is_tried_again_after_a_growing_pause() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let worker = world.worker(1);
    let keep_alive = |world: &mut World, span| {
        world.pass(span);
        world.ask(Command::Heartbeat { worker }).unwrap();
    };
    world.report(worker, world.attempt_of(job), failure(FailureKind::Failed)).unwrap();
    assert_eq!(world.state(job), JobState::Retrying);
    keep_alive(&mut world, Span::millis(999));
    assert_eq!(world.state(job), JobState::Retrying);
    keep_alive(&mut world, Span::millis(1));
    assert_eq!(world.state(job), JobState::Running);
    world.report(worker, world.attempt_of(job), failure(FailureKind::TimedOut)).unwrap();
    keep_alive(&mut world, Span::millis(1_999));
    assert_eq!(world.state(job), JobState::Retrying, "the second pause is twice as long");
    keep_alive(&mut world, Span::millis(1));
    world.report(worker, world.attempt_of(job), failure(FailureKind::Failed)).unwrap();
    assert_eq!(world.state(job), JobState::Failed, "three attempts in all");
}

#[test]
fn an_input_that_can_never_succeed_is_not_tried_again() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let worker = world.worker(1);
    world.report(worker, world.attempt_of(job), failure(FailureKind::Invalid)).unwrap();
    assert_eq!(world.state(job), JobState::Failed);
}

#[test]
fn a_pause_does_not_cost_a_job_its_place() {
    let mut world = World::new();
    let first = world.submit(pipeline(&["a"]), &["old", "young", "younger"]).first;
    let worker = world.worker(1);
    world.report(worker, world.attempt_of(first), failure(FailureKind::Failed)).unwrap();
    world.pass(Span::seconds(1));
    assert_eq!(world.state(first), JobState::Queued, "the young one runs now");
    let young = JobId(first.0 + 1);
    world.report(worker, world.attempt_of(young), success("")).unwrap();
    assert_eq!(world.state(first), JobState::Running, "and the old one goes before the younger");
}

#[test]
fn a_person_may_retry_what_failed_and_not_what_runs() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let worker = world.worker(1);
    assert_eq!(world.ask(Command::RetryJob(job)).unwrap_err().code, Code::WrongState);
    world.report(worker, world.attempt_of(job), failure(FailureKind::Invalid)).unwrap();
    world.ask(Command::RetryJob(job)).unwrap();
    let attempt = world.engine.state().attempt(world.attempt_of(job)).unwrap();
    assert_eq!(attempt.number, 2, "attempts are numbered on");
    world.report(worker, world.attempt_of(job), success("")).unwrap();
    assert_eq!(world.ask(Command::RetryJob(job)).unwrap_err().code, Code::WrongState);
    assert_eq!(world.ask(Command::RetryJob(JobId(999))).unwrap_err().code, Code::NoSuchJob);
}

#[test]
fn a_person_may_shorten_a_pause() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let worker = world.worker(1);
    world.report(worker, world.attempt_of(job), failure(FailureKind::Failed)).unwrap();
    world.ask(Command::RetryJob(job)).unwrap();
    assert_eq!(world.state(job), JobState::Running);
}
