//! Our own invariants, asserted in release too. A broken one is a bug here, never somebody's
//! mistake: what the world says is judged before it can reach the state.
//!
//! [`check`] looks at everything, after every step of a test. [`spot_check`] looks at a few jobs,
//! batches and workers at a time and goes round, cheap enough for a server at work.

mod spot;
mod whole;

pub(crate) use spot::{Rounds, spot_check};
pub(crate) use whole::check;

use gristmill_model::job::JobState;
use gristmill_model::{AttemptId, BatchId, JobId, WorkerId};

use crate::state::{Attempt, Batch, Job, State, Worker};

fn job_stands_in_its_indexes(state: &State, id: JobId, job: &Job) {
    assert!(job.state != JobState::Succeeded, "{id} succeeded and is still here");
    let is_queued = job.state == JobState::Queued;
    assert_eq!(is_queued, state.waits(id), "{id} is {} and waits", job.state);
    let pauses = job.retry_at.is_some_and(|at| state.backoffs().contains(&(at, id)));
    assert_eq!(job.state == JobState::Retrying, pauses, "{id} among the pauses");
    let leased = matches!(job.state, JobState::Running | JobState::Cancelling);
    assert_eq!(leased, job.attempt.is_some(), "{id} is {} with its attempt", job.state);
    assert_eq!(state.owner(id), Some(job.batch), "{id} belongs to its batch");
    assert!(state.fold(id).is_none(), "{id} is here and not folded too");
}

fn attempt_and_job_agree(state: &State, id: AttemptId, attempt: &Attempt) {
    let job = state.job(attempt.job).expect("a live attempt has its job");
    assert_eq!(job.attempt, Some(id), "{id} is its job's only attempt");
    let worker = state.worker(attempt.worker).expect("a live attempt has its worker");
    assert!(worker.attempts.contains(&id), "{id} is among its worker's");
}

fn worker_holds_what_was_leased(state: &State, id: WorkerId, worker: &Worker) {
    let mut booked: Vec<_> = worker.booking.running().chain(worker.booking.backlog()).collect();
    booked.sort_unstable();
    assert!(booked.iter().eq(&worker.attempts), "{id} books what it holds");
    for attempt in &worker.attempts {
        let live = state.attempt(*attempt).expect("held attempts are live");
        assert_eq!(live.worker, id, "{attempt} is held by its worker");
    }
    for attempt in worker.booking.running() {
        let live = state.attempt(attempt).expect("booked attempts are live");
        assert!(live.running_since.is_some(), "{attempt} is booked since some time");
    }
    assert_eq!(state.instances().get(&worker.instance), Some(&id), "{id} by its instance");
    assert!(state.pulse().link(id).is_some(), "{id} has a lease");
}

fn batch_adds_up(state: &State, id: BatchId, batch: &Batch) {
    let accepted: u64 = batch.runs.iter().map(|run| run.count).sum();
    assert_eq!(batch.total(), accepted, "{id} counts every job once");
    for run in &batch.runs {
        assert!(state.knows_job(JobId(run.end().0 - 1)), "{id} has jobs that were accepted");
        assert_eq!(state.owner(run.first), Some(id), "{id} owns its jobs");
    }
    let live: u64 =
        batch.counts().filter(|(state, _)| !state.is_final()).map(|(_, count)| count).sum();
    assert_eq!(batch.live(), live, "{id} counts its live jobs");
    let noted = batch.finished.is_some_and(|at| state.finished().contains(&(at.now, id)));
    assert_eq!(batch.is_finished(), noted, "{id} is noted when it has finished");
}
