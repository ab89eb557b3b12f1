//! Cancel one job or a whole batch. A job that waits is cancelled at once; one that runs is asked
//! to stop, and is cancelled when its attempt has ended.

use gristmill_model::access::Actor;
use gristmill_model::command::Reply;
use gristmill_model::event::Event;
use gristmill_model::job::JobState;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{BatchId, JobId};

use super::{find_batch, find_job};
use crate::turn::Turn;

pub(crate) fn job(turn: &mut Turn, actor: Actor, id: JobId) -> Result<Reply, Rejection> {
    let state = find_job(turn.state(), id)?.state;
    if state.is_final() {
        return Err(Rejection::new(Code::WrongState, format!("job {id} is {state} already")));
    }
    let asked = cancel(turn, actor, vec![id]);
    Ok(Reply::Count(asked))
}

pub(crate) fn batch(turn: &mut Turn, actor: Actor, id: BatchId) -> Result<Reply, Rejection> {
    let batch = find_batch(turn.state(), id)?;
    let open = batch.open;
    let jobs = batch.runs.iter().flat_map(|(first, count)| (first.0..first.0 + count).map(JobId));
    let live = jobs.filter(|job| turn.state().job(*job).is_some_and(|job| !job.state.is_final()));
    let live = live.collect();
    if open {
        turn.emit(Event::BatchClosed { batch: id });
    }
    let asked = cancel(turn, actor, live);
    Ok(Reply::Count(asked))
}

/// Cancels live jobs; returns how many were not already being cancelled.
fn cancel(turn: &mut Turn, actor: Actor, live: Vec<JobId>) -> u64 {
    let state_of = |id: &JobId| turn.state().job(*id).map(|job| job.state);
    let (leased, waiting): (Vec<_>, Vec<_>) = live
        .into_iter()
        .partition(|id| matches!(state_of(id), Some(JobState::Running | JobState::Cancelling)));
    let running: Vec<_> =
        leased.into_iter().filter(|id| state_of(id) == Some(JobState::Running)).collect();
    let asked = (waiting.len() + running.len()) as u64;
    if !waiting.is_empty() {
        turn.emit(Event::JobsCancelled { jobs: waiting, actor: actor.clone() });
    }
    if !running.is_empty() {
        turn.emit(Event::CancelRequested { jobs: running, actor });
    }
    asked
}
