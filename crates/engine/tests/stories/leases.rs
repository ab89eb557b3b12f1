//! Leases: dead workers, zombies, reconnects, timeouts.

use gristmill_engine::link;
use gristmill_model::attempt::{FailureKind, Outcome, Usage};
use gristmill_model::command::Command;
use gristmill_model::event::Then;
use gristmill_model::job::JobState;
use gristmill_model::problem::Code;
use gristmill_model::wire::{Ended, FromWorker, ToWorker};
use gristmill_model::{AttemptId, Span};

use crate::world::{World, failure, pipeline, success};

#[test]
fn a_dead_worker_is_noticed_and_its_work_given_away() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let dead = world.greet(1, 1, &[]).0;
    let zombie = world.attempt_of(job);
    world.pass(Span::seconds(10));
    let living = world.greet(2, 1, &[]).0;
    world.pass(Span::millis(5_001));
    assert!(world.engine.state().worker(dead).is_none(), "its lease ran out after 15 s");
    let second = world.attempt_of(job);
    assert_ne!(second, zombie);
    let late = world.report(dead, zombie, success("late")).unwrap_err();
    assert_eq!(late.code, Code::NoSuchWorker);
    world.report(living, second, success("good")).unwrap();
    assert_eq!(world.state(job), JobState::Succeeded);
    assert_eq!(
        world.report(living, second, success("twice")).unwrap_err().code,
        Code::StaleAttempt
    );
}

#[test]
fn heartbeats_keep_a_long_job_for_ever() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let worker = world.worker(1);
    let attempt = world.attempt_of(job);
    for _ in 0..1_000 {
        world.pass(Span::seconds(10));
        world.ask(Command::Heartbeat { worker }).unwrap();
    }
    assert_eq!(world.attempt_of(job), attempt);
}

#[test]
fn another_workers_attempt_cannot_be_reported() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    world.greet(1, 1, &[]);
    let thief = world.greet(2, 1, &[]).0;
    let attempt = world.attempt_of(job);
    assert_eq!(world.report(thief, attempt, success("mine")).unwrap_err().code, Code::StaleAttempt);
    assert_eq!(world.state(job), JobState::Running);
}

#[test]
fn a_worker_that_comes_back_keeps_what_it_holds() {
    let mut world = World::new();
    let jobs = world.submit(pipeline(&["a"]), &["x", "y"]).first;
    let worker = world.greet(1, 2, &[]).0;
    let held = world.attempt_of(jobs);
    let undelivered = world.attempt_of(gristmill_model::JobId(jobs.0 + 1));
    world.ask(Command::Disconnect(worker)).unwrap();
    world.pass(Span::seconds(4));
    let (again, stale) = world.greet(1, 2, &[held, AttemptId(999)]);
    assert_eq!(again, worker);
    assert_eq!(stale, vec![AttemptId(999)]);
    assert_eq!(world.attempt_of(jobs), held);
    let (failure, then) = world.last_failure();
    assert_eq!((failure.code.as_str(), then), ("undelivered", Then::Requeue));
    let fresh = world.attempt_of(gristmill_model::JobId(jobs.0 + 1));
    assert_ne!(fresh, undelivered, "it is leased again, under a new fence");
}

#[test]
fn a_restart_keeps_running_jobs_running() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let worker = world.greet(1, 1, &[]).0;
    let attempt = world.attempt_of(job);
    world.pass(Span::seconds(3));
    world.restart();
    assert_eq!(world.state(job), JobState::Running);
    world.pass(Span::seconds(14));
    assert_eq!(world.attempt_of(job), attempt, "the grace still runs");
    assert_eq!(world.greet(1, 1, &[attempt]), (worker, vec![]));
    world.report(worker, attempt, success("done")).unwrap();
    assert_eq!(world.state(job), JobState::Succeeded);
}

#[test]
fn a_job_that_kills_three_workers_is_quarantined() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["poison"]).first;
    for instance in 1..=3 {
        world.greet(instance, 1, &[]);
        assert_eq!(world.state(job), JobState::Running);
        world.pass(Span::seconds(16));
    }
    assert_eq!(world.state(job), JobState::Failed);
    let (failure, then) = world.last_failure();
    assert_eq!((failure.code.as_str(), then), ("quarantined", Then::Fail));
    assert!(failure.message.contains("3 workers died"), "{}", failure.message);
}

#[test]
fn what_waits_in_a_dead_workers_backlog_is_not_blamed() {
    let mut world = World::new();
    let first = world.submit(pipeline(&["a"]), &["runs", "waits"]).first;
    let worker = world.greet(1, 1, &[]).0;
    world.ask(Command::SetPrefetch { worker, prefetch: 4 }).unwrap();
    let waiting = gristmill_model::JobId(first.0 + 1);
    assert_eq!(world.state(waiting), JobState::Running, "leased ahead");
    world.pass(Span::seconds(16));
    let lost = |job| world.engine.state().job(job).unwrap().deaths.len();
    assert_eq!((lost(first), lost(waiting)), (1, 0));
}

