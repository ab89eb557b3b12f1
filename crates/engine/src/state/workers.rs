//! Workers that have not left, with what is booked of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use gristmill_model::booking::Booking;
use gristmill_model::pipeline::StageSpec;
use gristmill_model::resources::WorkerShape;
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{AttemptId, JobId, Time, WorkerId, limits};

use super::State;
use super::devices::Health;
use super::pulse::Samples;
use crate::change::Change;

/// A connected process on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// The number its process drew.
    pub instance: u64,
    /// What it is and has.
    pub description: Arc<WorkerDescription>,
    /// Whether it takes no more work, and leaves when it has finished what it holds.
    pub draining: bool,
    /// Whether it is given no more work for a while.
    pub paused: bool,
    /// What it has, and what is booked of it.
    pub booking: Booking,
    /// Attempts that are leased to it.
    pub attempts: BTreeSet<AttemptId>,
    /// How its devices do, in the order of its capacity.
    pub devices: Vec<Health>,
    /// When it joined, by the wall clock.
    pub joined_at: Time,
    /// Attempts that succeeded there.
    pub succeeded: u64,
    /// Attempts that did not.
    pub failed: u64,
}

impl Worker {
    /// Display name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// What it has to give, and what stages may ask of it.
    #[must_use]
    pub fn shape(&self) -> &WorkerShape {
        &self.description.shape
    }
}

impl State {
    pub(super) fn join(
        &mut self,
        id: WorkerId,
        instance: u64,
        description: &Arc<WorkerDescription>,
    ) {
        assert_eq!(id.0, self.next.worker, "worker ids come in order");
        self.next.worker += 1;
        let shape = &description.shape;
        let worker = Worker {
            instance,
            description: Arc::clone(description),
            draining: false,
            paused: false,
            booking: Booking::new(shape.capacity.clone()),
            attempts: BTreeSet::new(),
            devices: vec![Health::default(); shape.capacity.devices.len()],
            joined_at: self.at.wall,
            succeeded: 0,
            failed: 0,
        };
        self.workers.insert(id, worker);
        self.instances.insert(instance, id);
        self.touch_worker(id);
    }

    /// Counts an attempt that has ended at a worker.
    pub(super) fn note_ended(&mut self, id: WorkerId, succeeded: bool) {
        let worker = self.worker_mut(id);
        *(if succeeded { &mut worker.succeeded } else { &mut worker.failed }) += 1;
        self.touch_worker(id);
    }

    pub(super) fn drain(&mut self, id: WorkerId) {
        self.worker_mut(id).draining = true;
        self.touch_worker(id);
        self.note_hunger(id);
    }

    pub(super) fn pause_worker(&mut self, id: WorkerId, paused: bool) {
        self.worker_mut(id).paused = paused;
        self.touch_worker(id);
        self.note_hunger(id);
    }

    pub(super) fn declare(&mut self, name: &str, shape: Option<&WorkerShape>) {
        match shape {
            Some(shape) => self.declared.insert(name.into(), shape.clone()),
            None => self.declared.remove(name),
        };
    }

    /// Notes whether a worker may be looked at when there is work. It need not fit: this only
    /// keeps workers that are certainly full out of the way.
    pub(super) fn note_hunger(&mut self, id: WorkerId) {
        let hungry = self.workers.get(&id).is_some_and(|worker| {
            let link = self.pulse.link(id).filter(|link| link.connected);
            let backlog = worker.booking.backlog_len();
            let takes = link.is_some_and(|link| backlog == 0 || backlog < link.prefetch as usize);
            let held = worker.booking.held() < limits::ATTEMPTS_PER_WORKER;
            takes && held && !worker.draining && !worker.paused
        });
        if hungry {
            self.hungry.insert(id);
        } else {
            self.hungry.remove(&id);
        }
    }

    pub(super) fn leave(&mut self, id: WorkerId) {
        let worker = self.workers.remove(&id).expect("only a worker that is here leaves");
        assert!(worker.attempts.is_empty(), "{id} leaves with empty hands");
        let told = worker.change(id, Some(self.at.wall));
        self.push_change(Change::Worker(Box::new(told)));
        self.instances.remove(&worker.instance);
        self.pulse.forget_worker(id);
        self.hungry.remove(&id);
    }

    /// How a worker's devices and sessions did when it last told; nothing where it has not.
    #[must_use]
    pub fn samples(&self, id: WorkerId) -> Option<&Samples> {
        self.pulse.samples(id)
    }

    pub(super) fn worker_mut(&mut self, id: WorkerId) -> &mut Worker {
        self.workers.get_mut(&id).expect("events name workers that are here")
    }

    /// The stage where a job stands.
    pub(crate) fn stage_of(&self, job: JobId) -> &StageSpec {
        let job = self.here(job);
        let batch = &self.batches[&job.batch];
        self.pipelines[&batch.pipeline].stage(job.stage)
    }

    /// After a restart: every worker has a grace to come back, every attempt its whole time anew.
    /// How long the server was away nobody knows: the wall clock may have jumped meanwhile.
    pub(super) fn begin_pulse(&mut self, at: Time) {
        self.pulse.clear();
        self.hungry.clear();
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
