//! The scheduler's predicates. Placement and `explain` both ask here, so an explanation is never a
//! second opinion.

use std::fmt;

use gristmill_model::booking::Misfit;
use gristmill_model::pipeline::StageSpec;
use gristmill_model::{WorkerId, limits};

use crate::state::{Class, State, Worker};

/// Whether a worker takes a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It would start at once.
    Now {
        /// Free CPUs in thousandths.
        free: u64,
    },
    /// It would wait in the worker's backlog.
    Backlog {
        /// How many wait there already.
        waiting: usize,
    },
    /// It does not.
    Not(Reason),
}

/// Why a worker does not take a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    Disconnected,
    Draining,
    NoHandler(&'static str),
    NoSharedDisk,
    TooSmall(Misfit),
    Full { running: usize, waiting: usize },
}

/// Workers that could take jobs of a class if they had room.
pub(crate) fn able(state: &State, class: Class) -> Vec<WorkerId> {
    let stage = stage(state, class);
    let able =
        |(id, worker): &(WorkerId, &Worker)| unable(state, class, stage, *id, worker).is_none();
    state.workers().filter(able).map(|(id, _)| id).collect()
}

/// What a worker says to a job of a class, all predicates taken together.
pub(crate) fn verdict(state: &State, class: Class, id: WorkerId) -> Fit {
    let worker = state.worker(id).expect("asked about workers that are here");
    match unable(state, class, stage(state, class), id, worker) {
        Some(reason) => Fit::Not(reason),
        None => room(state, class, id),
    }
}

/// Whether an able worker has room.
pub(crate) fn room(state: &State, class: Class, id: WorkerId) -> Fit {
    let worker = state.worker(id).expect("asked about workers that are here");
    let booking = &worker.booking;
    let (held, waiting) = (booking.held(), booking.backlog_len());
    if held >= limits::ATTEMPTS_PER_WORKER {
        return Fit::Not(Reason::Full { running: held - waiting, waiting });
    }
    if booking.fits_now(&stage(state, class).resources) {
        return Fit::Now { free: booking.free_cpus() };
    }
    let prefetch = state.pulse().link(id).map_or(0, |link| link.prefetch);
    if waiting < prefetch as usize {
        return Fit::Backlog { waiting };
    }
    Fit::Not(Reason::Full { running: held - waiting, waiting })
}

/// Why a worker cannot take jobs of a class, however empty it is.
fn unable(
    state: &State,
    class: Class,
    stage: &StageSpec,
    id: WorkerId,
    worker: &Worker,
) -> Option<Reason> {
    if !state.is_connected(id) {
        return Some(Reason::Disconnected);
    }
    if worker.draining {
        return Some(Reason::Draining);
    }
    if !worker.handlers.contains(stage.handler.kind()) {
        return Some(Reason::NoHandler(stage.handler.kind()));
    }
    if class.shared_disk && !worker.shared_disk {
        return Some(Reason::NoSharedDisk);
    }
    worker.booking.could_fit(&stage.resources).err().map(Reason::TooSmall)
}

fn stage(state: &State, class: Class) -> &StageSpec {
    state.pipeline(class.pipeline).expect("classes name pipelines that exist").stage(class.stage)
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Disconnected => f.write_str("its connection is broken"),
            Reason::Draining => f.write_str("it is draining and takes no more work"),
            Reason::NoHandler(kind) => write!(f, "it was not started with the handler `{kind}`"),
            Reason::NoSharedDisk => {
                f.write_str("the job names paths, and it shares no disk with the submitter")
            }
            Reason::TooSmall(misfit) => misfit.fmt(f),
            Reason::Full { running, waiting } => {
                write!(f, "it is busy: {running} running, {waiting} waiting")
            }
        }
    }
}