#[test]
fn a_worker_that_does_not_end_an_attempt_at_its_timeout_is_overruled() {
    let mut world = World::new();
    let mut spec = pipeline(&["a"]);
    spec.stages[0].timeout = Some(Span::seconds(10));
    spec.stages[0].retry.attempts = 1;
    let job = world.submit(spec, &["x"]).first;
    let worker = world.worker(1);
    for _ in 0..6 {
        world.pass(Span::seconds(4));
        world.ask(Command::Heartbeat { worker }).unwrap();
    }
    assert_eq!(world.state(job), JobState::Running, "the worker has time to end it itself");
    world.pass(Span::seconds(2));
    assert_eq!(world.state(job), JobState::Failed);
    assert_eq!(world.last_failure().0.kind, FailureKind::TimedOut);
}

#[test]
fn a_draining_worker_gets_no_more_and_leaves_with_empty_hands() {
    let mut world = World::new();
    let first = world.submit(pipeline(&["a"]), &["x", "y"]).first;
    let worker = world.worker(1);
    world.ask(Command::Drain(worker)).unwrap();
    world.report(worker, world.attempt_of(first), success("x")).unwrap();
    let second = gristmill_model::JobId(first.0 + 1);
    assert_eq!(world.state(second), JobState::Queued);
    world.ask(Command::Leave(worker)).unwrap();
    assert!(world.engine.state().worker(worker).is_none());
}

#[test]
fn a_worker_that_stops_hands_its_work_back_unblamed() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let worker = world.worker(1);
    let ended: Outcome = failure(FailureKind::Cancelled);
    world.ask(Command::Drain(worker)).unwrap();
    world.report(worker, world.attempt_of(job), ended).unwrap();
    assert_eq!(world.state(job), JobState::Queued);
    assert_eq!(world.engine.state().job(job).unwrap().failures, 0);
}

#[test]
fn a_clock_that_goes_back_changes_nothing() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let worker = world.worker(1);
    world.pass(Span::seconds(5));
    world.now = gristmill_model::Time(1);
    world.ask(Command::Heartbeat { worker }).unwrap();
    assert_eq!(world.state(job), JobState::Running);
    assert!(world.log.is_sorted_by_key(|record| record.at), "time in the log never goes back");
}

#[test]
fn a_clock_set_forward_over_a_restart_makes_no_attempt_overdue() {
    let mut world = World::new();
    let mut spec = pipeline(&["a"]);
    spec.stages[0].timeout = Some(Span::seconds(600));
    let job = world.submit(spec, &["x"]).first;
    world.greet(1, 1, &[]);
    let attempt = world.attempt_of(job);
    world.now = world.now + Span::seconds(86_400);
    world.restart();
    let (worker, stale) = world.greet(1, 1, &[attempt]);
    assert_eq!(stale, []);
    for _ in 0..60 {
        world.pass(Span::seconds(10));
        world.ask(Command::Heartbeat { worker }).unwrap();
    }
    assert_eq!(world.attempt_of(job), attempt, "it has not run for its timeout yet");
    for _ in 0..4 {
        world.pass(Span::seconds(10));
        let _ = world.ask(Command::Heartbeat { worker });
    }
    assert_eq!(world.last_failure().0.code, "overdue", "in the end it is");
}

#[test]
fn whatever_a_worker_says_is_a_sign_of_life() {
    let late = Ended {
        attempt: AttemptId(99),
        outcome: success("late"),
        usage: Usage::default(),
        devices: Vec::new(),
    };
    for frame in [FromWorker::Ended(vec![late]), FromWorker::Draining] {
        let mut world = World::new();
        let worker = world.worker(1);
        world.pass(Span::seconds(10));
        for command in link::commands(worker, frame) {
            let _ = world.ask(command);
        }
        world.pass(Span::seconds(10));
        assert!(world.engine.state().worker(worker).is_some(), "it spoke ten seconds ago");
    }
}

#[test]
fn a_worker_is_told_to_stop_only_what_it_may_still_run() {
    let stops = |world: &World| {
        let frames = link::frames(&world.engine, &world.log);
        frames.into_iter().any(|(_, frame)| matches!(frame, ToWorker::Stop(_)))
    };
    let mut spec = pipeline(&["a"]);
    spec.stages[0].timeout = Some(Span::seconds(1));
    let mut world = World::new();
    let job = world.submit(spec.clone(), &["x"]).first;
    let worker = world.worker(1);
    world.report(worker, world.attempt_of(job), failure(FailureKind::TimedOut)).unwrap();
    assert!(!stops(&world), "it said itself that it has ended the attempt");

    let mut world = World::new();
    world.submit(spec, &["x"]);
    let worker = world.worker(1);
    for _ in 0..8 {
        world.pass(Span::seconds(2));
        world.ask(Command::Heartbeat { worker }).unwrap();
    }
    assert!(stops(&world), "it lives and has not said a word about the attempt");
}
