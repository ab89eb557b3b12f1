//! What happens because time passed. One file a duty; each says when it is due next and fires one
//! thing at a time, so that a round can be bounded.

mod backoff;
mod lease;
mod overdue;

pub(crate) use overdue::OVERDUE;

use gristmill_model::{Time, limits};

use crate::state::State;
use crate::turn::Turn;

/// Fires what is due, at most a round's worth; what is left is due at once in the next round.
pub(crate) fn fire(turn: &mut Turn) {
    for _ in 0..limits::TIMERS_PER_ROUND {
        let fired = lease::fire(turn) || overdue::fire(turn) || backoff::fire(turn);
        if !fired {
            return;
        }
    }
}

/// When the next thing is due.
pub(crate) fn next(state: &State) -> Option<Time> {
    [lease::next(state), overdue::next(state), backoff::next(state)].into_iter().flatten().min()
}
