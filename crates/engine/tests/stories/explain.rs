//! Explanations say what the scheduler itself would say.

use std::collections::BTreeMap;

use gristmill_model::api::Explanation;
use gristmill_model::command::{Command, Greeting, PipelineRef, Reply, Submission};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::problem::Code;
use gristmill_model::scope::{Limit, Rate, Scope};
use gristmill_model::terms::{Target, Terms};
use gristmill_model::{JobId, Span, Time, WorkerId};

use crate::world::{World, pipeline, success};

fn summary(world: &World, job: JobId) -> String {
    world.engine.explain(world.at(), job).unwrap().summary
}

#[test]
fn a_queued_job_says_what_it_waits_for() {
    let mut world = World::new();
    let mut big = pipeline(&["a"]);
    big.stages[0].resources.cpus = 8_000;
    let job = world.submit(big, &["x"]).first;
    assert!(summary(&world, job).contains("start one with `gristmill work`"));
    world.worker(2);
    let explanation = world.engine.explain(world.at(), job).unwrap();
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
        world.engine.explain(world.at(), job).unwrap().workers[0].reason.clone()
    };
    assert_eq!(
        reason(&world, waits),
        "it is busy: 1 running, 0 waiting; 0 of 1 cpus free, 1 wanted"
    );
    assert!(summary(&world, made.first).contains("number 1, has run for 0s on worker w1"));
    let path = JobSpec { output: Some("/tmp/x".into()), ..JobSpec::of(Payload::empty()) };
    let shared = world.submit_jobs(pipeline(&["a"]), vec![path], None).unwrap().first;
    assert!(reason(&world, shared).contains("shares no disk"));
    world.ask(Command::Drain(worker)).unwrap();
    assert!(reason(&world, waits).contains("draining"));
    world.ask(Command::Disconnect(worker)).unwrap();
    assert!(reason(&world, waits).contains("connection is broken"));
    assert_eq!(world.engine.explain(world.at(), waits).unwrap().ahead, Some(0));
}

#[test]
fn what_is_over_is_explained_too() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let worker = world.worker(1);
    world.report(worker, world.attempt_of(job), success("")).unwrap();
    let explanation = world.engine.explain(world.at(), job).unwrap();
    assert_eq!(explanation.state, JobState::Succeeded);
    assert_eq!(world.engine.explain(world.at(), JobId(77)).unwrap_err().code, Code::NoSuchJob);
    world.pass(Span::ZERO);
}

fn explain(world: &World, job: JobId) -> Explanation {
    world.engine.explain(world.at(), job).unwrap()
}

/// A worker of one CPU that likes to hold so many beyond those that run.
fn prefetching(world: &mut World, prefetch: u32) -> WorkerId {
    let greeting = Greeting { prefetch, ..crate::world::greeting(7, 1) };
    match world.ask(Command::Greet(Box::new(greeting))).unwrap() {
        Reply::Welcome { worker, .. } => worker,
        other => panic!("{other:?}"),
    }
}

/// Lets one job run for two seconds, and then nothing happen for a long while.
fn warm_up(world: &mut World, worker: WorkerId) {
    let first = world.submit(pipeline(&["a"]), &["x"]).first;
    world.pass(Span::seconds(2));
    world.report(worker, world.attempt_of(first), success("")).unwrap();
    for _ in 0..60 {
        world.pass(Span::seconds(10));
        world.ask(Command::Heartbeat { worker }).unwrap();
    }
}

fn last_of(world: &mut World, jobs: u64) -> JobId {
    let made = world.submit(pipeline(&["a"]), &vec!["x"; jobs as usize]);
    JobId(made.first.0 + jobs - 1)
}

#[test]
fn a_start_is_estimated_from_how_long_runs_took_and_not_from_how_long_nothing_came() {
    let mut world = World::new();
    let worker = prefetching(&mut world, 0);
    warm_up(&mut world, worker);
    let last = last_of(&mut world, 5);
    let why = explain(&world, last);
    assert_eq!(why.ahead, Some(3));
    assert_eq!(why.estimated_start, Some(world.now + Span::seconds(8)));
    let other = world.submit(pipeline(&["another"]), &["x"]).first;
    let why = explain(&world, other);
    assert_eq!(why.ahead, Some(4));
    assert_eq!(why.estimated_start, Some(world.now + Span::seconds(10)), "its own does not matter");
}

