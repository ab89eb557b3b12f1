//! The one mutator: each event changes the state here, live and in recovery alike.

use gristmill_model::access::Actor;
use gristmill_model::attempt::FailureKind;
use gristmill_model::booking::Fate;
use gristmill_model::event::{Event, Record};
use gristmill_model::job::JobState;
use gristmill_model::resources::WorkerShape;
use gristmill_model::{Time, WorkerId};

use super::State;
use super::attempts::Attempt;
use super::batches::Opening;

impl State {
    /// Applies what happened.
    ///
    /// # Panics
    /// When the event contradicts the state, which is a bug or a foreign log.
    pub(crate) fn apply(&mut self, record: &Record) {
        let at = record.at;
        self.now = self.now.max(at);
        match &record.event {
            Event::ServerStarted { .. } => self.begin_pulse(at),
            Event::ProjectDefined { project, name, weight } => {
                self.define_project(*project, name, *weight, at);
            }
            Event::PipelineDefined { pipeline, project, version, spec } => {
                self.add_pipeline(*pipeline, *project, *version, spec);
            }
            Event::LimitSet { project, scope, limit, .. } => {
                self.set_limit(*project, scope, limit);
            }
            Event::FlowSet { project, scope, flow, .. } => self.set_flow(*project, scope, *flow),
            Event::Restored(part) => self.restore(part),
            event => self.apply_to_work(event, at),
        }
    }

    fn apply_to_work(&mut self, event: &Event, at: Time) {
        match event {
            Event::AttemptLeased { attempt, job, stage, number, worker, alternative, seat } => {
                let (job, worker, number) = (*job, *worker, *number);
                let (alternative, running_since) = (*alternative, None);
                let leased =
                    Attempt { job, worker, number, alternative, leased_at: at, running_since };
                self.lease(*attempt, *stage, leased, seat.as_ref());
            }
            Event::AttemptSucceeded { attempt, job, worker, success, devices, then, .. } => {
                self.note_run(*attempt, at);
                self.clear_errors(*worker, devices);
                self.end_attempt(*attempt, *job, Fate::Succeeded, at);
                self.settle(*job, *then, Some(&success.output), at);
            }
            Event::AttemptFailed { attempt, job, worker, failure, devices, then, .. } => {
                if failure.kind == FailureKind::Device {
                    self.note_errors(*worker, devices, *job);
                }
                // Of one that was lost or stopped nobody knows how long it would have run.
                if !matches!(failure.kind, FailureKind::Lost | FailureKind::Cancelled) {
                    self.note_run(*attempt, at);
                }
                self.end_attempt(*attempt, *job, failure.fate(), at);
                self.blame(*job, *attempt, *worker, failure);
                self.settle(*job, *then, None, at);
            }
            Event::BackoffElapsed { job } => self.move_to(*job, JobState::Queued, at),
            Event::CancelRequested { jobs, actor } => {
                self.begin_cancel(jobs, *actor == Actor::Server, at);
            }
            Event::JobsCancelled { jobs, .. } => self.move_all(jobs, JobState::Cancelled, at),
            Event::JobsExpired { jobs } => self.move_all(jobs, JobState::Expired, at),
            Event::JobsRetried { jobs, .. } => self.retry_by_hand(jobs, at),
            Event::JobsHeld { jobs, .. } => self.hold_jobs(jobs, at),
            Event::JobsReleased { jobs, .. } => self.move_all(jobs, JobState::Queued, at),
            event => self.apply_to_batch(event, at),
        }
    }

