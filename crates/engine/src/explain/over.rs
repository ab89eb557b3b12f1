//! What is to be said of a job that does not wait for its turn: it runs, pauses, or is final.

use gristmill_model::job::JobState;
use gristmill_model::{JobId, Moment, Time, limits};

use super::count;
use crate::state::{Job, State};

/// Since when a job stands as it does, and why.
pub(super) fn told(
    state: &State,
    at: Moment,
    id: JobId,
    shown: JobState,
) -> (Option<Time>, String) {
    let job = state.job(id);
    let folded = || state.fold(id).map(|(_, fold)| (fold.wall, fold.cause));
    let stood = job.map(|job| (job.since.wall, job.cause())).or_else(folded);
    let cause = stood.and_then(|(_, cause)| cause);
    let summary = match (shown, job) {
        (JobState::Succeeded, _) => "its result is committed".into(),
        (JobState::Running | JobState::Cancelling, Some(job)) => running(state, at.now, job),
        (JobState::Retrying, Some(job)) => {
            let until = at.wall_at(job.retry_at.unwrap_or(at.now));
            format!("after {} it pauses until {until}", count(job.failures.into(), "failure"))
        }
        (JobState::Failed, Some(job)) if job.deaths.len() >= limits::LOST_WORKERS => {
            quarantined(job)
        }
        (JobState::Failed, _) => "it has failed for good: see its last attempt, or retry it".into(),
        (JobState::Cancelled, _) => "it was cancelled: retry it to run it after all".into(),
        (JobState::Expired, _) => {
            let why = cause.map_or_else(|| "its time passed".to_owned(), |by| by.to_string());
            format!("{why}: retry it to run it after all")
        }
        (other, _) => format!("it is {other}"),
    };
    (stood.map(|(since, _)| since), summary)
}

fn running(state: &State, now: Time, job: &Job) -> String {
    let Some((id, attempt)) = job.attempt.and_then(|id| Some((id, state.attempt(id)?))) else {
        return "it is between attempts".into();
    };
    let what = match (job.state, attempt.running_since) {
        (JobState::Cancelling, _) if job.is_expiring() => {
            "was told to stop at its deadline".to_owned()
        }
        (JobState::Cancelling, _) => "was asked to stop".to_owned(),
        (_, Some(since)) => format!("has run for {}", now.since(since)),
        (_, None) => "waits in the worker's backlog".to_owned(),
    };
    format!("attempt {id}, number {}, {what} on worker {}", attempt.number, attempt.worker)
}

/// Set aside with the evidence, which its last failure tells too.
fn quarantined(job: &Job) -> String {
    let deaths = job.deaths.iter();
    let evidence: Vec<String> =
        deaths.map(|(worker, attempt)| format!("{worker} while it ran {attempt}")).collect();
    format!(
        "quarantined: {} workers died with it ({}); find out why before you retry it",
        evidence.len(),
        evidence.join(", ")
    )
}
