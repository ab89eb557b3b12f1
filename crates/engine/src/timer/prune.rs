//! Batches that finished long ago are forgotten, the longest ago first; so are the oldest of too
//! many. Their rows stay readable.

use gristmill_model::event::{BatchEvent, Event};
use gristmill_model::{BatchId, Time, limits};

use crate::state::State;
use crate::turn::Turn;

pub(super) fn next(state: &State) -> Option<Time> {
    state.finished().first().map(|(at, _)| *at + state.timing().keep_finished)
}

pub(super) fn is_overfull(state: &State) -> bool {
    state.finished().len() > limits::FINISHED_BATCHES
}

pub(super) fn fire(turn: &mut Turn) -> bool {
    let state = turn.state();
    let beyond = state.finished().len().saturating_sub(limits::FINISHED_BATCHES);
    let old = |at: Time| at + state.timing().keep_finished <= turn.now();
    let batches: Vec<BatchId> = state
        .finished()
        .iter()
        .enumerate()
        .take_while(|(place, (at, _))| *place < beyond || old(*at))
        .take(limits::PRUNED_PER_EVENT)
        .map(|(_, (_, batch))| *batch)
        .collect();
    if batches.is_empty() {
        return false;
    }
    turn.emit(Event::Batch(BatchEvent::Forgotten { batches }));
    true
}
