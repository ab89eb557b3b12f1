//! Placement: which queued job goes to which worker. A pure function of the state; its outcome is
//! an event, so the policy can change without rewriting history.

pub(crate) mod fit;

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::event::Event;
use gristmill_model::{AttemptId, WorkerId, limits};

use crate::state::{Class, State};
use crate::turn::Turn;
use fit::Fit;

/// Leases queued jobs in order: the higher priority first, then the older job. Returns whether the
/// round's bound was reached.
pub(crate) fn place(turn: &mut Turn) -> bool {
    if turn.state().queue().is_empty() {
        return false;
    }
    let mut heads: BTreeSet<_> = turn.state().queue().heads().collect();
    let mut able: BTreeMap<Class, Vec<WorkerId>> = BTreeMap::new();
    for _ in 0..limits::PLACEMENTS_PER_ROUND {
        let Some((place, class)) = heads.pop_first() else { return false };
        let able = able.entry(class).or_insert_with(|| fit::able(turn.state(), class));
        let Some(worker) = choose(turn.state(), class, able) else { continue };
        lease(turn, place.1, worker);
        heads.extend(turn.state().queue().head(class).map(|next| (next, class)));
    }
    !heads.is_empty()
}

/// The worker with the most free CPUs; if none has room now, the one with the shortest backlog
/// that it still likes to grow. Workers that are full are struck off for the rest of the round.
fn choose(state: &State, class: Class, able: &mut Vec<WorkerId>) -> Option<WorkerId> {
    let mut best = None;
    able.retain(|id| {
        let rank = match fit::room(state, class, *id) {
            Fit::Now { free } => (0, u64::MAX - free),
            Fit::Backlog { waiting } => (1, waiting as u64),
            Fit::Not(_) => return false,
        };
        if best.is_none_or(|(other, _)| rank < other) {
            best = Some((rank, *id));
        }
        true
    });
    best.map(|(_, id)| id)
}

fn lease(turn: &mut Turn, job: gristmill_model::JobId, worker: WorkerId) {
    let attempt = AttemptId(turn.state().next().attempt);
    let found = turn.state().job(job).expect("queued jobs are here");
    let (stage, number) = (found.stage, found.attempts + 1);
    turn.emit(Event::AttemptLeased { attempt, job, stage, number, worker });
}
