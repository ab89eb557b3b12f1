//! The time by which a batch's jobs must be final has passed: what waits expires, what runs is
//! stopped and expires when it has ended.

use gristmill_model::cause::Cause;
use gristmill_model::event::{BatchEvent, Event, JobsEvent};
use gristmill_model::{Time, limits};

use crate::decide::{self, cancel};
use crate::state::State;
use crate::turn::Turn;

pub(super) fn next(state: &State) -> Option<Time> {
    state.deadlines().first().map(|(at, _)| *at)
}

pub(super) fn fire(turn: &mut Turn) -> bool {
    let Some((at, batch)) = turn.state().deadlines().first().copied() else { return false };
    if at > turn.wall() {
        return false;
    }
    let found = turn.state().batch(batch).expect("timers name batches that are here");
    let (open, runs) = (found.open, found.runs.clone());
    let cause = Cause::Deadline(at);
    for jobs in decide::unleased(turn.state(), &runs).chunks(limits::JOBS_PER_EVENT) {
        turn.emit(Event::Jobs(JobsEvent::Expired { jobs: jobs.to_vec(), cause }));
    }
    cancel::stop_running(turn, cause, &runs);
    if open {
        turn.emit(Event::Batch(BatchEvent::Closed { batch }));
    }
    turn.emit(Event::Batch(BatchEvent::DeadlineReached { batch }));
    true
}
