//! An attempt far beyond its stage's timeout. Workers end attempts at their timeout themselves;
//! this is for the worker that lives but does not.

use gristmill_model::Time;
use gristmill_model::attempt::{Failure, FailureKind, Usage};

use crate::decide::report;
use crate::state::State;
use crate::turn::Turn;

/// Code of a failure that the engine itself declares: the worker may still be running it.
pub(crate) const OVERDUE: &str = "overdue";

pub(super) fn next(state: &State) -> Option<Time> {
    state.pulse().first_overdue().map(|(due, _)| due)
}

pub(super) fn fire(turn: &mut Turn) -> bool {
    match turn.state().pulse().first_overdue() {
        Some((due, attempt)) if due <= turn.now() => {
            let message = "its worker did not end it at its timeout";
            let failure = Failure::new(FailureKind::TimedOut, OVERDUE, message);
            report::fail(turn, attempt, failure, Usage::default(), Vec::new());
            true
        }
        _ => false,
    }
}
