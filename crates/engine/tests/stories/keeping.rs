//! What is kept of batches that have finished, and what a quarantined job tells.

use gristmill_model::attempt::FailureKind;
use gristmill_model::command::{BatchKey, Command, PipelineRef, Reply, Submission};
use gristmill_model::event::Then;
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::problem::Code;
use gristmill_model::terms::{Dependency, Target, Terms, When};
use gristmill_model::{BatchId, JobId, JobRun, Span};

use crate::world::{World, failure, pipeline, success};

fn key() -> Option<BatchKey> {
    Some(BatchKey { key: "monday".into(), fingerprint: 7 })
}

#[test]
fn a_finished_batch_is_forgotten_after_a_while_with_its_keys() {
    let mut world = World::new();
    let worker = world.worker(8);
    let mut fragile = pipeline(&["a"]);
    fragile.stages[0].retry.attempts = 1;
    let job = |key: &str| JobSpec { key: Some(key.into()), ..JobSpec::of(Payload::empty()) };
    let made = world.submit_jobs(fragile.clone(), vec![job("x"), job("y")], key()).unwrap();
    let failed = JobId(made.first.0 + 1);
    world.report(worker, world.attempt_of(made.first), success("")).unwrap();
    world.report(worker, world.attempt_of(failed), failure(FailureKind::Failed)).unwrap();
    let again = world.submit_jobs(fragile.clone(), vec![job("x"), job("y")], key()).unwrap();
    assert!(again.replayed);

    world.pass(world.engine.state().timing().keep_finished);
    assert!(world.engine.state().batch(made.batch).is_none());
    assert_eq!(world.engine.state().jobs().count(), 0);
    let retried = world.ask(Command::RetryJob(failed)).unwrap_err();
    assert_eq!(retried.code, Code::BatchForgotten);
    assert!(retried.detail.contains("only its record is left"), "{}", retried.detail);
    let anew = world.submit_jobs(fragile, vec![job("x")], key()).unwrap();
    assert!(!anew.replayed && anew.known.is_empty(), "its keys are free again");
}

#[test]
fn what_was_forgotten_is_told_from_what_never_was() {
    let mut world = World::new();
    let old = world.submit(pipeline(&["a"]), &["x", "y", "z"]);
    world.ask(Command::CancelBatch(old.batch)).unwrap();
    world.pass(world.engine.state().timing().keep_finished);
    let young = world.submit(pipeline(&["a"]), &["x", "y"]);
    let dependency = Dependency { on: Target::Batch(old.batch), when: When::Finished };
    let terms = Terms { after: vec![dependency], ..Terms::default() };
    let spec = PipelineRef::Inline(pipeline(&["a"]));
    let late = Submission { terms, ..Submission::new(spec, vec![JobSpec::of(Payload::empty())]) };
    let jobs = vec![JobSpec::of(Payload::empty())];
    for command in [
        Command::CancelBatch(old.batch),
        Command::Hold(Target::Batch(old.batch)),
        Command::Append { batch: old.batch, jobs, range: None, close: false },
        Command::CancelJob(old.first),
        Command::Submit(Box::new(late)),
    ] {
        assert_eq!(world.ask(command).unwrap_err().code, Code::BatchForgotten);
    }
    let asked = world.engine.explain(world.at(), old.first).unwrap_err();
    assert_eq!(asked.code, Code::BatchForgotten);
    let never = Command::CancelBatch(BatchId(young.batch.0 + 1));
    assert_eq!(world.ask(never).unwrap_err().code, Code::NoSuchBatch);

    let state = world.engine.state();
    let run = |first: u64, count| JobRun { first: JobId(old.first.0 + first), count };
    assert_eq!(state.forgotten_among(run(0, 5)), 3);
    assert_eq!(state.forgotten_among(run(1, 3)), 2);
    assert_eq!(state.forgotten_among(run(4, 1)), 0);
    let all = Command::RetryJobs(vec![run(0, 5)]);
    assert_eq!(world.ask(all).unwrap(), Reply::Count(0));
}

#[test]
fn what_has_not_finished_is_kept_however_old() {
    let mut world = World::new();
    let made = world.submit(pipeline(&["a"]), &["x"]);
    let long = Span(world.engine.state().timing().keep_finished.0 * 3);
    world.pass(long);
    assert_eq!(world.state(made.first), JobState::Queued);
    world.ask(Command::CancelBatch(made.batch)).unwrap();
    world.pass(Span(long.0 / 3 - 1));
    world.ask(Command::RetryJob(made.first)).expect("the while begins with the end");
    world.pass(long);
    assert_eq!(world.state(made.first), JobState::Queued, "it runs again and is kept");
}

#[test]
fn a_job_that_kills_its_workers_is_set_aside_with_the_evidence() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["poison"]).first;
    let mut evidence = Vec::new();
    for _ in 0..3 {
        let worker = world.worker(1);
        evidence.push(format!("{worker} while it ran {}", world.attempt_of(job)));
        world.pass(Span::seconds(20));
    }
    assert_eq!(world.state(job), JobState::Failed);
    let (failure, then) = world.last_failure();
    assert_eq!((failure.code.as_str(), then), ("quarantined", Then::Fail));
    for death in evidence {
        assert!(failure.message.contains(&death), "{} tells of {death}", failure.message);
        let why = world.engine.explain(world.at(), job).unwrap().summary;
        assert!(why.starts_with("quarantined: 3 workers died with it"), "{why}");
        assert!(why.contains(&death), "{why} tells of {death}");
    }
    world.ask(Command::RetryJob(job)).unwrap();
    world.worker(1);
    world.pass(Span::seconds(20));
    assert_eq!(world.state(job), JobState::Queued, "a retry by hand begins the count anew");
}

#[test]
fn the_spot_check_goes_round() {
    let mut world = World::new();
    world.submit(pipeline(&["a"]), &["x"; 100]);
    world.worker(4);
    (0..100).for_each(|_| world.engine.spot_check(7));
}
