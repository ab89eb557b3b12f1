//! Work goes to sessions that are hot: a job whose session would drive out another lets that one's
//! jobs go first, among jobs of one priority level, and only for a while.
//!
//! Without this two kinds of work that share a device would drive each other out with every job,
//! and the device would do nothing but load models. The while is a few times what loading costs, so
//! that at the worst a part of the time goes into loading, and nobody waits longer than it for
//! that.
//!
//! The while is that of a line, all jobs that want the same, and not of its first job alone: who
//! comes back after a failure, or from the stage before, stands in front of jobs that have waited.

use gristmill_model::{JobId, Span, Time, WorkerId, limits};

use super::fit::{self, Rank};
use crate::state::{Class, Head, Lane, State};
use crate::turn::Turn;

/// Whom a job lets go first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Courtesy {
    /// The session that is there.
    pub(crate) session: String,
    /// The next of its jobs.
    pub(crate) job: JobId,
    /// Until then at the latest.
    pub(crate) until: Time,
}

/// Whether a class lets others go first whose session is on the devices that it would get.
pub(super) fn goes_first(turn: &mut Turn, class: &Class, head: Head, worker: WorkerId) -> bool {
    let state = turn.state();
    let stage = fit::stage(state, class);
    let patience = patience(state, stage.handler.word());
    if turn.now() >= state.stands_since(head.job) + patience {
        return false;
    }
    let found = state.worker(worker).expect("chosen from those that are here");
    let wants = (0..).zip(stage.requests()).map(|(place, _)| stage.want(place, false));
    let evicted: Vec<String> = wants.flat_map(|want| fit::evicted(found, &want)).collect();
    let needs: Vec<_> = state.queue().board().needs().collect();
    needs.into_iter().any(|need| {
        let Some((_, rival, rivals)) = turn.next_of(need) else { return false };
        let (state, now) = (turn.state(), turn.now());
        is_at_home(state, now, head, &evicted, rival, &rivals)
            && fit::rank(state, &rivals, worker).is_some_and(Rank::is_hot)
            && now < stands_since(state, now, (class, head), (&rivals, rival)) + patience
    })
}

/// Whom a class lets go first when room comes free on the devices of a worker that would do for it,
/// though its own turn is before theirs.
pub(crate) fn courtesy(
    state: &State,
    now: Time,
    class: &Class,
    head: Head,
    worker: WorkerId,
) -> Option<Courtesy> {
    let stage = fit::stage(state, class);
    let there = fit::sessions_there(state.worker(worker)?, stage);
    let listed = state.queue().board().listed();
    let guests = listed.filter(|(rivals, rival)| {
        is_at_home(state, now, head, &there, *rival, rivals)
            && !super::goes_before(state, now, (rivals, *rival), (class, head))
    });
    let (rivals, rival) = guests.min_by_key(|(_, rival)| *rival)?;
    let since = stands_since(state, now, (class, head), (rivals, rival));
    let until = since + patience(state, stage.handler.word());
    let session = fit::stage(state, rivals).handler.session()?.key();
    (now < until).then_some(Courtesy { session, job: rival.job, until })
}

/// Whether a rival, of the same level of priority and not barred, has its session among these.
fn is_at_home(
    state: &State,
    now: Time,
    head: Head,
    sessions: &[String],
    rival: Head,
    rivals: &Class,
) -> bool {
    let theirs = fit::stage(state, rivals).want(0, false).session;
    theirs.is_some_and(|session| sessions.contains(&session.name))
        && are_of_one_level(head, rival)
        && state.barred(rivals, now).is_none()
}

/// Since when a job, or another of its line that goes before a rival as well, stands where it does.
/// Of a long line only the first are looked at.
fn stands_since(
    state: &State,
    now: Time,
    (class, head): (&Class, Head),
    rival: (&Class, Head),
) -> Time {
    let queue = state.queue();
    let own = state.stands_since(head.job);
    let lanes = queue.board().line(state.need(class), class.project).take(limits::HOT_LINE);
    lanes.fold(own, |since, class| {
        let jobs = queue.lane(class).into_iter().flat_map(Lane::places).take(limits::HOT_LINE);
        let before = jobs.map(|(rank, job)| Head { rank, job }).filter(|head| {
            // What costs more is asked only where it matters.
            state.stands_since(head.job) < since
                && super::goes_before(state, now, (class, *head), rival)
                && state.barred(class, now).is_none()
        });
        before.map(|head| state.stands_since(head.job)).fold(since, Time::min)
    })
}

/// How long a line lets others go first, by what its session costs to load.
fn patience(state: &State, session: &str) -> Span {
    let load = state.pulse().load_of(session).unwrap_or(Span::ZERO);
    let while_it_pays = Span(load.0.saturating_mul(limits::HOT_PATIENCE));
    while_it_pays.clamp(limits::HOT_PATIENCE_LEAST, limits::HOT_PATIENCE_MOST)
}

/// Whether no level of priority lies between two jobs: a level is worth this much of age.
pub(super) fn are_of_one_level(one: Head, other: Head) -> bool {
    one.rank.abs_diff(other.rank) < limits::AGEING.0
}
