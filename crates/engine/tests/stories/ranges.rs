//! Ranges: many jobs as one record, expanded one by one when something happens to them.

use gristmill_model::cause::Cause;
use gristmill_model::command::{Command, PipelineRef, Reply, Submission};
use gristmill_model::event::{Event, JobsEvent};
use gristmill_model::job::JobState;
use gristmill_model::payload::Payload;
use gristmill_model::problem::Code;
use gristmill_model::source::Source;
use gristmill_model::terms::Target;
use gristmill_model::wire::ToWorker;
use gristmill_model::{JobId, JobRun};

use crate::world::{World, pipeline, success};

fn range(first: i64, last: i64) -> Submission {
    let range = Some(Source::Numbers { first, last, step: 1 });
    Submission { range, ..Submission::new(PipelineRef::Inline(pipeline(&["a"])), vec![]) }
}

#[test]
fn a_million_jobs_are_one_record() {
    let mut world = World::new();
    let before = world.log.len();
    let made = world.submit_batch(range(1, 1_000_000)).unwrap();
    assert_eq!(made.count, 1_000_000);
    assert_eq!(world.log.len() - before, 4, "a pipeline, a batch, a range, and its close");
    assert_eq!(world.engine.state().live_jobs(), 0, "none of them is in memory");
    let batch = world.engine.state().batch(made.batch).unwrap();
    assert_eq!(batch.count(JobState::Queued), 1_000_000);
    assert_eq!(batch.job_at(17), Some(JobId(made.first.0 + 17)));
    assert_eq!(batch.job_at(1_000_000), None);
}

#[test]
fn each_item_comes_once_and_in_order_with_its_own_input() {
    let mut world = World::new();
    let made = world.submit_batch(range(10, 15)).unwrap();
    let worker = world.worker(2);
    let mut inputs = Vec::new();
    let first = |world: &World| {
        let (id, attempt) = world.engine.state().attempts().next()?;
        let job = world.engine.state().job(attempt.job).unwrap();
        let Payload::Text(input) = &job.input else { panic!("an item is a text") };
        Some((id, input.clone()))
    };
    while let Some((id, input)) = first(&world) {
        inputs.push(input);
        if inputs.len() == 3 {
            world.restart();
            world.greet(100, 2, &[id]);
        }
        world.report(worker, id, success("")).unwrap();
    }
    assert_eq!(inputs, ["10", "11", "12", "13", "14", "15"]);
    assert!(world.engine.state().batch(made.batch).unwrap().is_finished());
    assert_eq!(world.engine.state().jobs().count(), 0);
    assert_eq!(world.engine.state().ranges().count(), 0, "what is used up is gone");
}

#[test]
fn the_worker_hears_the_items_input() {
    let mut world = World::new();
    let brace = Some(Source::Brace("in/{a,b}.tar".into()));
    let pipeline = PipelineRef::Inline(pipeline(&["a"]));
    world.submit_batch(Submission { range: brace, ..Submission::new(pipeline, vec![]) }).unwrap();
    world.worker(1);
    let frames = gristmill_engine::link::frames(&world.engine, &world.log);
    let heard = frames.iter().find_map(|(_, frame)| match frame {
        ToWorker::Run(run) => Some(run[0].input.clone()),
        _ => None,
    });
    assert_eq!(heard, Some(Payload::Text("in/a.tar".into())));
}

#[test]
fn one_of_many_is_cancelled_held_and_retried_alone() {
    let mut world = World::new();
    let made = world.submit_batch(range(0, 9)).unwrap();
    let job = |n: u64| JobId(made.first.0 + n);
    world.ask(Command::CancelJob(job(4))).unwrap();
    world.ask(Command::Hold(Target::Job(job(6)))).unwrap();
    assert_eq!(world.state(job(4)), JobState::Cancelled);
    assert_eq!(world.state(job(5)), JobState::Queued);
    assert_eq!(world.state(job(6)), JobState::Blocked);
    assert_eq!(world.engine.state().live_jobs(), 1, "only the held one was unfolded");
    let again = world.ask(Command::CancelJob(job(4))).unwrap_err();
    assert_eq!(again.code, Code::WrongState);
    world.ask(Command::RetryJob(job(4))).unwrap();
    world.ask(Command::Release(Target::Job(job(6)))).unwrap();
    let batch = world.engine.state().batch(made.batch).unwrap();
    assert_eq!(batch.count(JobState::Queued), 10);
}

#[test]
fn a_whole_range_is_cancelled_and_retried_in_one_step() {
    let mut world = World::new();
    let made = world.submit_batch(range(1, 1_000)).unwrap();
    let worker = world.worker(1);
    let before = world.log.len();
    let asked = world.ask(Command::CancelBatch(made.batch)).unwrap();
    assert_eq!(asked, Reply::Count(1_000));
    let told = &world.log[before..];
    assert_eq!(told.len(), 2, "those that wait in one event, the running one in another");
    let rest = JobRun { first: JobId(made.first.0 + 1), count: 999 };
    let cancelled = Event::Jobs(JobsEvent::Cancelled { jobs: vec![rest], cause: Cause::Request });
    assert_eq!(told[0].event, cancelled);
    let running = world.attempt_of(made.first);
    world.report(worker, running, success("late but there")).unwrap();
    assert_eq!(world.state(made.first), JobState::Succeeded);
    let whole = JobRun { first: made.first, count: 1_000 };
    assert_eq!(world.ask(Command::RetryJobs(vec![whole])).unwrap(), Reply::Count(999));
    assert_eq!(world.engine.state().batch(made.batch).unwrap().count(JobState::Queued), 998);
}

#[test]
fn what_no_range_can_be_is_refused() {
    let mut world = World::new();
    let mut submission = range(5, 1);
    assert_eq!(world.submit_batch(submission.clone()).unwrap_err().code, Code::InvalidRequest);
    submission.range = Some(Source::Brace("{0..99999999999}".into()));
    assert_eq!(world.submit_batch(submission).unwrap_err().code, Code::InvalidRequest);
}

#[test]
fn a_job_of_a_range_is_explained_while_it_is_folded() {
    let mut world = World::new();
    let made = world.submit_batch(range(0, 99)).unwrap();
    world.worker(1);
    let explained = world.engine.explain(world.at(), JobId(made.first.0 + 50)).unwrap();
    assert_eq!((explained.state, explained.ahead), (JobState::Queued, Some(49)));
    assert_eq!(explained.behind[0], JobId(made.first.0 + 1));
    assert!(explained.summary.contains("49 jobs go first"), "{}", explained.summary);
}
