//! The newest rounds, in memory: what the tables take in next, what the feed's listeners hear, and
//! how things stand that the tables do not show yet.
//!
//! The thread that fills the tables is not woken for every commit. It rests until something is
//! committed, then lets rounds gather for a moment, and comes at once when somebody asks or when
//! much has gathered: so it writes seldom and much, and does not get between a job and its worker.
//! What it has not taken in stays; when that is too much the core loop waits for it. What it has
//! taken in is kept for listeners, up to a bound.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gristmill_model::limits;

use super::committed::Committed;
use crate::threads::{Condvar, Instant, Mutex, MutexGuard};

#[cfg(test)]
mod tests;

/// See the module.
#[derive(Debug)]
pub(crate) struct Tail {
    inner: Mutex<Inner>,
    /// Rings for whoever fills the tables.
    bell: Condvar,
    /// Rings for whoever waits until the tables are far enough.
    arrival: Condvar,
    /// Rings for the core loop when it waits for room.
    room: Condvar,
}

#[derive(Debug)]
struct Inner {
    rounds: VecDeque<Arc<Committed>>,
    /// Memory that they take, roughly, ...
    bytes: usize,
    /// ... and those of them that the tables have not taken in.
    waiting: usize,
    committed: u64,
    /// What the tables have taken in.
    taken: u64,
    /// What somebody waits for.
    wanted: u64,
    /// Since when something waits to be taken in.
    since: Option<Instant>,
    /// What the tables wait for, while they wait.
    waits_for: Option<WaitsFor>,
    /// Which event somebody waits for the tables to take in.
    awaited: Option<u64>,
    /// Whether the core loop waits for room.
    wants_room: bool,
    closed: bool,
}

/// What rouses the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitsFor {
    /// The next commit, whenever it comes.
    Any,
    /// Much, or somebody who asks; not for long.
    Much,
}

impl Tail {
    /// The tail of a log that ends at `committed`, all of which the tables have taken in.
    pub(crate) fn new(committed: u64) -> Tail {
        let inner = Inner {
            rounds: VecDeque::new(),
            bytes: 0,
            waiting: 0,
            committed,
            taken: committed,
            wanted: 0,
            since: None,
            waits_for: None,
            awaited: None,
            wants_room: false,
            closed: false,
        };
        let [bell, arrival, room] = [(); 3].map(|()| Condvar::new());
        Tail { inner: Mutex::new(inner), bell, arrival, room }
    }

    /// Adds a round that the tables have taken in already: for a log that is being replayed.
    pub(crate) fn recall(&self, round: Arc<Committed>) {
        let mut inner = self.lock();
        inner.bytes += round.bytes();
        (inner.committed, inner.taken) = (round.last, round.last);
        inner.rounds.push_back(round);
        let dropped = inner.shed();
        drop(inner);
        drop(dropped);
    }

    /// Adds a round that is durable. It is the tables that let old ones go, when they have taken
    /// something in: to free them is work that the core loop need not wait for.
    pub(crate) fn push(&self, round: &Arc<Committed>) {
        if round.durable() == 0 {
            return;
        }
        let mut inner = self.lock();
        inner.bytes += round.bytes();
        inner.waiting += round.bytes();
        inner.rounds.push_back(Arc::clone(round));
        inner.committed = round.last;
        inner.since.get_or_insert_with(Instant::now);
        match inner.waits_for {
            Some(WaitsFor::Any) => self.bell.notify_one(),
            Some(WaitsFor::Much) if inner.is_much() => self.bell.notify_one(),
            _ => {}
        }
    }

