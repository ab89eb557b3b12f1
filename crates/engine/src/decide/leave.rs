//! A worker's connection breaks; a worker drains; a worker leaves, and what it held is taken back.

use gristmill_model::WorkerId;
use gristmill_model::attempt::{Failure, FailureKind, Usage, WORKER_LOST};
use gristmill_model::command::Reply;
use gristmill_model::event::{EphemeralEvent, Event, LeaveReason, WorkerEvent};
use gristmill_model::problem::Rejection;

use super::{find_worker, report};
use crate::state::State;
use crate::turn::Turn;

/// The worker may come back: its leases live on for a shorter while.
pub(crate) fn disconnect(turn: &mut Turn, worker: WorkerId) -> Result<Reply, Rejection> {
    find_worker(turn.state(), worker)?;
    if turn.state().is_connected(worker) {
        let until = turn.now() + turn.state().timing().disconnect_grace;
        turn.emit(Event::Ephemeral(EphemeralEvent::WorkerDisconnected { worker, until }));
    }
    Ok(Reply::Done)
}

pub(crate) fn drain(turn: &mut Turn, worker: WorkerId) -> Result<Reply, Rejection> {
    if !find_worker(turn.state(), worker)?.draining {
        turn.emit(Event::Worker(WorkerEvent::Draining { worker }));
    }
    Ok(Reply::Done)
}

pub(crate) fn leave(turn: &mut Turn, worker: WorkerId) -> Result<Reply, Rejection> {
    find_worker(turn.state(), worker)?;
    remove(turn, worker, LeaveReason::Goodbye);
    Ok(Reply::Done)
}

/// Takes back what a worker holds and lets it go. A death is held against a job only if the job
/// was running: what waited in the backlog cannot have caused it, and a goodbye is no death.
pub(crate) fn remove(turn: &mut Turn, worker: WorkerId, reason: LeaveReason) {
    let held: Vec<_> = held(turn.state(), worker);
    // From the back, so that nothing of the backlog is promoted on the way out.
    for (attempt, was_running) in held.into_iter().rev() {
        let failure = match reason {
            LeaveReason::LeaseExpired if was_running => Failure::new(
                FailureKind::Lost,
                WORKER_LOST,
                format!("worker {worker} was not heard of for longer than its lease"),
            ),
            _ => Failure::new(
                FailureKind::Lost,
                "worker_left",
                format!("worker {worker} left before it began"),
            ),
        };
        report::fail(turn, attempt, failure, Usage::default(), Vec::new());
    }
    turn.emit(Event::Worker(WorkerEvent::Left { worker, reason }));
}

fn held(state: &State, worker: WorkerId) -> Vec<(gristmill_model::AttemptId, bool)> {
    let worker = state.worker(worker).expect("judged before");
    let running = worker.booking.running().map(|attempt| (attempt, true));
    running.chain(worker.booking.backlog().map(|attempt| (attempt, false))).collect()
}
