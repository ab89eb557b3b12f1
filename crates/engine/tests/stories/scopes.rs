//! Limits, pauses and drains by project, pipeline, stage and free key.

use gristmill_model::attempt::FailureKind;
use gristmill_model::command::{Command, PipelineRef, Submission, Submitted};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::problem::Code;
use gristmill_model::scope::{Flow, Limit, Scope};
use gristmill_model::terms::Terms;
use gristmill_model::{Span, WorkerId};

use crate::world::{World, failure, pipeline, success};

fn limit(world: &mut World, scope: &str, limit: Limit) {
    let scope = scope.parse().unwrap();
    world.ask(Command::SetLimit { project: "default".into(), scope, limit }).unwrap();
}

fn at_most(concurrency: u32) -> Limit {
    Limit { concurrency: Some(concurrency), rate: None }
}

fn flow(world: &mut World, scope: &str, flow: Flow) {
    let scope = scope.parse().unwrap();
    world.ask(Command::SetFlow { project: "default".into(), scope, flow }).unwrap();
}

fn many(world: &mut World, count: usize, key: Option<&str>) -> Submitted {
    let terms = Terms { limit_key: key.map(str::to_owned), ..Terms::default() };
    let jobs = vec![JobSpec::of(Payload::empty()); count];
    let pipeline = PipelineRef::Inline(pipeline(&["first", "second"]));
    world.submit_batch(Submission { terms, ..Submission::new(pipeline, jobs) }).unwrap()
}

fn running(world: &World) -> usize {
    world.engine.state().attempts().count()
}

fn finish_one(world: &mut World, worker: WorkerId) {
    let (id, _) = world.engine.state().attempts().next().unwrap();
    world.report(worker, id, success("")).unwrap();
}

#[test]
fn a_scope_runs_no_more_than_its_limit() {
    for scope in ["project", "pipeline:story", "stage:story/first", "key:ada"] {
        let mut world = World::new();
        limit(&mut world, scope, at_most(2));
        let worker = world.worker(64);
        let made = many(&mut world, 5, Some("ada"));
        assert_eq!(running(&world), 2, "{scope}");
        let last = gristmill_model::JobId(made.first.0 + 4);
        let explained = world.engine.explain(world.at(), last).unwrap();
        assert!(explained.summary.contains("runs 2 of at most 2"), "{}", explained.summary);
        world.restart();
        let held: Vec<_> = world.engine.state().attempts().map(|(id, _)| id).collect();
        world.greet(100, 64, &held);
        assert_eq!(running(&world), 2, "{scope}: a restart lets nobody in");
        for _ in 0..10 {
            assert!(running(&world) >= 1, "{scope}: what one leaves another takes");
            finish_one(&mut world, worker);
        }
        assert!(world.engine.state().batch(made.batch).unwrap().is_finished(), "{scope}");
    }
}

#[test]
fn raising_a_limit_lets_more_in_and_taking_it_away_lets_in_all() {
    let mut world = World::new();
    limit(&mut world, "pipeline:story", at_most(1));
    world.worker(64);
    many(&mut world, 6, None);
    assert_eq!(running(&world), 1);
    limit(&mut world, "pipeline:story", at_most(3));
    assert_eq!(running(&world), 3);
    limit(&mut world, "pipeline:story", Limit::default());
    assert_eq!(running(&world), 6);
}

#[test]
fn a_limit_set_while_work_runs_counts_it() {
    let mut world = World::new();
    let worker = world.worker(64);
    many(&mut world, 3, None);
    limit(&mut world, "project", at_most(2));
    many(&mut world, 1, None);
    assert_eq!(running(&world), 3, "what runs goes on");
    finish_one(&mut world, worker);
    assert_eq!(running(&world), 2, "and nothing takes its place");
}

#[test]
fn one_key_that_is_full_keeps_no_other_waiting() {
    let mut world = World::new();
    limit(&mut world, "key:ada", at_most(1));
    world.worker(64);
    many(&mut world, 9, Some("ada"));
    let other = many(&mut world, 3, Some("bob"));
    assert_eq!(running(&world), 4);
    assert_eq!(world.state(other.first), JobState::Running);
}

#[test]
fn a_rate_lets_so_many_begin_in_a_span() {
    let mut world = World::new();
    let rate = Some("3/1m".parse().unwrap());
    limit(&mut world, "project", Limit { concurrency: None, rate });
    world.worker(64);
    many(&mut world, 9, None);
    assert_eq!(running(&world), 3, "as many as the rate names, at once");
    live(&mut world, 19);
    world.restart();
    let held: Vec<_> = world.engine.state().attempts().map(|(id, _)| id).collect();
    world.greet(100, 64, &held);
    assert_eq!(running(&world), 3, "a restart begins no new span");
    let wakes = world.engine.next_deadline().unwrap();
    assert!(wakes <= world.now + Span::seconds(1), "somebody wakes the mill in time");
    live(&mut world, 1);
    assert_eq!(running(&world), 4, "then one every twenty seconds");
    live(&mut world, 19);
    assert_eq!(running(&world), 4);
    live(&mut world, 1);
    assert_eq!(running(&world), 5);
}

/// Lets seconds pass in which the worker says that it lives.
fn live(world: &mut World, seconds: u64) {
    for _ in 0..seconds {
        world.pass(Span::seconds(1));
        world.ask(Command::Heartbeat { worker: WorkerId(1) }).unwrap();
    }
}

