//! Changes that were made and not yet taken. Not a part of the state: nothing is decided by them.
//!
//! A batch's counts and a worker's change with every attempt, so these two are only noted, and made
//! once when the changes are taken.

use gristmill_model::{BatchId, Time, WorkerId};

use super::State;
use super::batches::Batch;
use super::workers::Worker;
use crate::change::{self, Change, Made};

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    /// Whether nobody wants any.
    off: bool,
    made: Vec<Made>,
    /// Records that were applied since changes were last taken.
    records: u32,
    batches: Vec<BatchId>,
    workers: Vec<WorkerId>,
}

impl Changes {
    /// A record is applied: what is made from now on is its.
    pub(super) fn begin_record(&mut self) {
        self.records += 1;
    }

    pub(super) fn push(&mut self, change: Change) {
        if !self.off {
            self.made.push(Made { record: self.records.saturating_sub(1), change });
        }
    }

    fn touch_batch(&mut self, id: BatchId) {
        if !self.off && self.batches.last() != Some(&id) {
            self.batches.push(id);
        }
    }

    fn touch_worker(&mut self, id: WorkerId) {
        if !self.off && self.workers.last() != Some(&id) {
            self.workers.push(id);
        }
    }
}

impl State {
    /// Makes no changes from now on, or makes them again.
    pub(crate) fn make_changes(&mut self, on: bool) {
        self.changes = Changes { off: !on, ..Changes::default() };
    }

    /// What was changed since this was last asked.
    pub(crate) fn take_changes(&mut self) -> Vec<Made> {
        let mut batches = std::mem::take(&mut self.changes.batches);
        batches.sort_unstable();
        batches.dedup();
        for id in batches {
            if let Some(batch) = self.batches.get(&id) {
                let shown = batch.change(id);
                self.changes.push(Change::Batch(Box::new(shown)));
            }
        }
        let mut workers = std::mem::take(&mut self.changes.workers);
        workers.sort_unstable();
        workers.dedup();
        for id in workers {
            if let Some(worker) = self.workers.get(&id) {
                let shown = worker.change(id, None);
                self.changes.push(Change::Worker(Box::new(shown)));
            }
        }
        self.changes.records = 0;
        // The next round is most likely to be about as large.
        let made = self.changes.made.len();
        let next = Vec::with_capacity(made + made / 4);
        std::mem::replace(&mut self.changes.made, next)
    }

    pub(super) fn touch_batch(&mut self, id: BatchId) {
        self.changes.touch_batch(id);
    }

    pub(super) fn touch_worker(&mut self, id: WorkerId) {
        self.changes.touch_worker(id);
    }

    pub(super) fn push_change(&mut self, change: Change) {
        self.changes.push(change);
    }
}

impl Batch {
    /// The batch as people see it.
    pub(super) fn change(&self, id: BatchId) -> change::Batch {
        change::Batch {
            id,
            open: self.open,
            counts: self.stored_counts(),
            waits_as: self.gate_shows(),
            held: self.is_held(),
            start_at: self.start_at(),
            pending: self.waits_for().map(|dependency| dependency.on).collect(),
            finished_at: self.finished.map(|at| at.wall),
        }
    }
}

impl Worker {
    /// The worker as people see it.
    pub(super) fn change(&self, id: WorkerId, left_at: Option<Time>) -> change::Worker {
        change::Worker {
            id,
            description: std::sync::Arc::clone(&self.description),
            joined_at: self.joined_at,
            left_at,
            draining: self.draining,
            paused: self.paused,
            succeeded: self.succeeded,
            failed: self.failed,
        }
    }
}