#[test]
fn what_waits_at_the_workers_already_goes_first_too() {
    let mut world = World::new();
    let worker = prefetching(&mut world, 8);
    warm_up(&mut world, worker);
    let last = last_of(&mut world, 12);
    let why = explain(&world, last);
    assert_eq!(why.ahead, Some(2));
    assert_eq!(why.estimated_start, Some(world.now + Span::seconds(22)), "1 runs, 8 wait there");
}

#[test]
fn a_start_is_estimated_where_the_ways_are_many_or_a_limit_narrows_them() {
    let mut world = World::new();
    let worker = world.worker(4);
    warm_up(&mut world, worker);
    let last = last_of(&mut world, 12);
    assert_eq!(explain(&world, last).estimated_start, Some(world.now + Span::seconds(4)));
    let limit = Limit { concurrency: Some(1), rate: None };
    let (project, scope) = ("default".into(), Scope::Project);
    world.ask(Command::SetLimit { project, scope, limit }).unwrap();
    let why = explain(&world, last);
    assert_eq!(why.estimated_start, Some(world.now + Span::seconds(16)), "{why:?}");
}

#[test]
fn where_only_a_time_is_waited_for_that_is_the_estimate() {
    let mut world = World::new();
    let (worker, soon) = (world.worker(4), world.now + Span::seconds(60));
    let terms = Terms { start_at: Some(soon), ..Terms::default() };
    let spec = PipelineRef::Inline(pipeline(&["a"]));
    let jobs = vec![JobSpec::of(Payload::empty())];
    let made = world.submit_batch(Submission { terms, ..Submission::new(spec, jobs) }).unwrap();
    assert_eq!(explain(&world, made.first).estimated_start, Some(soon));
    world.ask(Command::Hold(Target::Batch(made.batch))).unwrap();
    assert_eq!(explain(&world, made.first).estimated_start, None, "nobody knows when it is let go");

    let rate = Rate { count: 1, per: Span::seconds(100) };
    let limit = Limit { concurrency: None, rate: Some(rate) };
    let (project, scope) = ("default".into(), Scope::Project);
    world.ask(Command::SetLimit { project, scope, limit }).unwrap();
    let start: Time = world.now;
    let made = world.submit(pipeline(&["a"]), &["x", "y"]);
    world.report(worker, world.attempt_of(made.first), success("")).unwrap();
    let next = JobId(made.first.0 + 1);
    assert_eq!(explain(&world, next).estimated_start, Some(start + Span::seconds(100)));
}

#[test]
fn what_cannot_begin_has_no_estimate_and_the_advice_that_helps() {
    let mut world = World::new();
    let worker = prefetching(&mut world, 0);
    warm_up(&mut world, worker);
    world.ask(Command::PauseWorker { worker, paused: true }).unwrap();
    let job = last_of(&mut world, 1);
    let why = explain(&world, job);
    assert_eq!(why.would_help, [format!("gristmill resume {worker}")]);
    assert_eq!(why.estimated_start, None);

    world.ask(Command::Hold(Target::Job(job))).unwrap();
    let why = explain(&world, job);
    assert_eq!(why.would_help, [format!("gristmill release {job}")]);
    assert_eq!(why.estimated_start, None);
    world.ask(Command::PauseWorker { worker, paused: false }).unwrap();

    let mut picky = pipeline(&["a"]);
    picky.stages[0].requires = BTreeMap::from([("zone".into(), "moon".into())]);
    let job = world.submit(picky, &["x"]).first;
    let why = explain(&world, job);
    let told = "no worker that is known or declared could ever run it; the nearest, worker w1: \
                it has no label zone=moon";
    assert!(why.summary.contains(told), "{}", why.summary);
    assert_eq!(why.would_help, ["a worker that runs `command` and has label zone=moon"]);
    assert_eq!(why.estimated_start, None);
}

#[test]
fn who_waits_behind_others_would_like_another_worker() {
    let mut world = World::new();
    prefetching(&mut world, 0);
    let why_last = |world: &mut World| {
        let last = last_of(world, 2);
        explain(world, last)
    };
    let why = why_last(&mut world);
    assert_eq!(why.would_help, ["another worker that runs `command`"]);
    assert_eq!(why.estimated_start, None, "nothing has run to its end yet");
}
