//! Explanations say what the scheduler itself would say.

use gristmill_model::command::Command;
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::problem::Code;
use gristmill_model::{JobId, Span};

use crate::world::{World, pipeline, success};

fn summary(world: &World, job: JobId) -> String {
    world.engine.explain(world.now, job).unwrap().summary
}

#[test]
fn a_queued_job_says_what_it_waits_for() {
    let mut world = World::new();
    let mut big = pipeline(&["a"]);
    big.stages[0].resources.cpus = 8_000;
    let job = world.submit(big, &["x"]).first;
    assert!(summary(&world, job).contains("start one with `gristmill work`"));
    world.worker(2);
    let explanation = world.engine.explain(world.now, job).unwrap();
    assert_eq!(explanation.workers[0].reason, "needs 8 cpus, has 2");
    assert!(!explanation.workers[0].fits);
}

#[test]
fn every_reason_has_its_words() {
    let mut world = World::new();
    let made = world.submit(pipeline(&["a"]), &["runs", "waits"]);
    let worker = world.worker(1);
    let waits = JobId(made.first.0 + 1);
    let reason = |world: &World, job| {
        world.engine.explain(world.now, job).unwrap().workers[0].reason.clone()
    };
    assert_eq!(reason(&world, waits), "it is busy: 1 running, 0 waiting");
    assert!(summary(&world, made.first).contains("number 1, has run for 0s on worker w1"));
    let path = JobSpec { output: Some("/tmp/x".into()), ..JobSpec::of(Payload::empty()) };
    let shared = world.submit_jobs(pipeline(&["a"]), vec![path], None).unwrap().first;
    assert!(reason(&world, shared).contains("shares no disk"));
    world.ask(Command::Drain(worker)).unwrap();
    assert!(reason(&world, waits).contains("draining"));
    world.ask(Command::Disconnect(worker)).unwrap();
    assert!(reason(&world, waits).contains("connection is broken"));
    assert_eq!(world.engine.explain(world.now, waits).unwrap().ahead, Some(0));
}

#[test]
fn what_is_over_is_explained_too() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let worker = world.worker(1);
    world.report(worker, world.attempt_of(job), success("")).unwrap();
    let explanation = world.engine.explain(world.now, job).unwrap();
    assert_eq!(explanation.state, JobState::Succeeded);
    assert_eq!(world.engine.explain(world.now, JobId(77)).unwrap_err().code, Code::NoSuchJob);
    world.pass(Span::ZERO);
}
