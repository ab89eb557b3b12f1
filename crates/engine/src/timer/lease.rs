//! A worker that was not heard of for longer than its lease is gone, and its work is given away.

use gristmill_model::Time;
use gristmill_model::event::LeaveReason;

use crate::decide::leave;
use crate::state::State;
use crate::turn::Turn;

pub(super) fn next(state: &State) -> Option<Time> {
    state.pulse().first_lease().map(|(until, _)| until)
}

pub(super) fn fire(turn: &mut Turn) -> bool {
    match turn.state().pulse().first_lease() {
        Some((until, worker)) if until <= turn.now() => {
            leave::remove(turn, worker, LeaveReason::LeaseExpired);
            true
        }
        _ => false,
    }
}
