//! A worker connected, for the first time or again. What it says that it holds is held against
//! what was leased to it, and the difference is settled here.

use std::collections::BTreeSet;
use std::sync::Arc;

use gristmill_model::access::Actor;
use gristmill_model::attempt::{Failure, FailureKind, Usage};
use gristmill_model::command::{Greeting, Reply};
use gristmill_model::event::{EphemeralEvent, Event, WorkerEvent};
use gristmill_model::limits;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::resources::WorkerShape;
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{AttemptId, WorkerId};

use super::{offers, report};
use crate::state::State;
use crate::turn::Turn;

pub(crate) fn greet(turn: &mut Turn, greeting: Greeting) -> Result<Reply, Rejection> {
    check(turn.state(), &greeting)?;
    let offers = match turn.state().instance(greeting.instance) {
        Some(_) => Vec::new(),
        None => offers::check(turn.state(), &greeting)?,
    };
    let prefetch = greeting.prefetch.min(limits::PREFETCH);
    let holds: BTreeSet<AttemptId> = greeting.holds.iter().copied().collect();
    let worker = match turn.state().instance(greeting.instance) {
        Some(known) => known,
        None => join(turn, greeting),
    };
    turn.set_actor(Actor::worker(worker));
    offers::define(turn, offers);
    let until = turn.now() + turn.state().timing().lease;
    turn.emit(Event::Ephemeral(EphemeralEvent::WorkerConnected { worker, prefetch, until }));
    take_back_undelivered(turn, worker, &holds);
    let attempts = &turn.state().worker(worker).expect("it has just connected").attempts;
    let stale = holds.difference(attempts).copied().collect();
    Ok(Reply::Welcome { worker, stale })
}

fn join(turn: &mut Turn, greeting: Greeting) -> WorkerId {
    let worker = WorkerId(turn.state().next().worker);
    let Greeting { instance, description, .. } = greeting;
    let description = Arc::new(description);
    let joined = WorkerEvent::Joined { worker, instance, description };
    turn.emit_by(Actor::worker(worker), Event::Worker(joined));
    worker
}

/// Leases that never reached the worker go back to the queue; nobody was at fault.
fn take_back_undelivered(turn: &mut Turn, worker: WorkerId, holds: &BTreeSet<AttemptId>) {
    let leased = &turn.state().worker(worker).expect("it has just connected").attempts;
    let undelivered: Vec<_> = leased.difference(holds).copied().collect();
    for attempt in undelivered {
        let failure = Failure::new(
            FailureKind::Lost,
            "undelivered",
            format!("the lease did not reach worker {worker}"),
        );
        report::fail(turn, attempt, failure, Usage::default(), Vec::new());
    }
}

fn check(state: &State, greeting: &Greeting) -> Result<(), Rejection> {
    let refuse = |code, detail: String| Err(Rejection::new(code, detail));
    let WorkerDescription { name, version, shape } = &greeting.description;
    if name.is_empty() || name.len().max(version.len()) > limits::NAME_BYTES {
        let detail = format!("a worker's name has 1 to {} bytes", limits::NAME_BYTES);
        return refuse(Code::InvalidRequest, detail);
    }
    check_shape(shape)?;
    if greeting.holds.len() > limits::HELD_PER_WORKER {
        let detail = format!("a worker holds at most {}", limits::HELD_PER_WORKER);
        return refuse(Code::TooLarge, detail);
    }
    let is_new = state.instance(greeting.instance).is_none();
    if is_new && state.worker_count() >= limits::WORKERS {
        return refuse(Code::TooMany, format!("there are {} workers already", limits::WORKERS));
    }
    Ok(())
}

/// Judges what a worker has and is said to be, whether it is there or declared.
pub(super) fn check_shape(shape: &WorkerShape) -> Result<(), Rejection> {
    let WorkerShape { capacity, handlers, labels, .. } = shape;
    if handlers.is_empty() || handlers.len() > limits::STAGES {
        let detail = format!("a worker runs 1 to {} kinds of handler", limits::STAGES);
        return Err(Rejection::new(Code::InvalidRequest, detail));
    }
    let long = |text: &String| text.len() > limits::LABEL_BYTES;
    if labels.len() > limits::LABELS || labels.iter().any(|(n, v)| long(n) || long(v)) {
        let (most, bytes) = (limits::LABELS, limits::LABEL_BYTES);
        let detail = format!("a worker has at most {most} labels of {bytes} bytes");
        return Err(Rejection::new(Code::InvalidRequest, detail));
    }
    capacity.check()
}
