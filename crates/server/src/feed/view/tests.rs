//! What is shown of events that an engine has applied, each a round of its own.

use std::sync::Arc;

use gristmill_engine::Engine;
use gristmill_model::access::Actor;
use gristmill_model::attempt::{Failure, FailureKind, Usage};
use gristmill_model::cause::Cause;
use gristmill_model::event::{AttemptEvent, Opening, PipelineEvent, Record, Then, WorkerEvent};
use gristmill_model::job::JobSpec;
use gristmill_model::limits::Timing;
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::resources::Capacity;
use gristmill_model::terms::Terms;
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{AttemptId, Moment, PipelineId, ProjectId, Time, WorkerId};

use super::*;
use crate::feed::Topic;

/// An engine with a pipeline, a worker and three batches of three jobs each; the third batch is
/// scheduled.
struct Mill {
    engine: Engine,
    seq: u64,
}

impl Mill {
    fn new() -> Mill {
        let mut mill = Mill { engine: Engine::new(Timing::default()), seq: 0 };
        let command =
            CommandSpec { argv: vec!["true".into()], shell: false, env: Default::default() };
        let stages = vec![StageSpec::new("only", Handler::Command(command))];
        let spec = Arc::new(PipelineSpec { name: "mill".into(), stages });
        let (pipeline, project) = (PipelineId(1), ProjectId::DEFAULT);
        let defined = PipelineEvent::Defined { pipeline, project, version: 1, spec };
        mill.see(Event::Pipeline(defined));
        let description = WorkerDescription::new("miller", &["command"], Capacity::of_cpus(2));
        let description = Arc::new(description);
        let (worker, instance) = (WorkerId(1), 7);
        mill.see(Event::Worker(WorkerEvent::Joined { worker, instance, description }));
        for batch in 1..=3 {
            let start_at = (batch == 3).then_some(Time(99));
            let opening = Opening {
                project,
                pipeline,
                name: None,
                key: None,
                priority: 0,
                labels: Default::default(),
                terms: Terms { start_at, ..Terms::default() },
            };
            let (batch, opening) = (BatchId(batch), Arc::new(opening));
            let first = JobId(batch.0 * 3 - 2);
            mill.see(Event::Batch(BatchEvent::Opened { batch, opening }));
            mill.see(added(batch, first));
        }
        mill
    }

    /// The round that an event makes.
    fn round(&mut self, event: Event) -> Committed {
        let at = Moment { now: Time(1), wall: Time(5) };
        let record = Record { at, actor: Actor::LOCAL, event };
        self.engine.apply(&record);
        self.seq += u64::from(record.event.is_durable());
        Committed::new(self.seq, vec![record], self.engine.take_changes())
    }

    /// How an event is shown.
    fn see(&mut self, event: Event) -> FeedEvent {
        let round = self.round(event);
        let happened = round.happened().next().unwrap();
        of(&round, &happened, &About::of(&happened))
    }

    /// Of which of the batches an event is heard.
    fn heard_of(&mut self, event: Event) -> Vec<u64> {
        let round = self.round(event);
        let happened = round.happened().next().unwrap();
        let about = About::of(&happened);
        let hears = |id: &u64| Topic::batch(BatchId(*id)).concerns(&happened.record.event, &about);
        (1..=3).filter(hears).collect()
    }
}

fn added(batch: BatchId, first: JobId) -> Event {
    let jobs = Arc::new(vec![JobSpec::of(Payload::empty()); 3]);
    Event::Batch(BatchEvent::JobsAdded { batch, first, jobs })
}

fn runs(runs: &[(u64, u64)]) -> Vec<JobRun> {
    runs.iter().map(|(first, count)| JobRun { first: JobId(*first), count: *count }).collect()
}

fn cancelled(jobs: &[(u64, u64)]) -> Event {
    Event::Jobs(JobsEvent::Cancelled { jobs: runs(jobs), cause: Cause::Request })
}

fn leased(job: u64) -> Event {
    Event::Attempt(AttemptEvent::Leased {
        attempt: AttemptId(1),
        job: JobId(job),
        stage: 0,
        number: 1,
        worker: WorkerId(1),
        alternative: 0,
        seat: None,
    })
}

fn retries(job: u64) -> Event {
    Event::Attempt(AttemptEvent::Failed {
        attempt: AttemptId(1),
        job: JobId(job),
        worker: WorkerId(1),
        failure: Arc::new(Failure::new(FailureKind::Failed, "worn", "the stone is worn")),
        usage: Usage::default(),
        devices: Vec::new(),
        then: Then::Retry { at: Time(9) },
    })
}

