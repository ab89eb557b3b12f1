//! Who goes first: priorities that age, and projects that share.

use gristmill_model::attempt::FailureKind;
use gristmill_model::command::{Command, PipelineRef, Submission, Submitted};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::{AttemptId, Span, WorkerId, limits};

use crate::world::{World, failure, pipeline, success};

fn submit(world: &mut World, project: &str, priority: i32, count: usize) -> Submitted {
    let jobs = vec![JobSpec::of(Payload::empty()); count];
    let submission = Submission::new(PipelineRef::Inline(pipeline(&["a"])), jobs);
    world.submit_batch(Submission { project: project.into(), priority, ..submission }).unwrap()
}

fn only(world: &World) -> AttemptId {
    world.engine.state().attempts().next().unwrap().0
}

/// Lets the one running attempt take so long; says whose it was.
fn grind(world: &mut World, worker: WorkerId, span: Span) -> String {
    let id = only(world);
    let job = world.engine.state().attempt(id).unwrap().job;
    let batch = world.engine.state().job(job).unwrap().batch;
    let project = world.engine.state().batch(batch).unwrap().project;
    let name = world.engine.state().project(project).unwrap().name.to_string();
    world.now = world.now + span;
    world.ask(Command::Heartbeat { worker }).unwrap();
    world.report(worker, id, success("")).unwrap();
    name
}

#[test]
fn priority_goes_first_until_the_other_has_waited_long_enough() {
    let mut world = World::new();
    let low = submit(&mut world, "default", 0, 1).first;
    world.now = world.now + Span(limits::AGEING.0 / 2);
    let high = submit(&mut world, "default", 1, 1).first;
    world.now = world.now + Span(limits::AGEING.0);
    let late = submit(&mut world, "default", 1, 1).first;
    let worker = world.worker(1);
    for expected in [high, low, late] {
        assert_eq!(world.state(expected), JobState::Running);
        world.report(worker, world.attempt_of(expected), success("")).unwrap();
    }
}

#[test]
fn a_backoff_costs_a_job_neither_its_age_nor_its_priority() {
    let mut world = World::new();
    let worker = world.worker(1);
    let high = submit(&mut world, "default", 5, 1).first;
    submit(&mut world, "default", 0, 1);
    let young = submit(&mut world, "default", 4, 1).first;
    world.report(worker, world.attempt_of(high), failure(FailureKind::Failed)).unwrap();
    assert_eq!(world.state(young), JobState::Running);
    world.pass(Span::seconds(2));
    assert_eq!(world.state(high), JobState::Queued);
    world.report(worker, world.attempt_of(young), success("")).unwrap();
    assert_eq!(world.state(high), JobState::Running);
}

#[test]
fn one_who_floods_the_queue_keeps_nobody_else_waiting() {
    let mut world = World::new();
    submit(&mut world, "flood", 100, 1_000);
    let worker = world.worker(1);
    for _ in 0..10 {
        grind(&mut world, worker, Span::seconds(1));
    }
    let guest = submit(&mut world, "guest", 0, 3);
    let turns: Vec<String> = (0..6).map(|_| grind(&mut world, worker, Span::seconds(1))).collect();
    let guests = turns.iter().filter(|name| *name == "guest").count();
    assert_eq!(guests, 3, "{turns:?}");
    assert!(world.engine.state().batch(guest.batch).unwrap().is_finished());
}

#[test]
fn shares_are_of_time_and_not_of_jobs() {
    let mut world = World::new();
    submit(&mut world, "long", 0, 100);
    submit(&mut world, "short", 0, 1_000);
    let worker = world.worker(1);
    let (mut long, mut short) = (0u64, 0u64);
    for _ in 0..110 {
        let id = only(&world);
        let job = world.engine.state().attempt(id).unwrap().job;
        let is_long = job.0 <= 100;
        let span = if is_long { 10 } else { 1 };
        grind(&mut world, worker, Span::seconds(span));
        *(if is_long { &mut long } else { &mut short }) += span;
    }
    assert!(long.abs_diff(short) <= 20, "{long} s and {short} s");
}

#[test]
fn weights_share_in_proportion() {
    let mut world = World::new();
    for (name, weight) in [("heavy", 3), ("light", 1)] {
        world.ask(Command::DefineProject { name: name.into(), weight }).unwrap();
    }
    submit(&mut world, "heavy", 0, 100);
    submit(&mut world, "light", 0, 100);
    let worker = world.worker(1);
    let turns: Vec<String> = (0..80).map(|_| grind(&mut world, worker, Span::seconds(1))).collect();
    let heavy = turns.iter().filter(|name| *name == "heavy").count();
    assert!((59..=61).contains(&heavy), "{heavy} of 80");
}

#[test]
fn who_comes_back_has_saved_nothing_up() {
    let mut world = World::new();
    submit(&mut world, "early", 0, 1);
    let worker = world.worker(1);
    grind(&mut world, worker, Span::seconds(1));
    submit(&mut world, "steady", 0, 200);
    for _ in 0..100 {
        grind(&mut world, worker, Span::seconds(1));
    }
    submit(&mut world, "early", 0, 100);
    let turns: Vec<String> = (0..21).map(|_| grind(&mut world, worker, Span::seconds(1))).collect();
    let early = turns.iter().filter(|name| *name == "early").count();
    assert!((9..=12).contains(&early), "it shares from now on: {turns:?}");
}

#[test]
fn within_one_round_projects_take_turns() {
    let mut world = World::new();
    submit(&mut world, "a", 0, 8);
    submit(&mut world, "b", 0, 8);
    world.worker(8);
    let leased = |name: &str| {
        let state = world.engine.state();
        state.project(state.project_named(name).unwrap()).unwrap().leased
    };
    assert_eq!((leased("a"), leased("b")), (4, 4));
}
