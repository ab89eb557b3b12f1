//! How a picture's job ended, as a job or an event tells it.

use std::time::Duration;

use gristmill_model::api::{FeedEvent, Job};
use gristmill_model::attempt::{Failure, FailureKind, Success, Usage};
use gristmill_model::digest::Digest;
use gristmill_model::job::JobState;
use gristmill_model::payload::{Artifact, Payload, Place};
use serde::Deserialize;

/// Made or not.
#[derive(Debug, Clone)]
pub enum End {
    Made { success: Success, took: Option<Duration> },
    Failed(Failure),
}

/// What an event of an attempt's end carries; the feed's other fields do not matter here.
#[derive(Debug, Deserialize)]
struct Told {
    #[serde(default)]
    success: Option<Success>,
    #[serde(default)]
    failure: Option<Failure>,
    #[serde(default)]
    usage: Option<Usage>,
}

impl End {
    /// Reads the end out of a job that is final.
    pub fn of(job: Job) -> End {
        let span = job.started_at.zip(job.finished_at);
        let took = span.map(|(start, end)| end.since(start).to_std());
        match (job.result, job.failure) {
            (Some(output), _) if job.state == JobState::Succeeded => {
                let Job { artifacts, warnings, .. } = job;
                End::Made { success: Success { output, artifacts, warnings }, took }
            }
            (_, Some(failure)) => End::Failed(failure),
            _ => End::Failed(Failure::new(
                FailureKind::Cancelled,
                "cancelled",
                "somebody cancelled it",
            )),
        }
    }

    /// Reads the end out of an event, where it carries all that there is to know.
    pub fn told(event: &FeedEvent) -> Option<End> {
        let told = Told::deserialize(&event.data).ok()?;
        let took = told.usage.map(|usage| usage.wall.to_std());
        match (told.success, told.failure) {
            (Some(success), _) => Some(End::Made { success, took }),
            (None, Some(failure)) => Some(End::Failed(failure)),
            (None, None) => None,
        }
    }

    /// The result's digest, where it lies in a server's store.
    pub fn blob(&self) -> Option<Digest> {
        match self {
            End::Made { success, .. } => match &success.output {
                Payload::File(Artifact { place: Place::Blob(digest), .. }) => Some(*digest),
                _ => None,
            },
            End::Failed(_) => None,
        }
    }
}
