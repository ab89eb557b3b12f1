//! Reports that the server has not settled: kept, and repeated after every reconnect.
//!
//! While more work waits here a report is not worth a frame of its own, and a commit of its own at
//! the server: it waits a moment for others. Where the worker would run dry it is said at once.

use std::collections::BTreeMap;

use gristmill_model::wire::{Ended, FromWorker};
use gristmill_model::{AttemptId, Time, limits};

use super::Action;

/// How attempts ended, until the server has committed it. As many as the worker could hold.
#[derive(Debug, Default)]
pub(super) struct Reports {
    unsettled: BTreeMap<AttemptId, Ended>,
    /// Those that have not been said over this connection.
    unsaid: Vec<AttemptId>,
    /// When the first of them came.
    since: Time,
}

impl Reports {
    pub(super) fn is_empty(&self) -> bool {
        self.unsettled.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.unsettled.len()
    }

    pub(super) fn contains(&self, attempt: AttemptId) -> bool {
        self.unsettled.contains_key(&attempt)
    }

    pub(super) fn attempts(&self) -> impl Iterator<Item = AttemptId> + '_ {
        self.unsettled.keys().copied()
    }

    /// Keeps a report that will be said after the next reconnect.
    pub(super) fn keep(&mut self, ended: Ended) {
        self.unsettled.insert(ended.attempt, ended);
    }

    /// Keeps a report that is to be said soon.
    pub(super) fn gather(&mut self, now: Time, ended: Ended) {
        if self.unsaid.is_empty() {
            self.since = now;
        }
        self.unsaid.push(ended.attempt);
        self.keep(ended);
    }

    pub(super) fn settle(&mut self, attempt: AttemptId) {
        self.unsettled.remove(&attempt);
    }

    /// When what was gathered must be said.
    pub(super) fn due(&self) -> Option<Time> {
        (!self.unsaid.is_empty()).then(|| self.since + limits::REPORT_GATHER)
    }

    /// Whether what was gathered fills a frame.
    pub(super) fn is_full(&self) -> bool {
        self.unsaid.len() >= limits::REPORTS_PER_FRAME
    }

    /// Says what was gathered.
    pub(super) fn say(&mut self, out: &mut Vec<Action>) {
        for attempt in std::mem::take(&mut self.unsaid) {
            // What was called stale meanwhile nobody wants to hear.
            if let Some(ended) = self.unsettled.get(&attempt) {
                push(ended.clone(), out);
            }
        }
    }

    /// Says everything that is not settled: the server has just taken this worker in.
    pub(super) fn repeat(&mut self, out: &mut Vec<Action>) {
        self.unsaid.clear();
        self.unsettled.values().for_each(|ended| push(ended.clone(), out));
    }
}

/// Sends a report, in the last frame where that is one of reports and has room. A change of
/// prefetch between the two does not part them.
pub(super) fn push(ended: Ended, out: &mut Vec<Action>) {
    let last = out.iter_mut().rev().find_map(|action| match action {
        Action::Send(FromWorker::Prefetch(_)) => None,
        Action::Send(frame) => Some(frame),
        _ => None,
    });
    match last {
        Some(FromWorker::Ended(batch)) if batch.len() < limits::REPORTS_PER_FRAME => {
            batch.push(ended);
        }
        _ => out.push(Action::Send(FromWorker::Ended(vec![ended]))),
    }
}
