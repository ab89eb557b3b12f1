//! Why a job is where it is, from the predicates that placement itself uses.

use std::cmp::Reverse;

use gristmill_model::api::{Explanation, WorkerVerdict};
use gristmill_model::job::JobState;
use gristmill_model::problem::Rejection;
use gristmill_model::{JobId, Time, WorkerId};

use crate::decide::find_job;
use crate::schedule::fit::{self, Fit};
use crate::state::{Job, State};

pub(crate) fn explain(state: &State, now: Time, id: JobId) -> Result<Explanation, Rejection> {
    let job = match find_job(state, id) {
        Ok(job) => job,
        Err(_) if state.knows_job(id) => return Ok(succeeded(id)),
        Err(rejection) => return Err(rejection),
    };
    let queued = job.state == JobState::Queued;
    let workers = if queued { verdicts(state, job) } else { Vec::new() };
    let ahead = queued.then(|| state.queue().ahead_of((Reverse(job.priority), id)));
    Ok(Explanation {
        job: id,
        state: job.state,
        summary: summary(state, now, job, ahead, &workers),
        since: Some(job.since),
        ahead,
        workers,
    })
}

fn succeeded(job: JobId) -> Explanation {
    Explanation {
        job,
        state: JobState::Succeeded,
        summary: "its result is committed".into(),
        since: None,
        ahead: None,
        workers: Vec::new(),
    }
}

fn verdicts(state: &State, job: &Job) -> Vec<WorkerVerdict> {
    let class = state.class(job);
    let verdict = |(worker, found): (WorkerId, &crate::state::Worker)| {
        let (fits, reason) = match fit::verdict(state, class, worker) {
            Fit::Now { .. } => (true, "it has room now".to_owned()),
            Fit::Backlog { waiting } => (true, format!("it would wait there behind {waiting}")),
            Fit::Not(reason) => (false, reason.to_string()),
        };
        WorkerVerdict { worker, name: found.name.to_string(), fits, reason }
    };
    state.workers().map(verdict).collect()
}

fn summary(
    state: &State,
    now: Time,
    job: &Job,
    ahead: Option<u64>,
    workers: &[WorkerVerdict],
) -> String {
    match job.state {
        JobState::Queued => queued(ahead.unwrap_or(0), workers),
        JobState::Running | JobState::Cancelling => running(state, now, job),
        JobState::Retrying => {
            let at = job.retry_at.unwrap_or(now);
            format!("after {} failure(s) it pauses until {at}", job.failures)
        }
        JobState::Failed => "it has failed for good: see its last attempt, or retry it".into(),
        JobState::Cancelled => "somebody asked for it to stop".into(),
        other => format!("it is {other}"),
    }
}

fn queued(ahead: u64, workers: &[WorkerVerdict]) -> String {
    if workers.is_empty() {
        return "no worker is connected: start one with `gristmill work`".into();
    }
    if workers.iter().any(|worker| worker.fits) {
        return format!("{ahead} job(s) go first; it is about to be placed");
    }
    match workers {
        [only] => format!("{ahead} job(s) go first, and worker {}: {}", only.worker, only.reason),
        _ => format!("{ahead} job(s) go first, and none of {} workers takes it now", workers.len()),
    }
}

fn running(state: &State, now: Time, job: &Job) -> String {
    let Some((id, attempt)) = job.attempt.and_then(|id| Some((id, state.attempt(id)?))) else {
        return "it is between attempts".into();
    };
    let what = match (job.state, attempt.running_since) {
        (JobState::Cancelling, _) => "was asked to stop".to_owned(),
        (_, Some(since)) => format!("runs since {}", now.since(since)),
        (_, None) => "waits in the worker's backlog".to_owned(),
    };
    format!("attempt {id}, number {}, {what} on worker {}", attempt.number, attempt.worker)
}
