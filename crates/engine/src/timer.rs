//! What happens because time passed, or because something else ended. One file a duty; each says
//! when it is due next and fires one thing at a time, so that a round can be bounded.

mod announce;
mod backoff;
mod deadline;
mod depend;
mod expiry;
mod lease;
mod overdue;
mod prune;
mod start;

pub(crate) use overdue::OVERDUE;

use gristmill_model::{Time, limits};

use crate::state::State;
use crate::turn::Turn;

/// Fires what is due, at most a round's worth; what is left is due at once in the next round.
pub(crate) fn fire(turn: &mut Turn) {
    for _ in 0..limits::TIMERS_PER_ROUND {
        let fired = lease::fire(turn)
            || overdue::fire(turn)
            || deadline::fire(turn)
            || expiry::fire(turn)
            || start::fire(turn)
            || depend::fire(turn)
            || backoff::fire(turn)
            || announce::fire(turn)
            || prune::fire(turn);
        if !fired {
            return;
        }
    }
}

/// When the next thing is due that people have named by the calendar, by the wall clock.
pub(crate) fn next_term(state: &State) -> Option<Time> {
    [deadline::next(state), expiry::next(state), start::next(state)].into_iter().flatten().min()
}

/// When the next other thing is due, by the engine's clock.
pub(crate) fn next(state: &State) -> Option<Time> {
    let at_once = depend::is_due(state) || announce::is_due(state) || prune::is_overfull(state);
    [
        at_once.then(|| state.now()),
        lease::next(state),
        overdue::next(state),
        backoff::next(state),
        prune::next(state),
        state.queue().board().next_lift(),
    ]
    .into_iter()
    .flatten()
    .min()
}
