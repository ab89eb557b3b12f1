//! An event as people see it: what it is about, and what became of the job.
//!
//! Lists that an event carries for the engine's sake, such as all jobs of a submission, are told by
//! their number: whoever wants them lists them.

use std::collections::BTreeSet;

use gristmill_model::api::FeedEvent;
use gristmill_model::event::{Event, Record, Then};
use gristmill_model::job::JobState;
use gristmill_model::{BatchId, JobId, JobRun, WorkerId, limits};
use serde_json::{Value, json};

use super::Runs;

/// The event as the feed shows it.
pub(super) fn of(seq: u64, record: &Record, batches: &[BatchId]) -> FeedEvent {
    let event = &record.event;
    // One of several would be misleading; all of them stand in what the event says.
    let batch = if let [batch] = batches { Some(*batch) } else { None };
    FeedEvent {
        seq,
        at: record.at,
        event: event.name().into(),
        job: job_of(event),
        batch,
        worker: worker_of(event),
        state: state_after(event),
        data: data(event),
    }
}

/// The batches that an event is about, its own or those of its jobs, each once.
pub(super) fn batches_of(event: &Event, runs: &Runs) -> Vec<BatchId> {
    match event {
        Event::BatchOpened { batch, .. }
        | Event::JobsAdded { batch, .. }
        | Event::RangeAdded { batch, .. }
        | Event::BatchHeld { batch, .. }
        | Event::BatchReleased { batch, .. }
        | Event::StartReached { batch }
        | Event::ExpiryReached { batch }
        | Event::DeadlineReached { batch }
        | Event::DependencyMet { batch, .. }
        | Event::DependencyFailed { batch, .. }
        | Event::BatchFinished { batch }
        | Event::CallbackSettled { batch, .. }
        | Event::BatchClosed { batch } => vec![*batch],
        Event::BatchesPruned { batches } => batches.clone(),
        Event::AttemptLeased { job, .. }
        | Event::AttemptSucceeded { job, .. }
        | Event::AttemptFailed { job, .. }
        | Event::BackoffElapsed { job }
        | Event::ProgressMade { job, .. }
        | Event::PartialMade { job, .. } => runs.batch_of(*job).into_iter().collect(),
        Event::CancelRequested { jobs, .. } => {
            each_once(jobs.iter().filter_map(|job| runs.batch_of(*job)))
        }
        Event::JobsCancelled { jobs, .. }
        | Event::JobsExpired { jobs }
        | Event::JobsRetried { jobs, .. }
        | Event::JobsHeld { jobs, .. }
        | Event::JobsReleased { jobs, .. } => {
            each_once(jobs.iter().flat_map(|run| runs.batches_in(*run)))
        }
        Event::ServerStarted { .. }
        | Event::Restored(_)
        | Event::ProjectDefined { .. }
        | Event::PipelineDefined { .. }
        | Event::LimitSet { .. }
        | Event::FlowSet { .. }
        | Event::WorkerJoined { .. }
        | Event::WorkerPaused { .. }
        | Event::WorkerDeclared { .. }
        | Event::WorkerDraining { .. }
        | Event::WorkerLeft { .. }
        | Event::WorkerConnected { .. }
        | Event::WorkerDisconnected { .. }
        | Event::LeaseRenewed { .. }
        | Event::PrefetchSet { .. }
        | Event::DeviceQuarantined { .. }
        | Event::DeviceReturned { .. }
        | Event::SessionMeasured { .. }
        | Event::ForeignUseNoted { .. }
        | Event::DevicesSampled { .. } => Vec::new(),
    }
}

