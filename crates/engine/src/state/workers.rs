//! Workers that have not left, with what is booked of them.

use std::collections::BTreeSet;

use gristmill_model::booking::Booking;
use gristmill_model::pipeline::StageSpec;
use gristmill_model::resources::{Capacity, Resources};
use gristmill_model::{AttemptId, JobId, Time, WorkerId};

use super::State;

/// A connected process on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// The number its process drew.
    pub instance: u64,
    /// A name for people.
    pub name: Box<str>,
    /// Kinds of handler that it runs.
    pub handlers: BTreeSet<Box<str>>,
    /// Whether it sees the submitters' disk.
    pub shared_disk: bool,
    /// Whether it takes no more work.
    pub draining: bool,
    /// What it has, and what is booked of it.
    pub booking: Booking,
    /// Attempts that are leased to it.
    pub attempts: BTreeSet<AttemptId>,
}

impl State {
    pub(super) fn join(
        &mut self,
        id: WorkerId,
        instance: u64,
        name: &str,
        handlers: &[String],
        capacity: &Capacity,
        shared_disk: bool,
    ) {
        assert_eq!(id.0, self.next.worker, "worker ids come in order");
        self.next.worker += 1;
        let worker = Worker {
            instance,
            name: name.into(),
            handlers: handlers.iter().map(|kind| Box::from(kind.as_str())).collect(),
            shared_disk,
            draining: false,
            booking: Booking::new(capacity.clone()),
            attempts: BTreeSet::new(),
        };
        self.workers.insert(id, worker);
        self.instances.insert(instance, id);
    }

    pub(super) fn drain(&mut self, id: WorkerId) {
        self.worker_mut(id).draining = true;
    }

    pub(super) fn leave(&mut self, id: WorkerId) {
        let worker = self.workers.remove(&id).expect("only a worker that is here leaves");
        assert!(worker.attempts.is_empty(), "{id} leaves with empty hands");
        self.instances.remove(&worker.instance);
        self.pulse.remove(id);
    }

    pub(super) fn worker_mut(&mut self, id: WorkerId) -> &mut Worker {
        self.workers.get_mut(&id).expect("events name workers that are here")
    }

    /// The stage where a job stands.
    pub(crate) fn stage_of(&self, job: JobId) -> &StageSpec {
        let job = &self.jobs[&job];
        let batch = &self.batches[&job.batch];
        self.pipelines[&batch.pipeline].stage(job.stage)
    }

    /// What a job's next attempt books.
    pub(crate) fn request_of(&self, job: JobId) -> &Resources {
        &self.stage_of(job).resources
    }

    /// After a restart: every worker has a grace to come back, every attempt its whole time anew.
    /// How long the server was away nobody knows: the wall clock may have jumped meanwhile.
    pub(super) fn begin_pulse(&mut self, at: Time) {
        self.pulse.clear();
        let until = at + self.timing.restart_grace;
        self.workers.keys().for_each(|id| self.pulse.disconnect(*id, until));
        let running: Vec<_> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.running_since.is_some())
            .filter_map(|(id, attempt)| {
                let timeout = self.stage_of(attempt.job).timeout?;
                Some((*id, until + timeout + self.timing.timeout_grace))
            })
            .collect();
        running.into_iter().for_each(|(id, due)| self.pulse.expect_by(id, due));
    }
}
