//! Add jobs to an open batch, and close it with the last of them.

use gristmill_model::BatchId;
use gristmill_model::command::{Reply, Submitted};
use gristmill_model::event::{BatchEvent, Event};
use gristmill_model::job::JobSpec;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::source::Source;

use super::{find_batch, submit, terms};
use crate::state::Batch;
use crate::turn::Turn;

pub(crate) fn append(
    turn: &mut Turn,
    batch: BatchId,
    jobs: Vec<JobSpec>,
    range: Option<Source>,
    close: bool,
) -> Result<Reply, Rejection> {
    let found = find_batch(turn.state(), batch)?;
    let brings = !jobs.is_empty() || range.is_some();
    if !found.open {
        // Closing what is closed is done: an answer that was lost may be asked for again.
        if close && !brings {
            return Ok(Reply::Batch(nothing_new(turn, batch)));
        }
        return Err(Rejection::new(Code::BatchClosed, format!("batch {batch} is closed")));
    }
    let project = found.project;
    if brings {
        in_time(turn, batch, found)?;
        let state = turn.state();
        let spec = &state.pipeline(found.pipeline).expect("a batch has its pipeline").spec;
        let key = found.limit_key().map(AsRef::as_ref);
        terms::check_drains(state, project, &spec.name, &spec.stages[0].name, key)?;
    }
    let pipeline = found.pipeline;
    let sifted = submit::sift(turn.state(), Some(project), jobs, range)?;
    let spec = &turn.state().pipeline(pipeline).expect("a batch has its pipeline").spec;
    sifted.check_inputs(spec)?;
    let submitted = submit::add(turn, batch, sifted);
    if close {
        turn.emit(Event::Batch(BatchEvent::Closed { batch }));
    }
    Ok(Reply::Batch(submitted))
}

fn nothing_new(turn: &Turn, batch: BatchId) -> Submitted {
    let first = gristmill_model::JobId(turn.state().next().job);
    let (known, warnings) = (Vec::new(), Vec::new());
    Submitted { batch, first, count: 0, known, replayed: false, warnings }
}

/// A time that has come has passed for ever, though the wall clock be set back.
fn in_time(turn: &Turn, id: BatchId, batch: &Batch) -> Result<(), Rejection> {
    let state = turn.state();
    let expired = batch.expires_at().filter(|at| !state.expiries().contains(&(*at, id)));
    let ended = batch.deadline().filter(|at| !state.deadlines().contains(&(*at, id)));
    let passed = [batch.expires_at(), batch.deadline()].into_iter().flatten().min();
    match expired.or(ended).or(passed.filter(|time| *time <= turn.wall())) {
        Some(time) => {
            let detail = format!("batch {id} takes no more jobs: its time passed at {time}");
            Err(Rejection::new(Code::WrongState, detail))
        }
        None => Ok(()),
    }
}
