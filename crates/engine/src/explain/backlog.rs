//! A job that waits at a worker already: behind whom, and for what of that worker.

use gristmill_model::api::WorkerVerdict;
use gristmill_model::{AttemptId, JobId, limits};

use super::{count, devices};
use crate::state::State;

/// Where it stands in its worker's backlog.
pub(super) struct Backlog {
    /// Attempts there that begin before it.
    pub(super) ahead: u64,
    /// The jobs of the next of them, in order.
    pub(super) behind: Vec<JobId>,
    pub(super) worker: WorkerVerdict,
}

/// A job's place in the backlog of the worker that it is leased to; nothing where it has begun.
pub(super) fn of(state: &State, id: JobId) -> Option<Backlog> {
    let attempt_id = state.job(id)?.attempt?;
    let attempt = state.attempt(attempt_id).filter(|attempt| attempt.running_since.is_none())?;
    let worker = state.worker(attempt.worker)?;
    let backlog = worker.booking.backlog().take_while(|waiting| *waiting != attempt_id);
    let before: Vec<AttemptId> = backlog.collect();
    let there = devices::of(state, &state.want_of(attempt), worker);
    let reason = match (before.len(), there.short) {
        (0, Some(short)) => short,
        (0, None) => "it begins as soon as there is room".into(),
        (n, _) => format!("{} there before it", count(n as u64, "job")),
    };
    let jobs = before.iter().filter_map(|attempt| Some(state.attempt(*attempt)?.job));
    Some(Backlog {
        ahead: before.len() as u64,
        behind: jobs.take(limits::NAMED_AHEAD).collect(),
        worker: WorkerVerdict {
            worker: attempt.worker,
            name: worker.name().to_owned(),
            fits: false,
            reason,
            devices: there.verdicts,
            more_devices: there.more,
            gives_way: None,
        },
    })
}
