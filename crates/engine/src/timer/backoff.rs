//! The pause after a failure is over.

use gristmill_model::Time;
use gristmill_model::event::{Event, JobsEvent};

use crate::state::State;
use crate::turn::Turn;

pub(super) fn next(state: &State) -> Option<Time> {
    state.backoffs().first().map(|(at, _)| *at)
}

pub(super) fn fire(turn: &mut Turn) -> bool {
    match turn.state().backoffs().first().copied() {
        Some((at, job)) if at <= turn.now() => {
            turn.emit(Event::Jobs(JobsEvent::BackoffElapsed { job }));
            true
        }
        _ => false,
    }
}
