//! Terms of a batch: start time, expiry, deadline, hold, dependencies, the call at its end.

use gristmill_model::attempt::FailureKind;
use gristmill_model::command::{Command, PipelineRef, Submission, Submitted};
use gristmill_model::event::{BatchEvent, Event};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::problem::Code;
use gristmill_model::source::Source;
use gristmill_model::terms::{Dependency, Target, Terms, When};
use gristmill_model::{BatchId, JobId, Span};

use crate::world::{World, failure, pipeline, success};

fn two_under(world: &mut World, terms: Terms) -> Submitted {
    let jobs = vec![JobSpec::of(Payload::empty()); 2];
    let pipeline = PipelineRef::Inline(pipeline(&["a"]));
    world.submit_batch(Submission { terms, ..Submission::new(pipeline, jobs) }).unwrap()
}

fn after(on: Target, when: When) -> Terms {
    Terms { after: vec![Dependency { on, when }], ..Terms::default() }
}

fn running(world: &World) -> usize {
    world.engine.state().attempts().count()
}

#[test]
fn no_job_begins_before_its_start_time() {
    let mut world = World::new();
    world.worker(4);
    let start_at = Some(world.now + Span::seconds(60));
    let made = two_under(&mut world, Terms { start_at, ..Terms::default() });
    assert_eq!(world.state(made.first), JobState::Scheduled);
    world.pass(Span::seconds(10));
    world.restart();
    world.greet(100, 4, &[]);
    assert_eq!((running(&world), world.state(made.first)), (0, JobState::Scheduled));
    let explained = world.engine.explain(world.at(), made.first).unwrap();
    assert!(explained.summary.contains("its batch begins at"), "{}", explained.summary);
    for _ in 0..10 {
        world.pass(Span::seconds(5));
        world.greet(100, 4, &[]);
    }
    assert_eq!(running(&world), 2);
}

#[test]
fn what_has_not_begun_in_time_expires() {
    let mut world = World::new();
    let worker = world.worker(1);
    let by = world.now + Span::seconds(5);
    let made = two_under(&mut world, Terms { expires_at: Some(by), ..Terms::default() });
    let second = JobId(made.first.0 + 1);
    world.pass(Span::seconds(5));
    assert_eq!(world.state(made.first), JobState::Running);
    assert_eq!(world.state(second), JobState::Expired);
    let attempt = world.attempt_of(made.first);
    world.report(worker, attempt, failure(FailureKind::Failed)).unwrap();
    assert_eq!(world.state(made.first), JobState::Retrying, "it had begun in time");
    let why = world.engine.explain(world.at(), second).unwrap().summary;
    let told = format!("it had not begun by {by}, when it expired: retry it");
    assert!(why.starts_with(&told), "{why}");
    world.ask(Command::RetryJob(second)).unwrap();
    assert_eq!(world.state(second), JobState::Running, "a person may still have it run");
}

#[test]
fn a_folded_job_that_expired_says_so_too() {
    let mut world = World::new();
    let expires_at = Some(world.now + Span::seconds(5));
    let terms = Terms { expires_at, held: true, ..Terms::default() };
    let range = Some(Source::Brace("{1..9}".into()));
    let spec = PipelineRef::Inline(pipeline(&["a"]));
    let submission = Submission { terms, range, ..Submission::new(spec, vec![]) };
    let made = world.submit_batch(submission).unwrap();
    world.pass(Span::seconds(6));
    let why = world.engine.explain(world.at(), JobId(made.first.0 + 4)).unwrap();
    assert_eq!((why.state, why.since), (JobState::Expired, Some(world.now)));
    assert!(why.summary.contains("when it expired"), "{}", why.summary);
}

#[test]
fn at_the_deadline_what_waits_expires_and_what_runs_is_stopped() {
    let mut world = World::new();
    let worker = world.worker(1);
    let by = world.now + Span::seconds(5);
    let made = two_under(&mut world, Terms { deadline: Some(by), ..Terms::default() });
    world.pass(Span::seconds(5));
    assert_eq!(world.state(JobId(made.first.0 + 1)), JobState::Expired);
    assert_eq!(world.state(made.first), JobState::Cancelling);
    let attempt = world.attempt_of(made.first);
    world.report(worker, attempt, failure(FailureKind::Cancelled)).unwrap();
    assert_eq!(world.state(made.first), JobState::Expired);
    assert!(world.engine.state().batch(made.batch).unwrap().is_finished());
    let told = format!("its deadline passed at {by}");
    let (stopped, _) = world.last_failure();
    assert_eq!(stopped.code, "deadline_passed");
    assert_eq!(stopped.message, format!("{told}: it was stopped"));
    for job in [made.first, JobId(made.first.0 + 1)] {
        let why = world.engine.explain(world.at(), job).unwrap().summary;
        assert_eq!(why, format!("{told}: retry it to run it after all"));
    }
}

