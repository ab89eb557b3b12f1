//! The one mutator: each event changes the state here, live and in recovery alike.

use std::sync::Arc;

use gristmill_model::access::Actor;
use gristmill_model::attempt::{Failure, FailureKind, Success, Usage};
use gristmill_model::booking::Fate;
use gristmill_model::event::{
    AttemptEvent, BatchEvent, DeviceEvent, EphemeralEvent, Event, JobsEvent, PipelineEvent,
    ProjectEvent, Record, ServerEvent, WorkerEvent,
};
use gristmill_model::job::JobState;
use gristmill_model::{Time, WorkerId};

use super::State;
use super::attempts::Attempt;
use crate::change::{Change, End};

impl State {
    /// Applies what happened.
    ///
    /// # Panics
    /// When the event contradicts the state, which is a bug or a foreign log.
    pub(crate) fn apply(&mut self, record: &Record) {
        self.changes.begin_record();
        let at = record.at.now;
        self.at.now = self.at.now.max(at);
        self.at.wall = record.at.wall;
        match &record.event {
            Event::Server(ServerEvent::Started { .. }) => self.begin_pulse(at),
            Event::Project(event) => self.apply_to_project(event, at),
            Event::Pipeline(PipelineEvent::Defined { pipeline, project, version, spec }) => {
                self.add_pipeline(*pipeline, *project, *version, spec);
            }
            Event::Batch(event) => self.apply_to_batch(event, record.actor, at),
            Event::Jobs(event) => self.apply_to_jobs(event, at),
            Event::Attempt(event) => self.apply_to_attempt(event, at),
            Event::Worker(event) => self.apply_to_worker(event, at),
            Event::Device(event) => self.apply_to_device(event, record, at),
            Event::Restored(part) => self.restore(part),
            Event::Ephemeral(event) => self.apply_ephemeral(event),
        }
    }

    fn apply_to_project(&mut self, event: &ProjectEvent, at: Time) {
        match event {
            ProjectEvent::Defined { project, name, weight } => {
                self.define_project(*project, name, *weight, at);
            }
            ProjectEvent::LimitSet { project, scope, limit } => {
                self.set_limit(*project, scope, limit);
            }
            ProjectEvent::FlowSet { project, scope, flow } => self.set_flow(*project, scope, *flow),
        }
    }

    fn apply_to_batch(&mut self, event: &BatchEvent, actor: Actor, at: Time) {
        match event {
            BatchEvent::Opened { batch, opening } => self.open_batch(*batch, opening, actor),
            BatchEvent::JobsAdded { batch, first, jobs } => {
                self.add_jobs(*batch, *first, jobs, at);
            }
            BatchEvent::RangeAdded { batch, first, count, source } => {
                self.add_range(*batch, *first, *count, source, at);
            }
            BatchEvent::Closed { batch } => self.close_batch(*batch, at),
            BatchEvent::Held { batch } => self.turn_gate(*batch, at, |gate| gate.held = true),
            BatchEvent::Released { batch } => {
                self.turn_gate(*batch, at, |gate| gate.held = false);
            }
            BatchEvent::StartReached { batch } => self.reach_start(*batch, at),
            BatchEvent::ExpiryReached { batch } => self.reach_expiry(*batch),
            BatchEvent::DeadlineReached { batch } => self.reach_deadline(*batch),
            BatchEvent::DependencyMet { batch, on } => self.end_dependency(*batch, *on, at),
            BatchEvent::DependencyFailed { batch, on } => self.fail_dependency(*batch, *on, at),
            BatchEvent::Finished { batch } => {
                self.to_announce.remove(batch);
                let (batch, at) = (*batch, self.at.wall);
                self.push_change(Change::Announced { batch, at });
            }
            BatchEvent::CallbackSettled { batch, delivered, detail } => {
                let (batch, delivered, detail) = (*batch, *delivered, detail.clone());
                let at = self.at.wall;
                self.push_change(Change::Called { batch, delivered, detail, at });
            }
            BatchEvent::Forgotten { batches } => self.prune(batches),
        }
    }

    fn apply_to_jobs(&mut self, event: &JobsEvent, at: Time) {
        match event {
            JobsEvent::BackoffElapsed { job } => self.end_pause(*job, at),
            JobsEvent::CancelRequested { jobs, cause } => self.begin_cancel(jobs, *cause, at),
            JobsEvent::Cancelled { jobs, cause } => {
                self.move_all(jobs, JobState::Cancelled, Some(*cause), at);
            }
            JobsEvent::Expired { jobs, cause } => {
                self.move_all(jobs, JobState::Expired, Some(*cause), at);
            }
            JobsEvent::Retried { jobs } => self.retry_by_hand(jobs, at),
            JobsEvent::Held { jobs } => self.hold_jobs(jobs, at),
            JobsEvent::Released { jobs } => self.move_all(jobs, JobState::Queued, None, at),
        }
    }