#[test]
fn an_event_is_heard_of_by_those_who_ask_for_one_of_its_batches() {
    let mut mill = Mill::new();
    assert_eq!(mill.heard_of(cancelled(&[(1, 1)])), [1]);
    assert_eq!(mill.heard_of(cancelled(&[(5, 2)])), [2]);
    assert_eq!(mill.heard_of(cancelled(&[(3, 2), (7, 1)])), [1, 2, 3]);
    assert_eq!(mill.heard_of(leased(2)), [1]);
    let (jobs, cause) = (vec![JobId(2)], Cause::Request);
    assert_eq!(mill.heard_of(Event::Jobs(JobsEvent::CancelRequested { jobs, cause })), [1]);
    assert_eq!(mill.heard_of(Event::Batch(BatchEvent::Closed { batch: BatchId(2) })), [2]);
    let batches = vec![BatchId(2)];
    assert_eq!(mill.heard_of(Event::Batch(BatchEvent::Forgotten { batches })), [2]);
}

#[test]
fn a_bulk_of_jobs_is_told_by_its_number() {
    let mut mill = Mill::new();
    let round = mill.round(added(BatchId(1), JobId(10)));
    let happened = round.happened().next().unwrap();
    let about = About::of(&happened);
    assert!(about.names_job(JobId(12)) && !about.names_job(JobId(13)));
    let shown = of(&round, &happened, &about);
    assert_eq!(shown.data, json!({ "batch": "b1", "first": "j10", "count": 3 }));
    assert_eq!((shown.job, shown.state), (None, Some(JobState::Queued)));
    assert_eq!((shown.seq, shown.at, shown.event.as_str()), (9, Time(5), "jobs_added"));
}

#[test]
fn a_part_of_a_result_is_shown_as_the_value_that_it_is() {
    let mut mill = Mill::new();
    mill.see(leased(4));
    let mut made = |value: &str| {
        let (attempt, job, batch) = (AttemptId(1), JobId(4), BatchId(2));
        let (index, value) = (3, value.to_owned());
        let part = EphemeralEvent::PartialMade { attempt, job, batch, index, value };
        mill.see(Event::Ephemeral(part))
    };
    let shown = made(r#"{"token":"flour"}"#);
    assert_eq!((shown.event.as_str(), shown.job), ("partial_made", Some(JobId(4))));
    assert_eq!((shown.batch, shown.state, shown.seq), (Some(BatchId(2)), None, 9));
    assert_eq!(shown.data["value"], json!({ "token": "flour" }));
    assert_eq!((&shown.data["index"], &shown.data["attempt"]), (&json!(3), &json!("a1")));
    assert_eq!(made("not JSON").data["value"], json!("not JSON"));
}

#[test]
fn what_an_event_says_stands_without_its_tag() {
    let mut mill = Mill::new();
    let shown = mill.see(leased(4));
    assert_eq!((shown.worker, shown.state), (Some(WorkerId(1)), Some(JobState::Running)));
    assert_eq!(mill.see(retries(4)).state, Some(JobState::Retrying));
    let shown = mill.see(Event::Jobs(JobsEvent::BackoffElapsed { job: JobId(4) }));
    assert_eq!(shown.event, "backoff_elapsed");
    assert_eq!(shown.data, json!({ "job": "j4" }));
    assert_eq!((shown.job, shown.batch), (Some(JobId(4)), Some(BatchId(2))));
    assert_eq!((shown.state, shown.worker), (Some(JobState::Queued), None));
}

#[test]
fn runs_of_jobs_of_several_batches_are_told_with_their_number() {
    let mut mill = Mill::new();
    mill.see(cancelled(&[(1, 9)]));
    let jobs = runs(&[(2, 3), (5, 1)]);
    let shown = mill.see(Event::Jobs(JobsEvent::Retried { jobs }));
    assert_eq!((shown.job, shown.batch, &shown.data["count"]), (None, None, &json!(4)));
    assert_eq!(shown.data["jobs"][0], json!({ "first": "j2", "count": 3 }));
}

#[test]
fn a_job_that_waits_is_shown_as_its_batch_says() {
    let mut mill = Mill::new();
    let shown = mill.see(added(BatchId(3), JobId(10)));
    assert_eq!(shown.state, Some(JobState::Scheduled));
    mill.see(Event::Batch(BatchEvent::Held { batch: BatchId(3) }));
    mill.see(cancelled(&[(7, 1)]));
    let retried = |jobs: &[(u64, u64)]| Event::Jobs(JobsEvent::Retried { jobs: runs(jobs) });
    let shown = mill.see(retried(&[(7, 1)]));
    assert_eq!((shown.state, shown.job), (Some(JobState::Blocked), Some(JobId(7))));
    mill.see(cancelled(&[(1, 1)]));
    assert_eq!(mill.see(retried(&[(1, 1)])).state, Some(JobState::Queued));
    let shown = mill.see(Event::Batch(BatchEvent::Released { batch: BatchId(3) }));
    assert_eq!((shown.batch, shown.job, shown.state), (Some(BatchId(3)), None, None));
}
