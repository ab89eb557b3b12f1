//! The one mutator: each event changes the state here, live and in recovery alike.

use gristmill_model::event::{Event, Record};

use super::State;

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
            Event::PipelineDefined { pipeline, project, version, spec } => {
                self.add_pipeline(*pipeline, *project, *version, spec);
            }
            Event::BatchOpened { batch, project, pipeline, name, key, priority, .. } => {
                self.open_batch(
                    *batch,
                    *project,
                    *pipeline,
                    name.as_deref(),
                    key.as_ref(),
                    *priority,
                );
            }
            Event::JobsAdded { batch, first, jobs } => self.add_jobs(*batch, *first, jobs, at),
            Event::BatchClosed { batch } => self.close_batch(*batch),
            Event::AttemptLeased { attempt, job, stage, number, worker } => {
                self.lease(*attempt, *job, *stage, *number, *worker, at);
            }
            Event::AttemptSucceeded { attempt, job, success, then, .. } => {
                self.end_attempt(*attempt, *job, at);
                self.settle(*job, *then, Some(&success.output), None, at);
            }
            Event::AttemptFailed { attempt, job, failure, then, .. } => {
                self.end_attempt(*attempt, *job, at);
                self.settle(*job, *then, None, Some(failure), at);
            }
            Event::BackoffElapsed { job } => self.requeue(*job, at),
            Event::CancelRequested { jobs, .. } => self.begin_cancel(jobs, at),
            Event::JobsCancelled { jobs, .. } => self.cancel_waiting(jobs, at),
            Event::JobRetried { job, .. } => self.retry_by_hand(*job, at),
            Event::WorkerJoined { worker, instance, name, handlers, capacity, shared_disk } => {
                self.join(*worker, *instance, name, handlers, capacity, *shared_disk);
                // That its connection stands is pulse: a replay hears only that it joined.
                self.pulse.disconnect(*worker, at + self.timing.lease);
            }
            Event::WorkerDraining { worker } => self.drain(*worker),
            Event::WorkerLeft { worker, .. } => self.leave(*worker),
            Event::WorkerConnected { worker, prefetch, until } => {
                self.pulse.connect(*worker, *prefetch, *until);
            }
            Event::WorkerDisconnected { worker, until } => self.pulse.disconnect(*worker, *until),
            Event::LeaseRenewed { worker, until } => self.pulse.renew(*worker, *until),
            Event::PrefetchSet { worker, prefetch } => self.pulse.set_prefetch(*worker, *prefetch),
            Event::ProgressMade { attempt, done, total, message, .. } => {
                self.pulse.set_progress(*attempt, *done, *total, message);
            }
        }
    }
}