#[test]
fn a_paused_scope_begins_nothing_and_goes_on_where_it_was() {
    for scope in ["project", "pipeline:story", "stage:story/first", "key:ada"] {
        let mut world = World::new();
        let worker = world.worker(1);
        let made = many(&mut world, 2, Some("ada"));
        flow(&mut world, scope, Flow::Paused);
        world.report(worker, world.attempt_of(made.first), failure(FailureKind::Failed)).unwrap();
        world.pass(Span::seconds(3));
        assert_eq!(running(&world), 0, "{scope}");
        world.restart();
        world.greet(100, 1, &[]);
        assert_eq!(running(&world), 0, "{scope}: a restart opens nothing");
        let explained = world.engine.explain(world.at(), made.first).unwrap();
        assert!(explained.summary.contains("is paused"), "{}", explained.summary);
        assert_eq!(explained.would_help[0], format!("gristmill resume {scope}"));
        flow(&mut world, scope, Flow::Open);
        assert_eq!(world.state(made.first), JobState::Running, "{scope}: the older goes first");
    }
}

#[test]
fn a_draining_scope_takes_nothing_in_and_finishes_what_it_has() {
    let mut world = World::new();
    world.worker(1);
    many(&mut world, 2, None);
    flow(&mut world, "pipeline:story", Flow::Draining);
    let submission =
        Submission::new(PipelineRef::Named("story".into()), vec![JobSpec::of(Payload::empty())]);
    let refused = world.submit_batch(submission).unwrap_err();
    assert_eq!(refused.code, Code::Draining);
    for _ in 0..4 {
        let worker = WorkerId(1);
        finish_one(&mut world, worker);
    }
    assert_eq!(world.engine.state().live_jobs(), 0);
}

#[test]
fn a_draining_stage_takes_nothing_in_from_the_stage_before_it() {
    let mut world = World::new();
    let worker = world.worker(1);
    let made = many(&mut world, 2, None);
    finish_one(&mut world, worker);
    flow(&mut world, "stage:story/second", Flow::Draining);
    assert_eq!(running(&world), 1, "who is in it already runs");
    finish_one(&mut world, worker);
    assert_eq!(running(&world), 0, "and the stage before it begins nothing");
    let second = gristmill_model::JobId(made.first.0 + 1);
    assert_eq!(world.state(second), JobState::Queued);
    flow(&mut world, "stage:story/second", Flow::Open);
    assert_eq!(world.state(second), JobState::Running);
}

#[test]
fn a_paused_worker_finishes_what_it_has_and_takes_no_more() {
    let mut world = World::new();
    let worker = world.worker(1);
    many(&mut world, 2, None);
    world.ask(Command::PauseWorker { worker, paused: true }).unwrap();
    finish_one(&mut world, worker);
    assert_eq!(running(&world), 0);
    world.ask(Command::PauseWorker { worker, paused: false }).unwrap();
    assert_eq!(running(&world), 1);
}

#[test]
fn bounds_that_make_no_sense_are_refused() {
    let mut world = World::new();
    let set = |project: &str, limit| Command::SetLimit {
        project: project.into(),
        scope: Scope::Project,
        limit,
    };
    let zero = world.ask(set("default", at_most(0))).unwrap_err();
    assert!(zero.detail.contains("pause"), "{}", zero.detail);
    assert_eq!(world.ask(set("nowhere", at_most(1))).unwrap_err().code, Code::NoSuchProject);
}

fn rate(concurrency: Option<u32>, text: &str) -> Limit {
    Limit { concurrency, rate: Some(text.parse().unwrap()) }
}

#[test]
fn a_rate_that_is_kept_lets_go_on_while_its_scope_drains() {
    // Simulator, seed 131: what a rate had barred was never looked at again once its scope drained.
    let mut world = World::new();
    limit(&mut world, "project", rate(None, "1/10s"));
    world.worker(64);
    many(&mut world, 2, None);
    assert_eq!(running(&world), 1);
    flow(&mut world, "project", Flow::Draining);
    world.pass(Span::seconds(11));
    assert_eq!(running(&world), 2, "what is there is finished");
}

#[test]
fn a_scope_that_is_busy_and_then_too_fast_goes_on_when_its_rate_allows() {
    let mut world = World::new();
    limit(&mut world, "project", rate(Some(1), "1/10s"));
    let worker = world.worker(64);
    many(&mut world, 1, None);
    world.pass(Span::seconds(1));
    many(&mut world, 1, None);
    finish_one(&mut world, worker);
    assert_eq!(running(&world), 0, "too soon");
    world.pass(Span::seconds(10));
    assert_eq!(running(&world), 1, "the rate lets another begin");
}

#[test]
fn a_faster_rate_owes_nothing_of_a_slower_one() {
    let mut world = World::new();
    limit(&mut world, "project", rate(None, "1/1h"));
    world.worker(64);
    many(&mut world, 2, None);
    assert_eq!(running(&world), 1);
    limit(&mut world, "project", rate(None, "1/1s"));
    world.pass(Span::seconds(2));
    assert_eq!(running(&world), 2);
}

#[test]
fn what_fits_nowhere_does_not_hide_what_fits_when_a_rate_lets_go_on() {
    // Simulator, seeds 3288 and 5135.
    let mut world = World::new();
    limit(&mut world, "project", rate(None, "1/10s"));
    world.worker(2);
    many(&mut world, 1, None);
    assert_eq!(running(&world), 1);
    for key in ["ada", "bob"] {
        let mut spec = pipeline(&["huge"]);
        spec.stages[0].resources.cpus = 64_000;
        let terms = Terms { limit_key: Some(key.into()), ..Terms::default() };
        let jobs = vec![JobSpec::of(Payload::empty())];
        let huge = Submission::new(PipelineRef::Inline(spec), jobs);
        world.submit_batch(Submission { terms, ..huge }).unwrap();
    }
    many(&mut world, 1, None);
    world.pass(Span::seconds(11));
    assert_eq!(running(&world), 2, "the small one begins");
}