fn each_once(batches: impl Iterator<Item = BatchId>) -> Vec<BatchId> {
    batches.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether an event is about a batch: nothing where it is not, `false` where it is about others
/// too, or about so many jobs that it would take long to say.
pub(super) fn is_all_about(event: &Event, batch: BatchId, runs: &Runs) -> Option<bool> {
    let named = match event {
        Event::CancelRequested { jobs, .. } => jobs.len(),
        Event::BatchesPruned { batches } => batches.len(),
        _ => runs_of(event).map_or(0, <[JobRun]>::len),
    };
    if named > limits::STORY_EVENTS {
        return Some(false);
    }
    let about = batches_of(event, runs);
    about.contains(&batch).then_some(about.len() == 1)
}

/// The one job that an event is about.
fn job_of(event: &Event) -> Option<JobId> {
    match event {
        Event::AttemptLeased { job, .. }
        | Event::AttemptSucceeded { job, .. }
        | Event::AttemptFailed { job, .. }
        | Event::BackoffElapsed { job }
        | Event::ProgressMade { job, .. }
        | Event::PartialMade { job, .. } => Some(*job),
        Event::CancelRequested { jobs, .. } => {
            if let [job] = jobs[..] {
                Some(job)
            } else {
                None
            }
        }
        Event::JobsAdded { first, jobs, .. } => (jobs.len() == 1).then_some(*first),
        _ => match runs_of(event)? {
            [run] if run.count == 1 => Some(run.first),
            _ => None,
        },
    }
}

/// The jobs that an event is about, where it may be many at once.
fn runs_of(event: &Event) -> Option<&[JobRun]> {
    match event {
        Event::JobsCancelled { jobs, .. }
        | Event::JobsExpired { jobs }
        | Event::JobsRetried { jobs, .. }
        | Event::JobsHeld { jobs, .. }
        | Event::JobsReleased { jobs, .. } => Some(jobs),
        _ => None,
    }
}

/// Whether an event is about a job, alone or among others.
pub(super) fn names_job(event: &Event, job: JobId) -> bool {
    match event {
        Event::CancelRequested { jobs, .. } => jobs.contains(&job),
        Event::RangeAdded { first, count, .. } => (first.0..first.0 + count).contains(&job.0),
        Event::JobsAdded { first, jobs, .. } => {
            (first.0..first.0 + jobs.len() as u64).contains(&job.0)
        }
        _ => match runs_of(event) {
            Some(runs) => runs.iter().any(|run| run.contains(job)),
            None => job_of(event) == Some(job),
        },
    }
}

/// The worker that an event is about.
pub(super) fn worker_of(event: &Event) -> Option<WorkerId> {
    match event {
        Event::AttemptLeased { worker, .. }
        | Event::AttemptSucceeded { worker, .. }
        | Event::AttemptFailed { worker, .. }
        | Event::WorkerJoined { worker, .. }
        | Event::WorkerDraining { worker }
        | Event::WorkerPaused { worker, .. }
        | Event::WorkerLeft { worker, .. }
        | Event::WorkerConnected { worker, .. }
        | Event::WorkerDisconnected { worker, .. }
        | Event::LeaseRenewed { worker, .. }
        | Event::PrefetchSet { worker, .. }
        | Event::DeviceQuarantined { worker, .. }
        | Event::DeviceReturned { worker, .. }
        | Event::SessionMeasured { worker, .. }
        | Event::ForeignUseNoted { worker, .. }
        | Event::DevicesSampled { worker, .. } => Some(*worker),
        _ => None,
    }
}

fn state_after(event: &Event) -> Option<JobState> {
    match event {
        Event::JobsAdded { .. }
        | Event::RangeAdded { .. }
        | Event::BackoffElapsed { .. }
        | Event::JobsReleased { .. }
        | Event::JobsRetried { .. } => Some(JobState::Queued),
        Event::JobsHeld { .. } => Some(JobState::Blocked),
        Event::JobsExpired { .. } => Some(JobState::Expired),
        Event::AttemptLeased { .. } => Some(JobState::Running),
        Event::CancelRequested { .. } => Some(JobState::Cancelling),
        Event::JobsCancelled { .. } => Some(JobState::Cancelled),
        Event::AttemptSucceeded { then, .. } | Event::AttemptFailed { then, .. } => {
            Some(match then {
                Then::NextStage | Then::Requeue => JobState::Queued,
                Then::Succeed => JobState::Succeeded,
                Then::Retry { .. } => JobState::Retrying,
                Then::Fail => JobState::Failed,
                Then::Cancel => JobState::Cancelled,
                Then::Expire => JobState::Expired,
            })
        }
        _ => None,
    }
}

fn data(event: &Event) -> Value {
    match event {
        Event::JobsAdded { batch, first, jobs } => {
            json!({ "batch": batch, "first": first, "count": jobs.len() })
        }
        Event::CancelRequested { jobs, actor } => {
            let shown = &jobs[..jobs.len().min(limits::PAGE)];
            json!({ "jobs": shown, "count": jobs.len(), "actor": actor })
        }
        Event::JobsCancelled { jobs, actor }
        | Event::JobsRetried { jobs, actor }
        | Event::JobsHeld { jobs, actor }
        | Event::JobsReleased { jobs, actor } => json!({
            "jobs": &jobs[..jobs.len().min(limits::PAGE)], "count": count(jobs), "actor": actor
        }),
        Event::JobsExpired { jobs } => {
            json!({ "jobs": &jobs[..jobs.len().min(limits::PAGE)], "count": count(jobs) })
        }
        Event::PartialMade { attempt, job, index, value } => {
            // Who made it says that it is JSON; what is not is shown as the text that it is.
            let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            json!({ "attempt": attempt, "job": job, "index": index, "value": value })
        }
        event => match serde_json::to_value(event) {
            // The variant's name is told by `event` already.
            Ok(Value::Object(tagged)) => tagged.into_iter().next().map_or(Value::Null, |(_, v)| v),
            _ => Value::Null,
        },
    }
}

fn count(jobs: &[JobRun]) -> u64 {
    jobs.iter().map(|run| run.count).sum()
}

#[cfg(test)]
mod tests {
    use gristmill_model::access::Actor;
    use gristmill_model::job::JobSpec;
    use gristmill_model::payload::Payload;
    use gristmill_model::{AttemptId, Time};

    use super::*;

    #[test]
    fn events_about_several_batches_are_told_from_those_about_one() {
        let mut runs = Runs::default();
        for (batch, first) in [(1, 1), (2, 4)] {
            let jobs = vec![JobSpec::of(Payload::empty()); 3];
            runs.learn(&Event::JobsAdded { batch: BatchId(batch), first: JobId(first), jobs });
        }
        let expired = |jobs: &[(u64, u64)]| {
            let run = |(first, count): &(u64, u64)| JobRun { first: JobId(*first), count: *count };
            Event::JobsExpired { jobs: jobs.iter().map(run).collect() }
        };
        let about = |event: &Event| [1, 2, 3].map(|n| is_all_about(event, BatchId(n), &runs));
        assert_eq!(about(&expired(&[(1, 1), (2, 2)])), [Some(true), None, None]);
        assert_eq!(about(&expired(&[(5, 2)])), [None, Some(true), None]);
        assert_eq!(about(&expired(&[(3, 2)])), [Some(false), Some(false), None]);
        assert_eq!(about(&expired(&[(1, 1), (6, 1)])), [Some(false), Some(false), None]);
        let jobs = vec![JobId(2), JobId(4)];
        let asked = Event::CancelRequested { jobs, actor: Actor::Local };
        assert_eq!(about(&asked), [Some(false), Some(false), None]);
        assert_eq!(about(&Event::BackoffElapsed { job: JobId(6) }), [None, Some(true), None]);
    }

    #[test]
    fn a_bulk_of_jobs_is_told_by_its_number() {
        let jobs = vec![JobSpec::of(Payload::empty()); 3];
        let event = Event::JobsAdded { batch: BatchId(1), first: JobId(4), jobs };
        assert!(names_job(&event, JobId(6)) && !names_job(&event, JobId(7)));
        let shown = of(9, &Record { at: Time(1), event }, &[BatchId(1)]);
        assert_eq!(shown.data, json!({ "batch": "b1", "first": "j4", "count": 3 }));
        assert_eq!((shown.job, shown.state), (None, Some(JobState::Queued)));
    }

    #[test]
    fn a_part_of_a_result_is_shown_as_the_value_that_it_is() {
        let made = |value: &str| {
            let (attempt, job, value) = (AttemptId(2), JobId(4), value.to_owned());
            let event = Event::PartialMade { attempt, job, index: 3, value };
            of(9, &Record { at: Time(1), event }, &[BatchId(1)])
        };
        let shown = made(r#"{"token":"flour"}"#);
        assert_eq!((shown.event.as_str(), shown.job), ("partial_made", Some(JobId(4))));
        assert_eq!(shown.data["value"], json!({ "token": "flour" }));
        assert_eq!((&shown.data["index"], &shown.data["attempt"]), (&json!(3), &json!("a2")));
        assert_eq!(made("not JSON").data["value"], json!("not JSON"));
    }

    #[test]
    fn what_an_event_says_stands_without_its_tag() {
        let event = Event::BackoffElapsed { job: JobId(4) };
        let shown = of(9, &Record { at: Time(1), event }, &[]);
        assert_eq!(shown.event, "backoff_elapsed");
        assert_eq!(shown.data, json!({ "job": "j4" }));
        assert_eq!((shown.job, shown.state), (Some(JobId(4)), Some(JobState::Queued)));
    }

    #[test]
    fn runs_of_jobs_of_several_batches_are_told_with_their_number() {
        let mut runs = Runs::default();
        for (batch, first) in [(1, 1), (2, 4), (3, 7)] {
            let jobs = vec![JobSpec::of(Payload::empty()); 3];
            runs.learn(&Event::JobsAdded { batch: BatchId(batch), first: JobId(first), jobs });
        }
        let jobs = vec![JobRun { first: JobId(2), count: 3 }, JobRun::one(JobId(5))];
        let event = Event::JobsRetried { jobs, actor: Actor::Local };
        let batches = batches_of(&event, &runs);
        assert_eq!(batches, [BatchId(1), BatchId(2)]);
        let shown = of(9, &Record { at: Time(1), event }, &batches);
        assert_eq!((shown.job, shown.batch, &shown.data["count"]), (None, None, &json!(4)));
        assert_eq!(shown.data["jobs"][0], json!({ "first": "j2", "count": 3 }));
    }
}
