//! An event as people see it: what it is about, and how that stands afterwards.
//!
//! Lists that an event carries for the engine's sake, such as all jobs of a submission, are told by
//! their number: whoever wants them lists them.

use std::collections::BTreeSet;

use gristmill_engine::change::Change;
use gristmill_model::api::FeedEvent;
use gristmill_model::event::{BatchEvent, EphemeralEvent, Event, JobsEvent};
use gristmill_model::job::JobState;
use gristmill_model::{BatchId, JobId, JobRun, limits};
use serde_json::{Value, json};

use super::committed::{Committed, Happened};

#[cfg(test)]
mod tests;

/// What an event is about.
#[derive(Debug, Default)]
pub(super) struct About {
    /// Its jobs, with where they stand.
    jobs: Vec<(JobRun, Option<JobState>)>,
    pub(super) batches: BTreeSet<BatchId>,
}

impl About {
    /// What the changes of an event, and the event itself, are about.
    pub(super) fn of(happened: &Happened<'_>) -> About {
        let mut about = About::default();
        about.batches.extend(happened.record.event.batch());
        if let Some(job) = happened.record.event.job() {
            about.jobs.push((JobRun::one(job), None));
        }
        for made in happened.changes {
            about.add(&made.change);
        }
        about
    }

    fn add(&mut self, change: &Change) {
        match change {
            Change::Job(job) => {
                self.jobs.push((JobRun::one(job.id), Some(job.state)));
                self.batches.insert(job.batch);
            }
            Change::Run(run) => {
                self.jobs.push((run.jobs, Some(run.state)));
                self.batches.insert(run.batch);
            }
            Change::Forgotten(batch) => {
                self.batches.insert(*batch);
            }
            // These are told with the event that names them, or belong to the whole round.
            Change::Pipeline(_)
            | Change::Opened(_)
            | Change::Accepted(_)
            | Change::Batch(_)
            | Change::Unmet { .. }
            | Change::Announced { .. }
            | Change::Called { .. }
            | Change::Attempt(_)
            | Change::Worker(_) => {}
        }
    }

    /// Whether it is about a job, alone or among others.
    pub(super) fn names_job(&self, job: JobId) -> bool {
        self.jobs.iter().any(|(run, _)| run.contains(job))
    }

    /// The one job that it is about.
    fn job(&self) -> Option<JobId> {
        let (first, _) = self.jobs.first()?;
        let one = first.count == 1 && self.jobs.iter().all(|(run, _)| run == first);
        one.then_some(first.first)
    }

    /// Where its jobs stand, if they stand alike.
    fn state(&self) -> Option<JobState> {
        self.jobs.iter().rev().find_map(|(_, state)| *state)
    }
}

/// The event as the feed shows it.
pub(super) fn of(round: &Committed, happened: &Happened<'_>, about: &About) -> FeedEvent {
    let (record, event) = (happened.record, &happened.record.event);
    // One of several would be misleading; all of them stand in what the event says.
    let batch = if about.batches.len() == 1 { about.batches.first().copied() } else { None };
    let state = about.state().map(|state| match (state, batch) {
        (JobState::Queued, Some(batch)) => round.waits_as(batch).unwrap_or(state),
        _ => state,
    });
    FeedEvent {
        seq: happened.seq,
        at: record.at.wall,
        actor: Some(record.actor),
        event: event.name().into(),
        job: about.job(),
        batch,
        worker: event.worker(),
        state,
        data: data(event),
    }
}

fn data(event: &Event) -> Value {
    match event {
        Event::Batch(BatchEvent::JobsAdded { batch, first, jobs }) => {
            json!({ "batch": batch, "first": first, "count": jobs.len() })
        }
        Event::Jobs(JobsEvent::CancelRequested { jobs, cause }) => {
            let shown = &jobs[..jobs.len().min(limits::PAGE)];
            json!({ "jobs": shown, "count": jobs.len(), "cause": cause.code() })
        }
        Event::Jobs(JobsEvent::Cancelled { jobs, cause } | JobsEvent::Expired { jobs, cause }) => {
            json!({ "jobs": few(jobs), "count": count(jobs), "cause": cause.code() })
        }
        Event::Jobs(
            JobsEvent::Retried { jobs } | JobsEvent::Held { jobs } | JobsEvent::Released { jobs },
        ) => json!({ "jobs": few(jobs), "count": count(jobs) }),
        Event::Ephemeral(EphemeralEvent::PartialMade { attempt, job, index, value, .. }) => {
            // Who made it says that it is JSON; what is not is shown as the text that it is.
            let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            json!({ "attempt": attempt, "job": job, "index": index, "value": value })
        }
        event => match serde_json::to_value(event) {
            // The kind's name and the variant's are told by `event` already.
            Ok(Value::Object(kind)) => {
                let inner = kind.into_iter().next().map_or(Value::Null, |(_, value)| value);
                match inner {
                    Value::Object(tagged) => {
                        tagged.into_iter().next().map_or(Value::Null, |(_, value)| value)
                    }
                    other => other,
                }
            }
            _ => Value::Null,
        },
    }
}

fn few(jobs: &[JobRun]) -> &[JobRun] {
    &jobs[..jobs.len().min(limits::PAGE)]
}

fn count(jobs: &[JobRun]) -> u64 {
    jobs.iter().map(|run| run.count).sum()
}
