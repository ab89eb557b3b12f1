//! Give a worker no more work for a while; declare workers that may join.

use gristmill_model::command::Reply;
use gristmill_model::event::{Event, WorkerEvent};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::resources::WorkerShape;
use gristmill_model::{WorkerId, limits, name};

use super::find_worker;
use crate::turn::Turn;

pub(crate) fn pause(turn: &mut Turn, worker: WorkerId, paused: bool) -> Result<Reply, Rejection> {
    if find_worker(turn.state(), worker)?.paused != paused {
        turn.emit(Event::Worker(WorkerEvent::Paused { worker, paused }));
    }
    Ok(Reply::Done)
}

pub(crate) fn declare(
    turn: &mut Turn,
    name: String,
    shape: Option<WorkerShape>,
) -> Result<Reply, Rejection> {
    name::check("worker", &name, Code::InvalidRequest)?;
    let state = turn.state();
    let old = state.declared().find(|(known, _)| *known == name).map(|(_, shape)| shape);
    if old == shape.as_ref() {
        return Ok(Reply::Done);
    }
    if let Some(shape) = &shape {
        super::greet::check_shape(shape)?;
        if shape.capacity.is_nothing() {
            let detail = format!(
                "worker `{name}` would have nothing to give: expected at least one resource above 0"
            );
            return Err(Rejection::new(Code::InvalidRequest, detail));
        }
        if old.is_none() && state.declared().count() >= limits::DECLARED_WORKERS {
            let detail = format!("{} workers are declared already", limits::DECLARED_WORKERS);
            return Err(Rejection::new(Code::TooMany, detail));
        }
    }
    let shape = shape.map(Box::new);
    turn.emit(Event::Worker(WorkerEvent::Declared { name, shape }));
    Ok(Reply::Done)
}
