//! The newest committed events, in memory: what the follower takes in next without reading the log,
//! and what has just happened to a batch.
//!
//! The follower is not woken for every commit. It rests until something is committed, then lets
//! events gather for a moment, and comes at once when somebody asks or when much has gathered: so
//! it writes seldom and much, and does not get between a job and its worker. The tail is bounded;
//! what has fallen out of it is in the log.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gristmill_model::event::{Event, Record};
use gristmill_model::{BatchId, PipelineId, limits};

use super::{Runs, view};
use crate::threads::{Condvar, Instant, Mutex, MutexGuard};

#[cfg(test)]
mod tests;

/// Memory that a job of an event takes beside its input, roughly.
const JOB_BYTES: usize = 160;

/// See the module.
#[derive(Debug)]
pub(crate) struct Tail {
    inner: Mutex<Inner>,
    /// Rings for the follower.
    bell: Condvar,
    /// Rings for whoever waits for the follower.
    arrival: Condvar,
}

#[derive(Debug)]
struct Inner {
    pieces: VecDeque<Piece>,
    bytes: usize,
    committed: u64,
    /// What the follower has taken in.
    taken: u64,
    /// What somebody waits for.
    wanted: u64,
    /// Since when something waits to be taken in.
    since: Option<Instant>,
    /// What the follower waits for, while it waits.
    waits_for: Option<WaitsFor>,
    /// Which event somebody waits for the follower to take in.
    awaited: Option<u64>,
    closed: bool,
}

/// What rouses the follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitsFor {
    /// The next commit, whenever it comes.
    Any,
    /// Much, or somebody who asks; not for long.
    Much,
}

/// The durable events of one round.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    first: u64,
    last: u64,
    bytes: usize,
    records: Arc<Vec<Record>>,
}

impl Piece {
    /// The durable events with their numbers.
    pub(crate) fn events(&self) -> impl Iterator<Item = (u64, &Record)> {
        (self.first..).zip(self.records.iter().filter(|record| record.event.is_durable()))
    }
}

/// What the follower is to take in.
#[derive(Debug)]
pub(crate) enum Next {
    /// These.
    Pieces(Vec<Piece>),
    /// What the log has: it is no longer here.
    Log,
}

/// All that has happened to a batch from its beginning on, with the pipeline it belongs to.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) pipeline: PipelineId,
    /// Event by event: its number, its round, its place there.
    events: Vec<(u64, Arc<Vec<Record>>, usize)>,
}

impl Story {
    /// The events in order.
    pub(crate) fn events(&self) -> impl Iterator<Item = (u64, &Record)> {
        self.events.iter().map(|(seq, records, place)| (*seq, &records[*place]))
    }
}

impl Tail {
    /// The tail of a log that ends at `committed`.
    pub(crate) fn new(committed: u64) -> Tail {
        let inner = Inner {
            pieces: VecDeque::new(),
            bytes: 0,
            committed,
            taken: 0,
            wanted: 0,
            since: None,
            waits_for: None,
            awaited: None,
            closed: false,
        };
        Tail { inner: Mutex::new(inner), bell: Condvar::new(), arrival: Condvar::new() }
    }

    /// Adds a round; its durable events are in the log and end at `last`.
    pub(crate) fn push(&self, last: u64, records: &Arc<Vec<Record>>) {
        let durable = records.iter().filter(|record| record.event.is_durable());
        let (count, bytes) =
            durable.fold((0, 0), |(count, bytes), record| (count + 1, bytes + weight(record)));
        if count == 0 {
            return;
        }
        let piece = Piece { first: last + 1 - count, last, bytes, records: Arc::clone(records) };
        let mut inner = self.lock();
        inner.bytes += bytes;
        inner.pieces.push_back(piece);
        inner.committed = last;
        inner.since.get_or_insert_with(Instant::now);
        let dropped = inner.shed(|inner, _| inner.bytes > limits::TAIL_BYTES);
        match inner.waits_for {
            Some(WaitsFor::Any) => self.bell.notify_one(),
            Some(WaitsFor::Much) if inner.is_much() => self.bell.notify_one(),
            _ => {}
        }
        drop(inner);
        drop(dropped);
    }

    /// The number of the last committed event.
    pub(crate) fn committed(&self) -> u64 {
        self.lock().committed
    }

    /// Somebody waits for this event: the follower hurries to take it in.
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