    /// Waits while the tables are so far behind that there is no room for more; for a while only,
    /// for tables that cannot be filled must not stop those who ask why.
    pub(crate) fn wait_for_room(&self) {
        let began = Instant::now();
        let mut inner = self.lock();
        while !inner.closed && inner.waiting > limits::PENDING_BYTES {
            let left = limits::PENDING_PATIENCE.to_std().saturating_sub(began.elapsed());
            if left.is_zero() {
                return;
            }
            // So much is taken in at once: that needs no further ringing.
            inner.wants_room = true;
            let woken = self.room.wait_timeout(inner, left);
            inner = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The number of the last committed event.
    pub(crate) fn committed(&self) -> u64 {
        self.lock().committed
    }

    /// Somebody waits for this event: the tables hurry to take it in.
    pub(crate) fn want(&self, seq: u64) {
        let mut inner = self.lock();
        if seq > inner.wanted {
            inner.wanted = seq;
            self.bell.notify_one();
        }
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_one();
        self.arrival.notify_all();
        self.room.notify_all();
    }

    /// Waits until the follower has taken in this event, and says how far it is; nothing once the
    /// tail is closed. One may wait at a time.
    pub(crate) fn until_taken(&self, seq: u64) -> Option<u64> {
        let mut inner = self.lock();
        while !inner.closed && inner.taken < seq {
            inner.awaited = Some(seq);
            inner = self.arrival.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner.awaited = None;
        (!inner.closed).then_some(inner.taken)
    }

    /// Lets a while pass; `false` at once when the tail is closed.
    pub(crate) fn rest(&self, span: Duration) -> bool {
        let began = Instant::now();
        let mut inner = self.lock();
        while !inner.closed {
            let left = span.saturating_sub(began.elapsed());
            if left.is_zero() {
                return true;
            }
            let woken = self.arrival.wait_timeout(inner, left);
            inner = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// Waits for what the tables are to take in next, which have come as far as `after`. Nothing
    /// once the tail is closed: behind or not, a server that stops does not wait for its tables.
    pub(crate) fn next(&self, after: u64) -> Option<Vec<Arc<Committed>>> {
        let mut inner = self.lock();
        inner.come_to(after);
        loop {
            if inner.closed {
                return None;
            }
            if inner.committed <= after {
                inner.since = None;
                inner.waits_for = Some(WaitsFor::Any);
                inner = self.bell.wait(inner).unwrap_or_else(PoisonError::into_inner);
                inner.waits_for = None;
                continue;
            }
            let waited = inner.since.map_or(limits::GATHER.to_std(), |since| since.elapsed());
            let left = limits::GATHER.to_std().saturating_sub(waited);
            if left.is_zero() || inner.wanted > after || inner.is_much() {
                let next = inner.take(after, limits::CHANGES_PER_CHUNK);
                if next.last().is_some_and(|round| round.last >= inner.committed) {
                    inner.since = None;
                }
                return Some(next);
            }
            inner.waits_for = Some(WaitsFor::Much);
            let woken = self.bell.wait_timeout(inner, left);
            inner = woken.unwrap_or_else(PoisonError::into_inner).0;
            inner.waits_for = None;
        }
    }

    /// What comes after an event, as much as a listener takes at a time; nothing where what comes
    /// next is no longer here, and then the event before the first that is.
    pub(super) fn after(&self, seq: u64) -> Result<Vec<Arc<Committed>>, u64> {
        let inner = self.lock();
        let first = inner.rounds.front().map_or(inner.committed + 1, |round| round.first());
        if seq + 1 < first {
            return Err(first - 1);
        }
        Ok(inner.take(seq, limits::EVENTS_PER_READ))
    }

    /// The newest rounds, newest first, for whoever looks for one thing in them.
    pub(crate) fn newest(&self, most: usize) -> Vec<Arc<Committed>> {
        self.lock().rounds.iter().rev().take(most).map(Arc::clone).collect()
    }

    /// The tables have come this far.
    pub(crate) fn took(&self, seq: u64) {
        let mut inner = self.lock();
        inner.come_to(seq);
        if inner.awaited.is_some_and(|awaited| awaited <= seq) {
            self.arrival.notify_all();
        }
        if std::mem::take(&mut inner.wants_room) {
            self.room.notify_all();
        }
        let dropped = inner.shed();
        drop(inner);
        drop(dropped);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether so much has gathered that it should be taken in.
    fn is_much(&self) -> bool {
        self.committed - self.taken.min(self.committed) >= limits::CHANGES_PER_CHUNK as u64
            || self.waiting >= limits::CHUNK_BYTES
    }

    /// Notes how far the tables have come.
    fn come_to(&mut self, seq: u64) {
        let from = self.rounds.partition_point(|round| round.last <= self.taken);
        let taken = self.rounds.range(from..).take_while(|round| round.last <= seq);
        self.waiting -= taken.map(|round| round.bytes()).sum::<usize>();
        self.taken = self.taken.max(seq);
    }

    /// What comes after an event, by whole rounds, at most so many events but at least one round.
    fn take(&self, after: u64, most: usize) -> Vec<Arc<Committed>> {
        let from = self.rounds.partition_point(|round| round.last <= after);
        let mut taken = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        for round in self.rounds.range(from..) {
            if events >= most as u64 || bytes >= limits::CHUNK_BYTES {
                break;
            }
            events += round.durable();
            bytes += round.bytes();
            taken.push(Arc::clone(round));
        }
        taken
    }

    /// Lets the oldest rounds go that the tables have taken in while they are too many; they are
    /// freed without the lock.
    fn shed(&mut self) -> Vec<Arc<Committed>> {
        let mut dropped = Vec::new();
        while let Some(round) = self.rounds.front() {
            let kept = self.committed - round.last;
            let surplus = kept >= limits::FEED_KEPT || self.bytes > limits::FEED_KEPT_BYTES;
            if round.last > self.taken || !surplus {
                break;
            }
            self.bytes -= round.bytes();
            dropped.extend(self.rounds.pop_front());
        }
        dropped
    }
}
