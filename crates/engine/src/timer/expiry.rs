//! The time by which a batch's jobs must have begun has passed: those that have not expire.

use gristmill_model::cause::Cause;
use gristmill_model::event::{BatchEvent, Event, JobsEvent};
use gristmill_model::{Time, limits};

use crate::decide;
use crate::state::State;
use crate::turn::Turn;

pub(super) fn next(state: &State) -> Option<Time> {
    state.expiries().first().map(|(at, _)| *at)
}

pub(super) fn fire(turn: &mut Turn) -> bool {
    let Some((at, batch)) = turn.state().expiries().first().copied() else { return false };
    if at > turn.wall() {
        return false;
    }
    let runs = turn.state().batch(batch).expect("timers name batches that are here").runs.clone();
    for jobs in decide::unbegun(turn.state(), &runs).chunks(limits::JOBS_PER_EVENT) {
        turn.emit(Event::Jobs(JobsEvent::Expired {
            jobs: jobs.to_vec(),
            cause: Cause::Expiry(at),
        }));
    }
    turn.emit(Event::Batch(BatchEvent::ExpiryReached { batch }));
    true
}