#[test]
fn a_result_that_is_there_before_the_stop_arrives_is_kept() {
    let mut world = World::new();
    let worker = world.worker(1);
    let deadline = Some(world.now + Span::seconds(5));
    let made = two_under(&mut world, Terms { deadline, ..Terms::default() });
    world.pass(Span::seconds(5));
    let attempt = world.attempt_of(made.first);
    world.report(worker, attempt, success("in time after all")).unwrap();
    assert_eq!(world.state(made.first), JobState::Succeeded);
}

#[test]
fn a_held_batch_begins_when_it_is_released() {
    let mut world = World::new();
    world.worker(4);
    let made = two_under(&mut world, Terms { held: true, ..Terms::default() });
    assert_eq!(world.state(made.first), JobState::Blocked);
    world.restart();
    world.greet(100, 4, &[]);
    assert_eq!(running(&world), 0, "a restart lets go of nothing");
    let explained = world.engine.explain(world.at(), made.first).unwrap();
    assert_eq!(explained.would_help, [format!("gristmill release {}", made.batch)]);
    world.ask(Command::Release(Target::Batch(made.batch))).unwrap();
    assert_eq!(running(&world), 2);
}

#[test]
fn holding_a_batch_leaves_what_runs_alone() {
    let mut world = World::new();
    let worker = world.worker(1);
    let made = two_under(&mut world, Terms::default());
    world.ask(Command::Hold(Target::Batch(made.batch))).unwrap();
    assert_eq!(world.state(made.first), JobState::Running);
    assert_eq!(world.state(JobId(made.first.0 + 1)), JobState::Blocked);
    let attempt = world.attempt_of(made.first);
    world.report(worker, attempt, failure(FailureKind::Failed)).unwrap();
    world.pass(Span::seconds(2));
    assert_eq!(world.state(made.first), JobState::Blocked, "its retry waits behind the hold");
    assert_eq!(running(&world), 0);
}

#[test]
fn a_batch_begins_when_what_it_waits_for_has_succeeded() {
    let mut world = World::new();
    let worker = world.worker(8);
    let first = two_under(&mut world, Terms::default());
    let second = two_under(&mut world, after(Target::Batch(first.batch), When::Succeeded));
    let third = two_under(&mut world, after(Target::Job(second.first), When::Succeeded));
    assert_eq!(world.state(second.first), JobState::Blocked);
    let explained = world.engine.explain(world.at(), second.first).unwrap();
    assert!(explained.summary.contains("waits until b1 has succeeded"), "{}", explained.summary);
    for job in [first.first, JobId(first.first.0 + 1)] {
        assert_eq!(world.state(second.first), JobState::Blocked);
        world.report(worker, world.attempt_of(job), success("")).unwrap();
    }
    assert_eq!(world.state(second.first), JobState::Running);
    world.report(worker, world.attempt_of(second.first), success("")).unwrap();
    assert_eq!(world.state(third.first), JobState::Running, "one job of it was waited for");
}

#[test]
fn a_dependency_that_can_no_longer_be_met_cancels_who_waits() {
    let mut world = World::new();
    let worker = world.worker(8);
    let mut fragile = pipeline(&["a"]);
    fragile.stages[0].retry.attempts = 1;
    let first = world.submit(fragile, &["x"]);
    let good = two_under(&mut world, after(Target::Job(first.first), When::Succeeded));
    let sorry = two_under(&mut world, after(Target::Job(first.first), When::Failed));
    let always = two_under(&mut world, after(Target::Job(first.first), When::Finished));
    let chained = two_under(&mut world, after(Target::Batch(good.batch), When::Succeeded));
    world.report(worker, world.attempt_of(first.first), failure(FailureKind::Failed)).unwrap();
    assert_eq!(world.state(good.first), JobState::Cancelled);
    assert_eq!(world.state(sorry.first), JobState::Running);
    assert_eq!(world.state(always.first), JobState::Running);
    assert_eq!(world.state(chained.first), JobState::Cancelled, "and so on down the chain");
}

#[test]
fn a_dependency_on_what_has_ended_is_judged_at_once() {
    let mut world = World::new();
    let worker = world.worker(8);
    let first = world.submit(pipeline(&["a"]), &["x"]);
    world.report(worker, world.attempt_of(first.first), success("")).unwrap();
    let next = two_under(&mut world, after(Target::Batch(first.batch), When::Succeeded));
    assert_eq!(world.state(next.first), JobState::Running);
    let never = two_under(&mut world, after(Target::Job(first.first), When::Failed));
    assert_eq!(world.state(never.first), JobState::Cancelled);
}