    fn apply_to_batch(&mut self, event: &Event, at: Time) {
        match event {
            Event::BatchOpened { batch, project, pipeline, name, key, priority, terms, .. } => {
                let opening = Opening {
                    project: *project,
                    pipeline: *pipeline,
                    name: name.as_deref(),
                    key: key.as_ref(),
                    priority: *priority,
                    terms,
                };
                self.open_batch(*batch, &opening);
            }
            Event::JobsAdded { batch, first, jobs } => self.add_jobs(*batch, *first, jobs, at),
            Event::RangeAdded { batch, first, count, source } => {
                self.add_range(*batch, *first, *count, source, at);
            }
            Event::BatchClosed { batch } => self.close_batch(*batch, at),
            Event::BatchHeld { batch, .. } => self.turn_gate(*batch, at, |gate| gate.held = true),
            Event::BatchReleased { batch, .. } => {
                self.turn_gate(*batch, at, |gate| gate.held = false);
            }
            Event::StartReached { batch } => self.reach_start(*batch, at),
            Event::ExpiryReached { batch } => self.reach_expiry(*batch),
            Event::DeadlineReached { batch } => self.reach_deadline(*batch),
            Event::DependencyMet { batch, on } | Event::DependencyFailed { batch, on } => {
                self.turn_gate(*batch, at, |gate| {
                    gate.pending.remove(on);
                });
                self.forget_dependency(*batch, *on);
            }
            Event::BatchFinished { batch } => {
                self.to_announce.remove(batch);
            }
            Event::CallbackSettled { .. } => {}
            Event::BatchesPruned { batches } => self.prune(batches),
            event => self.apply_to_workers(event, at),
        }
    }

    fn apply_to_workers(&mut self, event: &Event, at: Time) {
        match event {
            Event::WorkerJoined {
                worker,
                instance,
                name,
                handlers,
                capacity,
                shared_disk,
                labels,
            } => {
                let shape = WorkerShape {
                    capacity: capacity.clone(),
                    handlers: handlers.clone(),
                    labels: labels.clone(),
                    shared_disk: *shared_disk,
                };
                self.join(*worker, *instance, name, &shape);
                // That its connection stands is pulse: a replay hears only that it joined.
                self.pulse.disconnect(*worker, at + self.timing.lease);
            }
            Event::WorkerPaused { worker, paused, .. } => self.pause_worker(*worker, *paused),
            Event::WorkerDeclared { name, shape } => self.declare(name, shape.as_ref()),
            Event::WorkerDraining { worker } => self.drain(*worker),
            Event::DeviceQuarantined { worker, device, reason, actor } => {
                self.set_device(*worker, device, Some((reason.clone(), actor.clone())), at);
            }
            Event::DeviceReturned { worker, device, .. } => {
                self.set_device(*worker, device, None, at);
            }
            Event::SessionMeasured { worker, session, vram } => {
                let promoted = self.worker_mut(*worker).booking.measure(session, *vram);
                self.begin_promoted(*worker, &promoted, at);
            }
            Event::ForeignUseNoted { worker, device, vram } => {
                self.set_foreign_use(*worker, device, *vram, at);
            }
            Event::WorkerLeft { worker, .. } => self.leave(*worker),
            event => self.apply_pulse(event),
        }
    }

    fn apply_pulse(&mut self, event: &Event) {
        let touched: WorkerId = match event {
            Event::WorkerConnected { worker, prefetch, until } => {
                self.pulse.connect(*worker, *prefetch, *until);
                *worker
            }
            Event::WorkerDisconnected { worker, until } => {
                self.pulse.disconnect(*worker, *until);
                *worker
            }
            Event::LeaseRenewed { worker, until } => return self.pulse.renew(*worker, *until),
            Event::PrefetchSet { worker, prefetch } => {
                self.pulse.set_prefetch(*worker, *prefetch);
                *worker
            }
            Event::ProgressMade { attempt, done, total, message, .. } => {
                return self.pulse.set_progress(*attempt, *done, *total, message);
            }
            Event::DevicesSampled { worker, devices, sessions } => {
                return self.pulse.sample(*worker, devices, sessions);
            }
            Event::PartialMade { .. } => return,
            other => unreachable!("{} is applied elsewhere", other.name()),
        };
        self.note_hunger(touched);
    }
}