    /// Waits for what the follower is to take in next, which has come as far as `after`. Nothing
    /// once the tail is closed: behind or not, a server that stops does not wait for its tables.
    pub(crate) fn next(&self, after: u64) -> Option<Next> {
        let mut inner = self.lock();
        inner.taken = after;
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
                let next = inner.take(after);
                if let Next::Pieces(pieces) = &next
                    && pieces.last().is_some_and(|piece| piece.last >= inner.committed)
                {
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

    /// What comes after an event, as much as one read of the log would give; nothing where that is
    /// no longer here.
    pub(super) fn after(&self, seq: u64) -> Option<Vec<Piece>> {
        match self.lock().take(seq) {
            Next::Pieces(pieces) => Some(pieces),
            Next::Log => None,
        }
    }

    /// The follower has come this far. What was taken in is kept for a while: see [`Tail::story`].
    pub(crate) fn took(&self, seq: u64) {
        let mut inner = self.lock();
        inner.taken = seq;
        if inner.awaited.is_some_and(|awaited| awaited <= seq) {
            self.arrival.notify_all();
        }
        let dropped = inner.shed(|inner, piece| {
            let kept = inner.committed - piece.last;
            piece.last <= seq && (kept > limits::TAIL_KEPT || inner.bytes > limits::TAIL_KEPT_BYTES)
        });
        drop(inner);
        drop(dropped);
    }

    /// All that has happened to a batch, if it began a short while ago and it is not much.
    pub(crate) fn story(&self, batch: BatchId, runs: &Runs) -> Option<Story> {
        let inner = self.lock();
        let (mut events, mut jobs) = (Vec::new(), 0_u64);
        let newest = inner.pieces.iter().rev().flat_map(|piece| {
            let numbered = piece.records.iter().enumerate().rev();
            let durable = numbered.filter(|(_, record)| record.event.is_durable());
            (piece.first..=piece.last)
                .rev()
                .zip(durable.map(move |(at, record)| (piece, at, record)))
        });
        for (seq, (piece, place, record)) in newest.take(limits::STORY_LOOK_BACK) {
            match view::is_all_about(&record.event, batch, runs) {
                None => continue,
                Some(false) => return None,
                Some(true) => {}
            }
            events.push((seq, Arc::clone(&piece.records), place));
            if let Event::BatchOpened { pipeline, .. } = &record.event {
                events.reverse();
                return Some(Story { pipeline: *pipeline, events });
            }
            jobs += match &record.event {
                Event::JobsAdded { jobs, .. } => jobs.len() as u64,
                // A range is one row, however many jobs it has.
                _ => 0,
            };
            if events.len() as u64 + jobs > limits::STORY_EVENTS as u64 {
                return None;
            }
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether so much has gathered that it should be taken in.
    fn is_much(&self) -> bool {
        self.committed - self.taken.min(self.committed) >= limits::EVENTS_PER_READ as u64
            || self.bytes >= limits::EVENT_BYTES_PER_READ
    }

    /// What comes after an event, as much as one read of the log would give, by whole rounds.
    fn take(&self, after: u64) -> Next {
        let mut from = after + 1;
        let mut taken = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        for piece in self.pieces.iter().skip_while(|piece| piece.last <= after) {
            let much =
                events >= limits::EVENTS_PER_READ as u64 || bytes >= limits::EVENT_BYTES_PER_READ;
            if much || piece.first != from {
                break;
            }
            from = piece.last + 1;
            events += from - piece.first;
            bytes += piece.bytes;
            taken.push(piece.clone());
        }
        if taken.is_empty() { Next::Log } else { Next::Pieces(taken) }
    }

    /// Lets the oldest rounds go while they are too many; they are freed without the lock.
    fn shed(&mut self, surplus: impl Fn(&Inner, &Piece) -> bool) -> Vec<Piece> {
        let mut dropped = Vec::new();
        while let Some(piece) = self.pieces.front()
            && surplus(self, piece)
        {
            self.bytes -= piece.bytes;
            dropped.extend(self.pieces.pop_front());
        }
        dropped
    }
}

/// What an event takes in memory, roughly.
fn weight(record: &Record) -> usize {
    let more = match &record.event {
        Event::JobsAdded { jobs, .. } => {
            jobs.iter().map(|job| JOB_BYTES + job.input.inline_len()).sum()
        }
        Event::AttemptSucceeded { success, .. } => success.output.inline_len(),
        _ => 0,
    };
    size_of::<Record>() + more
}
