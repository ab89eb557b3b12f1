//! Work goes to sessions that are hot: a job whose session would drive out another lets that one's
//! jobs go first, among jobs of one priority level, and only for a while.
//!
//! Without this two kinds of work that share a device would drive each other out with every job,
//! and the device would do nothing but load models. The while is a few times what loading costs, so
//! that at the worst a part of the time goes into loading, and nobody waits longer than it for
//! that.

use gristmill_model::{Span, WorkerId, limits};

use super::fit::{self, Rank};
use crate::state::{Class, Head, State};
use crate::turn::Turn;

/// Whether a class lets others go first whose session is on the devices that it would get.
pub(super) fn goes_first(turn: &mut Turn, class: &Class, head: Head, worker: WorkerId) -> bool {
    let state = turn.state();
    let stage = fit::stage(state, class);
    let since = state.stands_since(head.job);
    if turn.now() >= since + patience(state, stage.handler.word()) {
        return false;
    }
    let found = state.worker(worker).expect("chosen from those that are here");
    let wants = (0..).zip(stage.requests()).map(|(place, _)| stage.want(place, false));
    let evicted: Vec<String> = wants.flat_map(|want| fit::evicted(found, &want)).collect();
    let needs: Vec<_> = state.queue().board().needs().collect();
    needs.into_iter().any(|need| {
        let Some((_, rival, rivals)) = turn.next_of(need) else { return false };
        let theirs = fit::stage(turn.state(), &rivals).want(0, false).session;
        theirs.is_some_and(|session| evicted.contains(&session.name))
            && are_of_one_level(head, rival)
            && turn.state().barred(&rivals, turn.now()).is_none()
            && fit::rank(turn.state(), &rivals, worker).is_some_and(Rank::is_hot)
    })
}

/// How long a job lets others go first, by what its session costs to load.
fn patience(state: &State, session: &str) -> Span {
    let load = state.pulse().load_of(session).unwrap_or(Span::ZERO);
    let while_it_pays = Span(load.0.saturating_mul(limits::HOT_PATIENCE));
    while_it_pays.clamp(limits::HOT_PATIENCE_LEAST, limits::HOT_PATIENCE_MOST)
}

/// Whether no level of priority lies between two jobs: a level is worth this much of age.
pub(super) fn are_of_one_level(one: Head, other: Head) -> bool {
    one.rank.abs_diff(other.rank) < limits::AGEING.0
}
