//! Something has ended that a batch waits for: either as it was to end, or otherwise, and then the
//! batch can never begin and is cancelled.

use gristmill_model::cause::Cause;
use gristmill_model::event::{BatchEvent, Event};

use crate::decide::cancel;
use crate::state::{State, is_met};
use crate::turn::Turn;

pub(super) fn is_due(state: &State) -> bool {
    state.first_ended().is_some()
}

pub(super) fn fire(turn: &mut Turn) -> bool {
    let Some((on, batch)) = turn.state().first_ended() else { return false };
    let found = turn.state().batch(batch).expect("who waits is here");
    let when = found.gate().and_then(|gate| gate.pending.get(&on).copied());
    let when = when.expect("who waits says for what");
    let (open, runs) = (found.open, found.runs.clone());
    match is_met(turn.state().ending(on), when) {
        Some(true) => turn.emit(Event::Batch(BatchEvent::DependencyMet { batch, on })),
        Some(false) => {
            cancel::drop_waiting(turn, Cause::Dependency(on, when), &runs);
            if open {
                turn.emit(Event::Batch(BatchEvent::Closed { batch }));
            }
            turn.emit(Event::Batch(BatchEvent::DependencyFailed { batch, on }));
        }
        // It was retried by hand meanwhile: its note is struck when it ends again.
        None => return false,
    }
    true
}
