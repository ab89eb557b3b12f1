//! A few things at a time, round and round: the check that a server makes while it works.

use gristmill_model::{BatchId, JobId, WorkerId};

use super::{
    attempt_and_job_agree, batch_adds_up, job_stands_in_its_indexes, worker_holds_what_was_leased,
};
use crate::state::State;

/// Where the round has come to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounds {
    job: u64,
    batch: u64,
    worker: u64,
}

/// Looks at up to `few` jobs, batches and workers, and goes on from there the next time.
///
/// # Panics
/// When one breaks an invariant.
pub(crate) fn spot_check(state: &State, rounds: &mut Rounds, few: usize) {
    let mut next = 0;
    for (id, job) in state.jobs_from(JobId(rounds.job)).take(few) {
        job_stands_in_its_indexes(state, id, job);
        if let Some((attempt, live)) = job.attempt.and_then(|id| Some((id, state.attempt(id)?))) {
            attempt_and_job_agree(state, attempt, live);
        }
        next = id.0 + 1;
    }
    rounds.job = next;
    next = 0;
    for (id, batch) in state.batches_from(BatchId(rounds.batch)).take(few) {
        batch_adds_up(state, id, batch);
        next = id.0 + 1;
    }
    rounds.batch = next;
    next = 0;
    for (id, worker) in state.workers_from(WorkerId(rounds.worker)).take(1) {
        worker_holds_what_was_leased(state, id, worker);
        next = id.0 + 1;
    }
    rounds.worker = next;
}