#[test]
fn a_range_waits_as_one() {
    let mut world = World::new();
    world.worker(1);
    let range = Some(Source::Numbers { first: 1, last: 1_000_000, step: 1 });
    let terms = Terms { held: true, ..Terms::default() };
    let pipeline = PipelineRef::Inline(pipeline(&["a"]));
    let made = world
        .submit_batch(Submission { range, terms, ..Submission::new(pipeline, vec![]) })
        .unwrap();
    world.ask(Command::Release(Target::Batch(made.batch))).unwrap();
    assert_eq!(running(&world), 1);
    world.ask(Command::Hold(Target::Batch(made.batch))).unwrap();
    let batch = world.engine.state().batch(made.batch).unwrap();
    assert_eq!(batch.count(JobState::Blocked), 999_999);
}

#[test]
fn the_end_of_a_batch_is_announced_where_somebody_asked() {
    let mut world = World::new();
    let worker = world.worker(8);
    let callback = Some("http://127.0.0.1:1/done".into());
    let made = two_under(&mut world, Terms { callback, ..Terms::default() });
    let said = |world: &World| {
        let finished = Event::Batch(BatchEvent::Finished { batch: made.batch });
        world.log.iter().filter(|record| record.event == finished).count()
    };
    world.report(worker, world.attempt_of(made.first), success("")).unwrap();
    assert_eq!(said(&world), 0);
    world.report(worker, world.attempt_of(JobId(made.first.0 + 1)), success("")).unwrap();
    assert_eq!(said(&world), 1);
    world.restart();
    world.pass(Span::seconds(1));
    assert_eq!(said(&world), 1, "said once");
}

#[test]
fn terms_that_cannot_be_kept_are_refused() {
    let mut world = World::new();
    let mut code = |terms: Terms| {
        let pipeline = PipelineRef::Inline(pipeline(&["a"]));
        let jobs = vec![JobSpec::of(Payload::empty())];
        let submission = Submission { terms, ..Submission::new(pipeline, jobs) };
        world.submit_batch(submission).unwrap_err().code
    };
    let now = gristmill_model::Time(1_000_000);
    let passed = Terms { deadline: Some(now), ..Terms::default() };
    assert_eq!(code(passed), Code::InvalidRequest);
    let late = now + Span::seconds(9);
    let never = Terms { start_at: Some(late), expires_at: Some(late), ..Terms::default() };
    assert_eq!(code(never), Code::InvalidRequest);
    assert_eq!(code(after(Target::Batch(BatchId(9)), When::Finished)), Code::NoSuchBatch);
    assert_eq!(code(after(Target::Job(JobId(9)), When::Finished)), Code::NoSuchJob);
    let ftp = Terms { callback: Some("ftp://x/".into()), ..Terms::default() };
    assert_eq!(code(ftp), Code::InvalidRequest);
}

#[test]
fn an_open_batch_whose_time_has_passed_takes_no_more() {
    let mut world = World::new();
    let expires_at = Some(world.now + Span::seconds(5));
    let pipeline = PipelineRef::Inline(pipeline(&["a"]));
    let terms = Terms { expires_at, ..Terms::default() };
    let submission = Submission { terms, open: true, ..Submission::new(pipeline, vec![]) };
    let batch = world.submit_batch(submission).unwrap().batch;
    world.pass(Span::seconds(5));
    let jobs = vec![JobSpec::of(Payload::empty())];
    let late = world.ask(Command::Append { batch, jobs, range: None, close: false });
    assert_eq!(late.unwrap_err().code, Code::WrongState);
    let close = Command::Append { batch, jobs: vec![], range: None, close: true };
    world.ask(close.clone()).unwrap();
    world.ask(close).expect("a lost answer may be asked for again");
}

#[test]
fn who_waits_for_what_has_ended_otherwise_is_warned() {
    let mut world = World::new();
    let gone = two_under(&mut world, Terms::default());
    world.ask(Command::CancelBatch(gone.batch)).unwrap();
    let late = two_under(&mut world, after(Target::Batch(gone.batch), When::Succeeded));
    let warned =
        format!("{}, which must succeed first, has ended (2 cancelled): all jobs", gone.batch);
    assert!(late.warnings[0].starts_with(&warned), "{:?}", late.warnings);
    assert_eq!(world.state(late.first), JobState::Cancelled);
    let of_job = two_under(&mut world, after(Target::Job(gone.first), When::Succeeded));
    assert!(of_job.warnings[0].contains("has ended (cancelled)"), "{:?}", of_job.warnings);
    let fine = two_under(&mut world, after(Target::Batch(gone.batch), When::Failed));
    assert!(fine.warnings.is_empty(), "{:?}", fine.warnings);
}
