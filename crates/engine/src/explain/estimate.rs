//! When a job would begin, if runs took as long as they did of late: the workers that could take it
//! are filled, one by one, with what goes before it.
//!
//! Jobs that need something else of the same workers are not foreseen, and how other projects'
//! shares will fall only roughly: it is an estimate. Where the job cannot begin there is none.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gristmill_model::pipeline::StageSpec;
use gristmill_model::{AttemptId, Moment, Span, Time, WorkerId, booking, limits};

use super::place::Place;
use super::{Waiting, waits};
use crate::schedule::fit::{self, Fit, Reason};
use crate::state::{Barred, State, Worker};

/// The estimate, by the engine's clock.
pub(super) fn of(
    state: &State,
    at: Moment,
    waiting: &Waiting,
    place: Option<&Place>,
    fits: &[(WorkerId, Fit)],
) -> Option<Time> {
    let now = at.now;
    let able: Vec<WorkerId> =
        fits.iter().filter(|(_, fit)| is_able(fit)).map(|(id, _)| *id).collect();
    if able.is_empty() || waits::for_somebody(state, waiting) {
        return None;
    }
    let ahead = place.map_or(0, |place| place.ahead);
    let bars = state.bars_of(&waiting.class, now);
    let whys: Vec<&Barred> = bars.iter().map(|(_, why)| why).collect();
    let not_before = not_before(state, at, waiting, ahead, &whys)?;
    let Some(place) = place else { return Some(not_before) };
    let has_room = fits.iter().any(|(_, fit)| matches!(fit, Fit::Now { .. }));
    if ahead == 0 && has_room && bars.is_empty() {
        return Some(now);
    }
    let turn = its_turn(state, now, waiting, place, &able);
    // Where only a rate is in the way, that says when.
    let only_rates = whys.iter().all(|why| matches!(why, Barred::TooSoon { .. }));
    match turn {
        Some(turn) => Some(not_before.max(now + turn)),
        None => (only_rates && ahead == 0 && has_room).then_some(not_before),
    }
}

/// Whether a worker could take the job sooner or later without anybody doing anything.
fn is_able(fit: &Fit) -> bool {
    matches!(fit, Fit::Now { .. } | Fit::Backlog { .. } | Fit::Not(Reason::Full { .. }))
}

/// Before when it does not begin, whatever the workers do; nothing where a person must act first.
fn not_before(
    state: &State,
    at: Moment,
    waiting: &Waiting,
    ahead: u64,
    whys: &[&Barred],
) -> Option<Time> {
    let batch = state.batch(waiting.batch).expect("a job has its batch");
    let mut earliest = batch.start_at().map_or(at.now, |start| at.now_at(start));
    for why in whys {
        match why {
            Barred::Paused | Barred::NextDrains => return None,
            Barred::Busy { .. } => {}
            Barred::TooSoon { rate, until } => {
                let turns = Span(rate.interval().0.saturating_mul(ahead));
                earliest = earliest.max(*until + turns);
            }
        }
    }
    Some(earliest)
}

/// How long until it is the job's turn; nothing where of something that goes first nobody knows how
/// long it takes, for no run of its stage has ended yet.
fn its_turn(
    state: &State,
    now: Time,
    waiting: &Waiting,
    place: &Place,
    able: &[WorkerId],
) -> Option<Span> {
    let stage = fit::stage(state, &waiting.class);
    let mut filled = Filled { free: BinaryHeap::new(), foreseen: limits::JOBS_FORESEEN };
    let (mut held_back, mut their_length) = (0, 0_u64);
    for id in able {
        let worker = state.worker(*id).expect("asked about workers that are here");
        let left = |attempt| left_of(state, attempt, now);
        let mut running = worker.booking.running().map(left).collect::<Option<Vec<u64>>>()?;
        running.sort_unstable();
        filled.add(worker, stage, &running);
        for attempt in worker.booking.backlog() {
            held_back += 1;
            their_length = their_length.saturating_add(left(attempt)?);
        }
    }
    filled.narrow(state.most_at_once(&waiting.class));
    filled.put(their_length.checked_div(held_back).unwrap_or(0), held_back);
    for (length, count) in place.lengths.iter().filter(|(_, count)| *count > 0) {
        filled.put((*length)?.0, *count);
    }
    filled.first().map(Span)
}

/// What is left of an attempt, as far as one can tell: of one that has run for longer than others
/// did, half as long again.
fn left_of(state: &State, id: AttemptId, now: Time) -> Option<u64> {
    let attempt = state.attempt(id).expect("workers hold attempts that are here");
    let class = state.class(state.job(attempt.job).expect("a live attempt has its job"));
    let length = state.run_of(&class)?.0;
    Some(match attempt.running_since.map(|since| now.since(since).0) {
        Some(has_run) if has_run > length => has_run / 2,
        Some(has_run) => length - has_run,
        None => length,
    })
}

/// Places where such jobs run, by when each comes free.
struct Filled {
    free: BinaryHeap<Reverse<u64>>,
    /// How many jobs may still be placed one by one.
    foreseen: u64,
}

impl Filled {
    /// Adds the places of a worker. What runs there now may need more or less than such a job: then
    /// a place comes free with the last of several, or several with one.
    fn add(&mut self, worker: &Worker, stage: &StageSpec, running: &[u64]) {
        let seats = u64::from(stage.handler.seats().unwrap_or(1));
        let slots =
            |request| booking::slots(worker.booking.capacity(), request).saturating_mul(seats);
        let most = limits::ATTEMPTS_PER_WORKER;
        let places = stage.requests().map(slots).max().unwrap_or(0);
        let places = usize::try_from(places).map_or(most, |places| places.min(most));
        let mut wants = (0..).zip(stage.requests()).map(|(place, _)| stage.want(place, false));
        let has_room = wants.any(|want| worker.booking.seat(&want).is_some());
        let run = running.len();
        for place in 0..places {
            let free = match run {
                0 => 0,
                _ if has_room && run <= places => running.get(place).copied().unwrap_or(0),
                _ if run <= places => running[place % run],
                _ => running[((place + 1) * run / places).clamp(1, run) - 1],
            };
            self.free.push(Reverse(free));
        }
    }

    /// Lets no more than so many run at a time.
    fn narrow(&mut self, most: Option<u32>) {
        let Some(most) = most else { return };
        while self.free.len() > most as usize {
            self.free.pop();
        }
    }

    /// Puts jobs of a length where room comes first.
    fn put(&mut self, length: u64, count: u64) {
        let single = count.min(self.foreseen);
        self.foreseen -= single;
        for _ in 0..single {
            let Some(Reverse(free)) = self.free.pop() else { return };
            self.free.push(Reverse(free.saturating_add(length)));
        }
        let places = self.free.len() as u64;
        if count > single && places > 0 {
            let more = length.saturating_mul(count - single) / places;
            let later = |Reverse(free): Reverse<u64>| Reverse(free.saturating_add(more));
            self.free = self.free.drain().map(later).collect();
        }
    }

    fn first(&self) -> Option<u64> {
        self.free.peek().map(|Reverse(free)| *free)
    }
}