    fn apply_to_attempt(&mut self, event: &AttemptEvent, at: Time) {
        match event {
            AttemptEvent::Leased { attempt, job, stage, number, worker, alternative, seat } => {
                let (job, worker, number) = (*job, *worker, *number);
                let (alternative, running_since) = (*alternative, None);
                let leased = Attempt {
                    job,
                    worker,
                    number,
                    alternative,
                    leased_at: at,
                    leased_wall: self.at.wall,
                    running_since,
                };
                self.lease(*attempt, *stage, leased, seat.as_ref());
            }
            AttemptEvent::Succeeded { attempt, job, worker, success, usage, devices, then } => {
                self.note_run(*attempt, at);
                self.clear_errors(*worker, devices);
                let end = self.end(Ok(Arc::clone(success)), *usage, devices);
                self.end_attempt(*attempt, *job, Fate::Succeeded, end, at);
                self.settle(*job, *then, Some(&success.output), at);
            }
            AttemptEvent::Failed { attempt, job, worker, failure, usage, devices, then } => {
                if failure.kind == FailureKind::Device {
                    self.note_errors(*worker, devices, *job);
                }
                // Of one that was lost or stopped nobody knows how long it would have run.
                if !matches!(failure.kind, FailureKind::Lost | FailureKind::Cancelled) {
                    self.note_run(*attempt, at);
                }
                let end = self.end(Err(Arc::clone(failure)), *usage, devices);
                self.end_attempt(*attempt, *job, failure.fate(), end, at);
                self.blame(*job, *attempt, *worker, failure);
                self.settle(*job, *then, None, at);
            }
        }
    }

    fn end(
        &self,
        outcome: Result<Arc<Success>, Arc<Failure>>,
        usage: Usage,
        devices: &[String],
    ) -> Box<End> {
        Box::new(End { at: self.at.wall, outcome, usage, devices: devices.to_vec() })
    }

    fn apply_to_worker(&mut self, event: &WorkerEvent, at: Time) {
        match event {
            WorkerEvent::Joined { worker, instance, description } => {
                self.join(*worker, *instance, description);
                // That its connection stands is ephemeral: a replay hears only that it joined.
                self.pulse.disconnect(*worker, at + self.timing.lease);
            }
            WorkerEvent::Paused { worker, paused } => self.pause_worker(*worker, *paused),
            WorkerEvent::Declared { name, shape } => self.declare(name, shape.as_deref()),
            WorkerEvent::Draining { worker } => self.drain(*worker),
            WorkerEvent::Left { worker, .. } => self.leave(*worker),
        }
    }

    fn apply_to_device(&mut self, event: &DeviceEvent, record: &Record, at: Time) {
        match event {
            DeviceEvent::Quarantined { worker, device, reason } => {
                self.set_device(*worker, device, Some((reason.clone(), record.actor)), at);
            }
            DeviceEvent::Returned { worker, device } => self.set_device(*worker, device, None, at),
            DeviceEvent::SessionMeasured { worker, session, vram } => {
                let promoted = self.worker_mut(*worker).booking.measure(session, *vram);
                self.begin_promoted(*worker, &promoted, at);
            }
            DeviceEvent::ForeignUseNoted { worker, device, vram } => {
                self.set_foreign_use(*worker, device, *vram, at);
            }
        }
    }

    fn apply_ephemeral(&mut self, event: &EphemeralEvent) {
        let touched: WorkerId = match event {
            EphemeralEvent::WorkerConnected { worker, prefetch, until } => {
                self.pulse.connect(*worker, *prefetch, *until);
                *worker
            }
            EphemeralEvent::WorkerDisconnected { worker, until } => {
                self.pulse.disconnect(*worker, *until);
                *worker
            }
            EphemeralEvent::LeaseRenewed { worker, until } => {
                return self.pulse.renew(*worker, *until);
            }
            EphemeralEvent::PrefetchSet { worker, prefetch } => {
                self.pulse.set_prefetch(*worker, *prefetch);
                *worker
            }
            EphemeralEvent::ProgressMade { attempt, done, total, message, .. } => {
                return self.pulse.set_progress(*attempt, *done, *total, message);
            }
            EphemeralEvent::DevicesSampled { worker, devices, sessions } => {
                return self.pulse.sample(*worker, devices, sessions);
            }
            EphemeralEvent::PartialMade { .. } => return,
        };
        self.note_hunger(touched);
    }
}
