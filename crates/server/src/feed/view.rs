//! An event as people see it: what it is about, and what became of the job.
//!
//! Lists that an event carries for the engine's sake, such as all jobs of a submission, are told by
//! their number: whoever wants them lists them.

use gristmill_model::api::FeedEvent;
use gristmill_model::event::{Event, Record, Then};
use gristmill_model::job::JobState;
use gristmill_model::{BatchId, JobId, JobRun, WorkerId, limits};
use serde_json::{Value, json};

use super::Runs;

/// The event as the feed shows it.
pub(super) fn of(seq: u64, record: &Record, batch: Option<BatchId>) -> FeedEvent {
    let event = &record.event;
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

/// The batch that an event is about, its own or that of its jobs.
pub(super) fn batch_of(event: &Event, runs: &Runs) -> Option<BatchId> {
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
        | Event::BatchClosed { batch } => Some(*batch),
        // An event about many jobs may speak of several batches: it is told under the first.
        Event::CancelRequested { jobs, .. } => runs.batch_of(*jobs.first()?),
        _ => runs.batch_of(
            runs_of(event)
                .and_then(|jobs| jobs.first())
                .map_or_else(|| job_of(event), |run| Some(run.first))?,
        ),
    }
}

/// Whether an event is about a batch: nothing where it is not, `false` where it is about others too,
/// or about so many jobs that it would take long to say.
pub(super) fn is_all_about(event: &Event, batch: BatchId, runs: &Runs) -> Option<bool> {
    let of = |jobs: &mut dyn Iterator<Item = JobId>| {
        let mut jobs = jobs.map(|job| runs.batch_of(job) == Some(batch));
        let first = jobs.next()?;
        match jobs.all(|other| other == first) {
            true => first.then_some(true),
            false => Some(false),
        }
    };
    match event {
        Event::CancelRequested { jobs, .. } if jobs.len() > limits::STORY_EVENTS => Some(false),
        Event::CancelRequested { jobs, .. } => of(&mut jobs.iter().copied()),
        _ => match runs_of(event) {
            Some(jobs) if jobs.len() > limits::STORY_EVENTS => Some(false),
            Some(jobs) => {
                let ends = |run: &JobRun| [run.first, JobId(run.end().0 - 1)];
                of(&mut jobs.iter().flat_map(ends))
            }
            None => (batch_of(event, runs) == Some(batch)).then_some(true),
        },
    }
}

/// The one job that an event is about.
fn job_of(event: &Event) -> Option<JobId> {
    match event {
        Event::AttemptLeased { job, .. }
        | Event::AttemptSucceeded { job, .. }
        | Event::AttemptFailed { job, .. }
        | Event::BackoffElapsed { job }
        | Event::ProgressMade { job, .. } => Some(*job),
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
        | Event::PrefetchSet { worker, .. } => Some(*worker),
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
        event => match serde_json::to_value(event) {
            // The variant's name is told by `event` already.
            Ok(Value::Object(tagged)) => tagged.into_iter().next().map_or(Value::Null, |(_, v)| v),
            _ => Value::Null,
        },
    }
}

#[cfg(test)]
mod tests {
    use gristmill_model::Time;
    use gristmill_model::access::Actor;
    use gristmill_model::job::JobSpec;
    use gristmill_model::payload::Payload;

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
        let shown = of(9, &Record { at: Time(1), event }, Some(BatchId(1)));
        assert_eq!(shown.data, json!({ "batch": "b1", "first": "j4", "count": 3 }));
        assert_eq!((shown.job, shown.state), (None, Some(JobState::Queued)));
    }

    #[test]
    fn what_an_event_says_stands_without_its_tag() {
        let event = Event::BackoffElapsed { job: JobId(4) };
        let shown = of(9, &Record { at: Time(1), event }, None);
        assert_eq!(shown.event, "backoff_elapsed");
        assert_eq!(shown.data, json!({ "job": "j4" }));
        assert_eq!((shown.job, shown.state), (Some(JobId(4)), Some(JobState::Queued)));
    }
}
