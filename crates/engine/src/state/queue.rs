//! The queue: jobs that wait for a worker, by class and in order.
//!
//! Jobs of one class need the same of a worker, so placement asks once per class, not per job.
//! Within a class the higher priority goes first, then the older job; a job that comes back after
//! a failure or a loss keeps its id and with it its place.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::{JobId, PipelineId, ProjectId};

/// What jobs need of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    pub(crate) project: ProjectId,
    pub(crate) pipeline: PipelineId,
    pub(crate) stage: u16,
    pub(crate) shared_disk: bool,
}

/// A job's place: the smallest goes first.
pub(crate) type Place = (Reverse<i32>, JobId);

/// Jobs that wait for a worker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Queue {
    classes: BTreeMap<Class, BTreeSet<Place>>,
    length: usize,
}

impl Queue {
    pub(crate) fn add(&mut self, class: Class, priority: i32, job: JobId) {
        let new = self.classes.entry(class).or_default().insert((Reverse(priority), job));
        assert!(new, "{job} is queued once");
        self.length += 1;
    }

    pub(crate) fn remove(&mut self, class: Class, priority: i32, job: JobId) {
        let waiting = self.classes.get_mut(&class).expect("a queued job has its class");
        assert!(waiting.remove(&(Reverse(priority), job)), "{job} was queued");
        if waiting.is_empty() {
            self.classes.remove(&class);
        }
        self.length -= 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Each class with the place of its first job.
    pub(crate) fn heads(&self) -> impl Iterator<Item = (Place, Class)> + '_ {
        self.classes.iter().filter_map(|(class, jobs)| Some((*jobs.first()?, *class)))
    }

    /// The first job of a class.
    pub(crate) fn head(&self, class: Class) -> Option<Place> {
        self.classes.get(&class)?.first().copied()
    }

    /// Whether a job waits in a class.
    pub(crate) fn holds(&self, class: Class, priority: i32, job: JobId) -> bool {
        self.classes.get(&class).is_some_and(|jobs| jobs.contains(&(Reverse(priority), job)))
    }

    /// How many jobs of all classes go before a place.
    pub(crate) fn ahead_of(&self, place: Place) -> u64 {
        self.classes.values().map(|jobs| jobs.range(..place).count() as u64).sum()
    }
}
