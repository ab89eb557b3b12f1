//! Two clocks: what people name by the calendar comes when the wall clock shows it, and nothing
//! else goes by that clock, wherever somebody sets it.

use gristmill_model::attempt::FailureKind;
use gristmill_model::command::{Command, PipelineRef, Submission, Submitted};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::problem::Code;
use gristmill_model::terms::Terms;
use gristmill_model::{Span, Time};

use crate::world::{World, failure, pipeline, success};

const HOUR: Span = Span::seconds(3_600);
const MONTH: Span = Span::seconds(30 * 86_400);

fn under(world: &mut World, terms: Terms, open: bool) -> Submitted {
    let jobs = vec![JobSpec::of(Payload::empty()); 2];
    let pipeline = PipelineRef::Inline(pipeline(&["a"]));
    world.submit_batch(Submission { terms, open, ..Submission::new(pipeline, jobs) }).unwrap()
}

fn starting_at(world: &mut World, at: Time) -> Submitted {
    under(world, Terms { start_at: Some(at), ..Terms::default() }, false)
}

#[test]
fn a_start_time_comes_when_the_wall_shows_it() {
    let mut world = World::new();
    world.wall = world.wall + MONTH;
    let made = starting_at(&mut world, Time(1_000_000) + MONTH + HOUR);
    world.pass(Span::seconds(60));
    assert_eq!(world.state(made.first), JobState::Scheduled);
    assert_eq!(world.engine.next_term(), Some(Time(1_000_000) + MONTH + HOUR));
    world.set_wall(world.wall + HOUR);
    assert_eq!(world.state(made.first), JobState::Queued, "the wall leapt over it");

    let at = world.wall + Span::seconds(60);
    let made = starting_at(&mut world, at);
    world.set_wall(world.wall - HOUR);
    world.pass(Span::seconds(60));
    world.restart();
    assert_eq!(world.state(made.first), JobState::Scheduled, "the wall was set back");
    world.pass(HOUR);
    assert_eq!(world.state(made.first), JobState::Queued);
}

#[test]
fn a_wall_a_month_ahead_ends_no_lease_and_deletes_nothing() {
    let mut world = World::new();
    let worker = world.worker(2);
    let ended = world.submit(pipeline(&["a"]), &["x"]);
    world.report(worker, world.attempt_of(ended.first), success("y")).unwrap();
    let pauses = world.submit(pipeline(&["a"]), &["x"]).first;
    world.report(worker, world.attempt_of(pauses), failure(FailureKind::Failed)).unwrap();
    let runs = world.submit(pipeline(&["a"]), &["x"]).first;
    let attempt = world.attempt_of(runs);
    world.set_wall(world.wall + MONTH);
    assert_eq!(world.state(runs), JobState::Running);
    assert_eq!(world.state(pauses), JobState::Retrying);
    world.restart();
    world.greet(100, 2, &[attempt]);
    assert_eq!(world.state(runs), JobState::Running);
    assert_eq!(world.state(pauses), JobState::Retrying);
    assert!(world.engine.state().batch(ended.batch).is_some(), "it can still be retried");
    world.set_wall(Time(1));
    assert_eq!(world.state(runs), JobState::Running);
    assert!(world.engine.state().batch(ended.batch).is_some());
}

#[test]
fn a_time_that_has_passed_has_passed_for_ever() {
    let mut world = World::new();
    let expires_at = Some(world.wall + HOUR);
    let made = under(&mut world, Terms { expires_at, ..Terms::default() }, true);
    world.set_wall(world.wall + HOUR);
    assert_eq!(world.state(made.first), JobState::Expired);
    world.set_wall(world.wall - HOUR);
    let jobs = vec![JobSpec::of(Payload::empty())];
    let more = Command::Append { batch: made.batch, jobs, range: None, close: false };
    assert_eq!(world.ask(more).unwrap_err().code, Code::WrongState);
}

#[test]
fn what_is_told_is_told_by_the_wall() {
    let mut world = World::new();
    let worker = world.worker(1);
    world.wall = world.wall + MONTH;
    let job = world.submit(pipeline(&["a"]), &["x"]).first;
    let since = world.wall;
    world.report(worker, world.attempt_of(job), failure(FailureKind::Failed)).unwrap();
    let told = world.engine.explain(world.at(), job).unwrap();
    assert_eq!(told.since, Some(since));
    let until = world.engine.state().job(job).unwrap().retry_at.unwrap();
    let until = format!("it pauses until {}", since + until.since(world.now));
    assert!(told.summary.contains(&until), "{} {until}", told.summary);

    let start = world.wall + HOUR;
    let late = starting_at(&mut world, start).first;
    let told = world.engine.explain(world.at(), late).unwrap();
    assert_eq!((told.since, told.estimated_start), (Some(since), Some(start)));
}

#[test]
fn a_job_ages_from_its_start_time_on() {
    let mut world = World::new();
    world.wall = world.wall + MONTH;
    let at = world.wall + HOUR;
    let late = starting_at(&mut world, at).first;
    world.pass(Span(HOUR.0 - 1));
    let early = world.submit(pipeline(&["b"]), &["x"]).first;
    world.pass(Span(1));
    let rank = |job| world.engine.state().job(job).unwrap().rank;
    assert!(rank(early) < rank(late), "it has waited for longer");
}
