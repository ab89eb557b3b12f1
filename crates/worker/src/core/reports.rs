//! Reports that the server has not settled: kept, and repeated after every reconnect.

use std::collections::BTreeMap;

use gristmill_model::wire::{Ended, FromWorker};
use gristmill_model::{AttemptId, limits};

use super::Action;

/// How attempts ended, until the server has committed it. As many as the worker could hold.
#[derive(Debug, Default)]
pub(super) struct Reports {
    unsettled: BTreeMap<AttemptId, Ended>,
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

    pub(super) fn iter(&self) -> impl Iterator<Item = &Ended> + '_ {
        self.unsettled.values()
    }

    pub(super) fn keep(&mut self, ended: Ended) {
        self.unsettled.insert(ended.attempt, ended);
    }

    pub(super) fn settle(&mut self, attempt: AttemptId) {
        self.unsettled.remove(&attempt);
    }
}

/// Sends a report, in the last frame where that is one of reports and has room. A change of
/// prefetch between the two does not part them.
pub(super) fn push(ended: Ended, out: &mut Vec<Action>) {
    let last = out.iter_mut().rev().find_map(|action| match action {
        Action::Send(FromWorker::Prefetch(_)) => None,
        Action::Send(frame) => Some(frame),
        Action::Start(_) | Action::Stop(_) | Action::Leave => None,
    });
    match last {
        Some(FromWorker::Ended(batch)) if batch.len() < limits::REPORTS_PER_FRAME => {
            batch.push(ended);
        }
        _ => out.push(Action::Send(FromWorker::Ended(vec![ended]))),
    }
}
