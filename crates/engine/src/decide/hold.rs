//! Hold a job or a batch, so that it does not begin; let go of it.

use gristmill_model::command::Reply;
use gristmill_model::event::{BatchEvent, Event, JobsEvent};
use gristmill_model::job::JobState;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::terms::Target;
use gristmill_model::{BatchId, JobId, JobRun};

use super::{find_batch, find_state};
use crate::turn::Turn;

pub(crate) fn hold(turn: &mut Turn, target: Target) -> Result<Reply, Rejection> {
    match target {
        Target::Job(job) => hold_job(turn, job),
        Target::Batch(batch) => set_batch(turn, batch, true),
    }
}

pub(crate) fn release(turn: &mut Turn, target: Target) -> Result<Reply, Rejection> {
    match target {
        Target::Job(job) => release_job(turn, job),
        Target::Batch(batch) => set_batch(turn, batch, false),
    }
}

/// Holding a batch again, or letting go of one that nobody holds, changes nothing.
fn set_batch(turn: &mut Turn, id: BatchId, held: bool) -> Result<Reply, Rejection> {
    let batch = find_batch(turn.state(), id)?;
    let waiting = batch.stored_count(JobState::Queued);
    if batch.is_finished() {
        return Err(Rejection::new(Code::WrongState, format!("batch {id} has finished")));
    }
    if batch.is_held() == held {
        return Ok(Reply::Count(0));
    }
    turn.emit(if held {
        Event::Batch(BatchEvent::Held { batch: id })
    } else {
        Event::Batch(BatchEvent::Released { batch: id })
    });
    Ok(Reply::Count(waiting))
}

fn hold_job(turn: &mut Turn, id: JobId) -> Result<Reply, Rejection> {
    let shown = find_state(turn.state(), id)?;
    let state = turn.state().job(id).map_or(JobState::Queued, |job| job.state);
    match (state, shown.is_final()) {
        (JobState::Queued, false) => {
            turn.emit(Event::Jobs(JobsEvent::Held { jobs: vec![JobRun::one(id)] }));
            Ok(Reply::Count(1))
        }
        (JobState::Blocked, _) => Ok(Reply::Count(0)),
        _ => Err(Rejection::new(
            Code::WrongState,
            format!("job {id} is {shown}: only a job that waits can be held"),
        )),
    }
}

fn release_job(turn: &mut Turn, id: JobId) -> Result<Reply, Rejection> {
    let shown = find_state(turn.state(), id)?;
    if turn.state().job(id).is_some_and(|job| job.state == JobState::Blocked) {
        turn.emit(Event::Jobs(JobsEvent::Released { jobs: vec![JobRun::one(id)] }));
        return Ok(Reply::Count(1));
    }
    let detail = match turn.state().owner(id) {
        Some(batch) if shown == JobState::Blocked => {
            format!("job {id} is not held itself, its batch {batch} is blocked: release that")
        }
        _ => format!("job {id} is {shown}, not held"),
    };
    Err(Rejection::new(Code::WrongState, detail))
}
