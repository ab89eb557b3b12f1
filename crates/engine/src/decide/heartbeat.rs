//! A worker is alive; how many attempts it likes to hold.

use gristmill_model::WorkerId;
use gristmill_model::command::Reply;
use gristmill_model::event::{EphemeralEvent, Event};
use gristmill_model::limits;
use gristmill_model::problem::Rejection;

use super::find_worker;
use crate::turn::Turn;

pub(crate) fn heartbeat(turn: &mut Turn, worker: WorkerId) -> Result<Reply, Rejection> {
    find_worker(turn.state(), worker)?;
    renew(turn, worker);
    Ok(Reply::Done)
}

/// Any word of a worker renews its lease, unless it was renewed a moment ago.
pub(super) fn renew(turn: &mut Turn, worker: WorkerId) {
    let lease = turn.state().timing().lease;
    let until = turn.now() + lease;
    let moment = turn.state().timing().heartbeat.0 / 4;
    let stale = turn.state().lease_until(worker).is_some_and(|old| until.since(old).0 >= moment);
    if stale && turn.state().is_connected(worker) {
        turn.emit(Event::Ephemeral(EphemeralEvent::LeaseRenewed { worker, until }));
    }
}

pub(crate) fn prefetch(
    turn: &mut Turn,
    worker: WorkerId,
    prefetch: u32,
) -> Result<Reply, Rejection> {
    find_worker(turn.state(), worker)?;
    renew(turn, worker);
    if turn.state().is_connected(worker) {
        turn.emit(Event::Ephemeral(EphemeralEvent::PrefetchSet {
            worker,
            prefetch: prefetch.min(limits::PREFETCH),
        }));
    }
    Ok(Reply::Done)
}
