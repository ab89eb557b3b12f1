//! A batch has finished whose end somebody asked to be told.

use gristmill_model::event::{BatchEvent, Event};

use crate::state::State;
use crate::turn::Turn;

pub(super) fn is_due(state: &State) -> bool {
    !state.to_announce().is_empty()
}

pub(super) fn fire(turn: &mut Turn) -> bool {
    let Some(batch) = turn.state().to_announce().first().copied() else { return false };
    turn.emit(Event::Batch(BatchEvent::Finished { batch }));
    true
}
