//! The queue: jobs that wait for a worker, by class and in order.
//!
//! Jobs of one class need the same of a worker and fall under the same limits, so placement asks
//! once per class, not per job. Within a class the smaller rank goes first, then the older job.
//!
//! A **rank** is the time of acceptance, moved back by [`limits::AGEING`] for each level of
//! priority. Waiting jobs all age alike, so their order never changes and needs no tick; a job of
//! low priority that has waited long enough goes before a young one of high priority; and a job
//! that comes back after a failure keeps its rank and with it its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use gristmill_model::{JobId, PipelineId, ProjectId, Time, limits};

use super::board::{Board, Head, Need};
use super::lane::{Lane, Rank};

/// What jobs have in common that placement asks about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    pub(crate) project: ProjectId,
    pub(crate) pipeline: PipelineId,
    pub(crate) stage: u16,
    pub(crate) shared_disk: bool,
    pub(crate) limit_key: Option<Arc<str>>,
}

/// The rank of a job of this priority that was accepted, or was to start, at this time.
pub(crate) fn rank(at: Time, priority: i32) -> Rank {
    let ageing = i64::try_from(limits::AGEING.0).expect("the constant is small");
    i64::try_from(at.0).unwrap_or(i64::MAX).saturating_sub(i64::from(priority) * ageing)
}

/// Jobs that wait for a worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    lanes: BTreeMap<Class, Lane>,
    length: u64,
    board: Board,
}

/// The board is derived from the lanes, so it is not compared.
impl PartialEq for Queue {
    fn eq(&self, other: &Queue) -> bool {
        self.lanes == other.lanes && self.length == other.length
    }
}

impl Eq for Queue {}

impl Queue {
    pub(crate) fn add(&mut self, class: &Class, need: Need, rank: Rank, first: JobId, count: u64) {
        if let Some(lane) = self.lanes.get_mut(class) {
            lane.add(rank, first, count);
        } else {
            let mut lane = Lane::default();
            lane.add(rank, first, count);
            self.lanes.insert(class.clone(), lane);
        }
        self.length += count;
        self.list(class, need);
    }

    pub(crate) fn remove(
        &mut self,
        class: &Class,
        need: Need,
        rank: Rank,
        first: JobId,
        count: u64,
    ) {
        let lane = self.lanes.get_mut(class).expect("a queued job has its class");
        lane.remove(rank, first, count);
        if lane.is_empty() {
            self.lanes.remove(class);
        }
        self.length -= count;
        self.list(class, need);
    }

    fn list(&mut self, class: &Class, need: Need) {
        let head = self.lanes.get(class).and_then(Lane::head);
        self.board.list(class, need, head.map(|(rank, job)| Head { rank, job }));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// Each class with the jobs that wait in it.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = (&Class, &Lane)> {
        self.lanes.iter()
    }

    pub(crate) fn lane(&self, class: &Class) -> Option<&Lane> {
        self.lanes.get(class)
    }

    /// Whether a job waits in a class.
    pub(crate) fn holds(&self, class: &Class, rank: Rank, job: JobId) -> bool {
        self.lanes.get(class).is_some_and(|lane| lane.holds(rank, job))
    }

    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    pub(crate) fn board_mut(&mut self) -> &mut Board {
        &mut self.board
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Until the year 10000.
    const LAST: u64 = 253_402_300_799_999_999;

    proptest! {
        #[test]
        fn the_older_goes_first_and_a_level_of_priority_is_worth_its_ageing(
            times in (0..=LAST, 0..=LAST),
            priorities in (any::<i32>(), any::<i32>()),
        ) {
            let (early, late) = (Time(times.0.min(times.1)), Time(times.0.max(times.1)));
            let (low, high) = (priorities.0.min(priorities.1), priorities.0.max(priorities.1));
            prop_assert!(rank(early, low) <= rank(late, low));
            prop_assert!(rank(early, high) <= rank(early, low));
            // The one that came later goes first only if it is above by what it came later.
            let levels = (i64::from(high) - i64::from(low)).unsigned_abs();
            let worth = u128::from(levels) * u128::from(limits::AGEING.0);
            let sooner = rank(late, high) < rank(early, low);
            prop_assert_eq!(sooner, worth > u128::from(late.0 - early.0));
        }
    }
}
