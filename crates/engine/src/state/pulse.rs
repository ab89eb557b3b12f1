//! The pulse: what is true only while the server runs. Connections and leases, the times by which
//! attempts must have ended, and progress. Never written; begun anew after a restart.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::{AttemptId, Span, Time, WorkerId};

use super::board::Need;

/// A worker's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// Whether it stands.
    pub(crate) connected: bool,
    /// The worker's lease lives until then.
    pub(crate) until: Time,
    /// How many attempts the worker likes to hold beyond those that run.
    pub(crate) prefetch: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Progress {
    done: u64,
    total: u64,
    message: Box<str>,
}

/// How fast jobs of one need have begun of late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pace {
    last: Time,
    /// From one to the next, the recent ones weighing more.
    gap: Option<Span>,
}

/// What is true only while the server runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pulse {
    paces: BTreeMap<Need, Pace>,
    links: BTreeMap<WorkerId, Link>,
    leases: BTreeSet<(Time, WorkerId)>,
    due: BTreeMap<AttemptId, Time>,
    overdue: BTreeSet<(Time, AttemptId)>,
    progress: BTreeMap<AttemptId, Progress>,
}

impl Pulse {
    pub(super) fn clear(&mut self) {
        *self = Pulse::default();
    }

    pub(super) fn connect(&mut self, worker: WorkerId, prefetch: u32, until: Time) {
        self.set(worker, Link { connected: true, until, prefetch });
    }

    pub(super) fn disconnect(&mut self, worker: WorkerId, until: Time) {
        self.set(worker, Link { connected: false, until, prefetch: 0 });
    }

    pub(super) fn renew(&mut self, worker: WorkerId, until: Time) {
        if let Some(link) = self.links.get(&worker).copied() {
            self.set(worker, Link { until, ..link });
        }
    }

    pub(super) fn set_prefetch(&mut self, worker: WorkerId, prefetch: u32) {
        if let Some(link) = self.links.get_mut(&worker) {
            link.prefetch = prefetch;
        }
    }

    pub(super) fn remove(&mut self, worker: WorkerId) {
        if let Some(link) = self.links.remove(&worker) {
            self.leases.remove(&(link.until, worker));
        }
    }

    /// The attempt must have ended by then.
    pub(super) fn expect_by(&mut self, attempt: AttemptId, due: Time) {
        self.due.insert(attempt, due);
        self.overdue.insert((due, attempt));
    }

    pub(super) fn set_progress(&mut self, id: AttemptId, done: u64, total: u64, message: &str) {
        self.progress.insert(id, Progress { done, total, message: message.into() });
    }

    /// A job of this need has begun.
    pub(super) fn note_start(&mut self, need: Need, at: Time) {
        let pace = self.paces.entry(need).or_insert(Pace { last: at, gap: None });
        let newest = at.since(pace.last);
        if newest == Span::ZERO && pace.gap.is_none() {
            pace.last = at;
            return;
        }
        // A moving average over about the last sixteen.
        let old = pace.gap.unwrap_or(newest);
        pace.gap = Some(Span((old.0 * 15 + newest.0) / 16));
        pace.last = at;
    }

    /// When a job of this need would begin that has so many before it, if others went on beginning
    /// as they did of late. Nothing where too little is known.
    pub(crate) fn estimate(&self, need: Need, ahead: u64, now: Time) -> Option<Time> {
        let pace = self.paces.get(&need)?;
        // A long silence is slower than the average says.
        let gap = pace.gap?.max(Span(now.since(pace.last).0 / 16));
        Some(now + Span(gap.0.saturating_mul(ahead.saturating_add(1))))
    }

    pub(super) fn forget(&mut self, attempt: AttemptId) {
        self.progress.remove(&attempt);
        if let Some(due) = self.due.remove(&attempt) {
            self.overdue.remove(&(due, attempt));
        }
    }

    fn set(&mut self, worker: WorkerId, link: Link) {
        self.remove(worker);
        self.links.insert(worker, link);
        self.leases.insert((link.until, worker));
    }

    pub(crate) fn link(&self, worker: WorkerId) -> Option<&Link> {
        self.links.get(&worker)
    }

    pub(crate) fn links(&self) -> &BTreeMap<WorkerId, Link> {
        &self.links
    }

    pub(crate) fn is_connected(&self, worker: WorkerId) -> bool {
        self.link(worker).is_some_and(|link| link.connected)
    }

    pub(crate) fn progress(&self, attempt: AttemptId) -> Option<(u64, u64, &str)> {
        let Progress { done, total, message } = self.progress.get(&attempt)?;
        Some((*done, *total, message))
    }

    /// The lease that runs out first.
    pub(crate) fn first_lease(&self) -> Option<(Time, WorkerId)> {
        self.leases.first().copied()
    }

    /// The attempt that must have ended first.
    pub(crate) fn first_overdue(&self) -> Option<(Time, AttemptId)> {
        self.overdue.first().copied()
    }
}
