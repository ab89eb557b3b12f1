//! Cancel one job, many, or a whole batch. A job that waits is cancelled at once; one that runs is
//! asked to stop, and is cancelled when its attempt has ended.

use gristmill_model::cause::Cause;
use gristmill_model::command::Reply;
use gristmill_model::event::{BatchEvent, Event, JobsEvent};
use gristmill_model::job::JobState;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{BatchId, JobId, JobRun, limits};

use super::{check_runs, count, find_batch, find_state, select, unleased};
use crate::turn::Turn;

pub(crate) fn job(turn: &mut Turn, id: JobId) -> Result<Reply, Rejection> {
    let state = find_state(turn.state(), id)?;
    if state.is_final() {
        return Err(Rejection::new(Code::WrongState, format!("job {id} is {state} already")));
    }
    Ok(Reply::Count(cancel(turn, &[JobRun::one(id)])))
}

pub(crate) fn jobs(turn: &mut Turn, runs: &[JobRun]) -> Result<Reply, Rejection> {
    check_runs(runs)?;
    Ok(Reply::Count(cancel(turn, runs)))
}

pub(crate) fn batch(turn: &mut Turn, id: BatchId) -> Result<Reply, Rejection> {
    let batch = find_batch(turn.state(), id)?;
    let (open, runs) = (batch.open, batch.runs.clone());
    let asked = cancel(turn, &runs);
    if open {
        turn.emit(Event::Batch(BatchEvent::Closed { batch: id }));
    }
    Ok(Reply::Count(asked))
}

/// Cancels those that are live; returns how many were not already being cancelled.
fn cancel(turn: &mut Turn, runs: &[JobRun]) -> u64 {
    let waiting = drop_waiting(turn, Cause::Request, runs);
    waiting + stop_running(turn, Cause::Request, runs)
}

/// Cancels those that do not run.
pub(crate) fn drop_waiting(turn: &mut Turn, cause: Cause, runs: &[JobRun]) -> u64 {
    let waiting = unleased(turn.state(), runs);
    for jobs in waiting.chunks(limits::JOBS_PER_EVENT) {
        turn.emit(Event::Jobs(JobsEvent::Cancelled { jobs: jobs.to_vec(), cause }));
    }
    count(&waiting)
}

/// Asks those that run to stop.
pub(crate) fn stop_running(turn: &mut Turn, cause: Cause, runs: &[JobRun]) -> u64 {
    let running = select(turn.state(), runs, |job| job.state == JobState::Running);
    let ids: Vec<JobId> = running.iter().flat_map(|run| run.jobs()).collect();
    for jobs in ids.chunks(limits::JOBS_PER_EVENT) {
        turn.emit(Event::Jobs(JobsEvent::CancelRequested { jobs: jobs.to_vec(), cause }));
    }
    ids.len() as u64
}
