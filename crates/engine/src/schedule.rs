//! Placement: which waiting job goes to which worker. A function of the state; its outcome is an
//! event, so the policy can change without rewriting history.
//!
//! The order: of the projects that have jobs waiting the one that has used least, of its classes
//! the one whose first job has the smallest rank. A class that a limit or a pause bars steps
//! aside; a need that no worker has room for is left for the rest of the round. A class whose
//! session would drive out a hot one lets that one's jobs go first, for a while.

pub(crate) mod fit;
pub(crate) mod hot;

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::event::{AttemptEvent, Event};
use gristmill_model::{AttemptId, JobId, Time, WorkerId, limits};

use crate::state::{Class, Head, Job, Need, State};
use crate::turn::Turn;
use fit::Rank;

/// Leases waiting jobs in order. Returns whether the round's bound was reached.
pub(crate) fn place(turn: &mut Turn) -> bool {
    let now = turn.now();
    turn.board().thaw_due(now);
    if turn.state().queue().is_empty() || turn.state().hungry().next().is_none() {
        return false;
    }
    let mut round = Round::begin(turn);
    for _ in 0..limits::PLACEMENTS_PER_ROUND {
        round.thaw(turn);
        let Some((need, head, class)) = round.next(turn) else { return false };
        if let Some((bar, why)) = turn.state().barred(&class, now) {
            turn.board().bar(&class, bar, why.until());
            round.list(turn, need);
            continue;
        }
        match round.choose(turn.state(), need, &class) {
            None => {
                round.full.insert(need);
            }
            Some(_) if round.outranks_courtesy(head) => round.end_courtesy(turn, need),
            Some((rank, worker)) if rank.evicts() && round.yields(turn, &class, head, worker) => {
                round.aside.insert(need, head);
            }
            Some((rank, _)) if rank.evicts() && !round.aside.is_empty() => {
                round.end_courtesy(turn, need);
            }
            Some((rank, worker)) => {
                lease(turn, head.job, &class, worker, rank.alternative());
                round.list(turn, need);
                round.ask_again(turn);
            }
        }
    }
    true
}

/// What a class's project has used by now: who has used least goes first.
pub(crate) fn used(state: &State, now: Time, class: &Class) -> u128 {
    state.project(class.project).map_or(0, |project| project.used(now))
}

/// Whether a job of one class goes before one of another, as a round has it.
pub(crate) fn goes_before(
    state: &State,
    now: Time,
    (class, head): (&Class, Head),
    (other, behind): (&Class, Head),
) -> bool {
    let (ours, theirs) = (used(state, now, class), used(state, now, other));
    if state.need(class) == state.need(other) && class.project != other.project {
        return (ours, class.project) < (theirs, other.project);
    }
    (ours, head) < (theirs, behind)
}

fn lease(turn: &mut Turn, job: JobId, class: &Class, worker: WorkerId, alternative: u8) {
    let state = turn.state();
    let attempt = AttemptId(state.next().attempt);
    let found = state.job(job);
    let number = found.map_or(0, |job| job.attempts) + 1;
    let want = fit::stage(state, class).want(alternative, found.is_some_and(Job::keeps_apart));
    let seat = state.worker(worker).and_then(|worker| worker.booking.seat(&want));
    let seat = seat.filter(|seat| !seat.is_plain());
    let stage = class.stage;
    turn.emit(Event::Attempt(AttemptEvent::Leased {
        attempt,
        job,
        stage,
        number,
        worker,
        alternative,
        seat,
    }));
}

/// What one round of placement has found out so far.
#[derive(Default)]
struct Round {
    /// Needs by what their next project has used and by their next job. Both only grow while a
    /// round lasts, so an entry is a lower bound and is mended when it comes up.
    order: BTreeSet<(u128, Head, Need)>,
    /// Needs that no worker has room for.
    full: BTreeSet<Need>,
    /// Needs that let one go first whose session is hot, with their first jobs. With every lease
    /// their turn comes again: what was hot may have no more jobs.
    aside: BTreeMap<Need, Head>,
    courtesy_is_over: bool,
    /// For each need the workers that could take it, best first. Leases only make a worker less
    /// fit, so an entry is a lower bound and is mended when it comes up.
    workers: BTreeMap<Need, BTreeSet<(Rank, WorkerId)>>,
}

impl Round {
    fn begin(turn: &mut Turn) -> Round {
        let mut round = Round::default();
        let needs: Vec<Need> = turn.state().queue().board().needs().collect();
        needs.into_iter().for_each(|need| round.list(turn, need));
        round
    }

    /// Puts a need where its next class belongs.
    fn list(&mut self, turn: &mut Turn, need: Need) {
        if !self.full.contains(&need)
            && let Some((used, head, _)) = turn.next_of(need)
        {
            self.order.insert((used, head, need));
        }
    }

    /// Lets classes step forward again whose bar has lifted: for each bar the first one, and those
    /// before it that no worker has room for.
    fn thaw(&mut self, turn: &mut Turn) {
        for bar in turn.board().thawing() {
            if let Some(why) = turn.state().bars(&bar, turn.now()) {
                turn.board().still_barred(&bar, why.until());
                continue;
            }
            while let Some(need) = turn.board().release_first(&bar) {
                self.list(turn, need);
                if !self.full.contains(&need) {
                    break;
                }
            }
        }
    }

    /// Whether a class lets others go first whose session is hot.
    fn yields(&self, turn: &mut Turn, class: &Class, head: Head, worker: WorkerId) -> bool {
        !self.courtesy_is_over && hot::goes_first(turn, class, head, worker)
    }

    /// Whether a job is a level of priority behind one that stepped aside: that was not meant.
    fn outranks_courtesy(&self, head: Head) -> bool {
        self.aside.values().any(|aside| !hot::are_of_one_level(*aside, head))
    }

    /// Those that stepped aside go before a class that is behind them, and from now on all go in
    /// order.
    fn end_courtesy(&mut self, turn: &mut Turn, need: Need) {
        self.courtesy_is_over = true;
        self.list(turn, need);
        self.ask_again(turn);
    }

    /// Those that stepped aside stand where they belong again.
    fn ask_again(&mut self, turn: &mut Turn) {
        let aside = std::mem::take(&mut self.aside);
        aside.into_keys().for_each(|need| self.list(turn, need));
    }

    /// The class that is next among the needs that are not full. Its need is taken off the order:
    /// who calls puts it back.
    fn next(&mut self, turn: &mut Turn) -> Option<(Need, Head, Class)> {
        while let Some((used, head, need)) = self.order.pop_first() {
            if self.full.contains(&need) {
                continue;
            }
            let Some((used_now, head_now, class)) = turn.next_of(need) else { continue };
            let better =
                self.order.first().is_some_and(|first| *first < (used_now, head_now, need));
            if (used_now, head_now) != (used, head) && better {
                self.order.insert((used_now, head_now, need));
                continue;
            }
            return Some((need, head_now, class));
        }
        None
    }

    /// The fittest worker for a class, and how fit it is.
    fn choose(&mut self, state: &State, need: Need, class: &Class) -> Option<(Rank, WorkerId)> {
        let ranked = || fit::ranked(state, class).collect();
        let workers = self.workers.entry(need).or_insert_with(ranked);
        loop {
            let (noted, id) = workers.pop_first()?;
            let Some(rank) = fit::rank(state, class, id) else { continue };
            let best = rank == noted || workers.first().is_none_or(|first| (rank, id) < *first);
            workers.insert((rank, id));
            if best {
                return Some((rank, id));
            }
        }
    }
}
