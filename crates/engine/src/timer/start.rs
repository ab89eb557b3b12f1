//! A batch's start time has come.

use gristmill_model::Time;
use gristmill_model::event::{BatchEvent, Event};

use crate::state::State;
use crate::turn::Turn;

pub(super) fn next(state: &State) -> Option<Time> {
    state.starts().first().map(|(at, _)| *at)
}

pub(super) fn fire(turn: &mut Turn) -> bool {
    match turn.state().starts().first().copied() {
        Some((at, batch)) if at <= turn.wall() => {
            turn.emit(Event::Batch(BatchEvent::StartReached { batch }));
            true
        }
        _ => false,
    }
}
