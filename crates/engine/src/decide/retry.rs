//! Put jobs back in the queue that failed, were cancelled or have expired, at the stage where they
//! stopped.

use gristmill_model::command::Reply;
use gristmill_model::event::{Event, JobsEvent};
use gristmill_model::job::JobState;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{JobId, JobRun, limits};

use super::{check_runs, count, find_state, select};
use crate::turn::Turn;

pub(crate) fn job(turn: &mut Turn, id: JobId) -> Result<Reply, Rejection> {
    let state = find_state(turn.state(), id)?;
    match state {
        JobState::Failed | JobState::Cancelled | JobState::Expired => {
            room_for(turn, 1)?;
            turn.emit(Event::Jobs(JobsEvent::Retried { jobs: vec![JobRun::one(id)] }));
            Ok(Reply::Count(1))
        }
        // A retry that waits for its pause need not wait: a person has asked.
        JobState::Retrying => {
            turn.emit(Event::Jobs(JobsEvent::BackoffElapsed { job: id }));
            Ok(Reply::Count(1))
        }
        _ => Err(Rejection::new(
            Code::WrongState,
            format!("job {id} is {state}: only failed, cancelled and expired jobs can be retried"),
        )),
    }
}

pub(crate) fn jobs(turn: &mut Turn, runs: &[JobRun]) -> Result<Reply, Rejection> {
    check_runs(runs)?;
    let found = select(turn.state(), runs, |job| {
        matches!(job.state, JobState::Failed | JobState::Cancelled | JobState::Expired)
    });
    room_for(turn, count(&found))?;
    for jobs in found.chunks(limits::JOBS_PER_EVENT) {
        turn.emit(Event::Jobs(JobsEvent::Retried { jobs: jobs.to_vec() }));
    }
    Ok(Reply::Count(count(&found)))
}

/// Folded jobs take no room, but to judge them apart would help nobody.
fn room_for(turn: &Turn, count: u64) -> Result<(), Rejection> {
    let live = turn.state().live_jobs();
    if live as u64 + count > limits::LIVE_JOBS as u64 {
        let detail = format!("{live} jobs are not done yet: no room for {count} more");
        return Err(Rejection::new(Code::QueueFull, detail));
    }
    Ok(())
}
