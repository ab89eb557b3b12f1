//! Jobs: where each stands. One function, `move_to`, changes a job's state and with it every index
//! that speaks of states, so that none can be forgotten.

use gristmill_model::attempt::{Failure, FailureKind};
use gristmill_model::event::Then;
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::{AttemptId, BatchId, JobId, Time};

use super::{Class, State};

/// A job that is live, or final and open to a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its batch.
    pub batch: BatchId,
    /// Index of the stage where it stands.
    pub stage: u16,
    /// Where it stands.
    pub state: JobState,
    /// Since when it stands there.
    pub since: Time,
    /// Higher goes first.
    pub priority: i32,
    /// Input of the stage where it stands.
    pub input: Payload,
    /// Where the last stage's output file goes, on a shared disk.
    pub output: Option<Box<str>>,
    /// Whether a worker must see the submitter's disk.
    pub shared_disk: bool,
    /// Attempts at this stage so far.
    pub attempts: u32,
    /// Failed attempts at this stage that count against the retry policy.
    pub failures: u32,
    /// Workers that died while they ran it.
    pub lost: u32,
    /// The live attempt.
    pub attempt: Option<AttemptId>,
    /// When the pause after a failure ends.
    pub retry_at: Option<Time>,
}

impl State {
    /// What the queue sorts a job by: jobs of one class need the same of a worker.
    pub(crate) fn class(&self, job: &Job) -> Class {
        let batch = &self.batches[&job.batch];
        Class {
            project: batch.project,
            pipeline: batch.pipeline,
            stage: job.stage,
            shared_disk: job.shared_disk,
        }
    }

    pub(super) fn add_jobs(&mut self, batch: BatchId, first: JobId, specs: &[JobSpec], at: Time) {
        assert_eq!(first.0, self.next.job, "job ids come in order");
        let (project, priority) = {
            let batch = self.batch_mut(batch);
            batch.runs.push((first, specs.len() as u64));
            (batch.project, batch.priority)
        };
        for (id, spec) in (first.0..).map(JobId).zip(specs) {
            if let Some(key) = &spec.key {
                self.job_keys.insert((project, key.clone()), id);
            }
            let job = Job {
                batch,
                stage: 0,
                state: JobState::Queued,
                since: at,
                priority: spec.priority.unwrap_or(priority),
                input: spec.input.clone(),
                output: spec.output.as_deref().map(Box::from),
                shared_disk: spec.needs_shared_disk(),
                attempts: 0,
                failures: 0,
                lost: 0,
                attempt: None,
                retry_at: None,
            };
            self.queue.add(self.class(&job), job.priority, id);
            self.jobs.insert(id, job);
            self.count_in(batch, JobState::Queued);
        }
        self.next.job += specs.len() as u64;
        self.live_jobs += specs.len();
    }

    /// What becomes of a job whose attempt has ended.
    pub(super) fn settle(
        &mut self,
        id: JobId,
        then: Then,
        output: Option<&Payload>,
        failure: Option<&Failure>,
        at: Time,
    ) {
        let job = self.job_mut(id);
        if let Some(failure) = failure {
            match failure.kind {
                FailureKind::Lost => job.lost += u32::from(counts_as_lost(failure)),
                FailureKind::Cancelled => {}
                _ => job.failures += 1,
            }
        }
        match then {
            Then::NextStage => {
                job.stage += 1;
                job.input = output.expect("only a success goes on").clone();
                job.shared_disk = needs_shared_disk(job);
                (job.attempts, job.failures, job.lost) = (0, 0, 0);
                self.move_to(id, JobState::Queued, at);
            }
            Then::Succeed => {
                self.move_to(id, JobState::Succeeded, at);
                self.jobs.remove(&id);
            }
            Then::Retry { at: until } => {
                job.retry_at = Some(until);
                self.move_to(id, JobState::Retrying, at);
            }
            Then::Requeue => self.move_to(id, JobState::Queued, at),
            Then::Fail => self.move_to(id, JobState::Failed, at),
            Then::Cancel => self.move_to(id, JobState::Cancelled, at),
        }
    }

    pub(super) fn requeue(&mut self, id: JobId, at: Time) {
        self.move_to(id, JobState::Queued, at);
    }

    pub(super) fn begin_cancel(&mut self, jobs: &[JobId], at: Time) {
        jobs.iter().for_each(|id| self.move_to(*id, JobState::Cancelling, at));
    }

    pub(super) fn cancel_waiting(&mut self, jobs: &[JobId], at: Time) {
        jobs.iter().for_each(|id| self.move_to(*id, JobState::Cancelled, at));
    }

    pub(super) fn retry_by_hand(&mut self, id: JobId, at: Time) {
        let job = self.job_mut(id);
        (job.failures, job.lost) = (0, 0);
        self.move_to(id, JobState::Queued, at);
    }

    pub(super) fn job_mut(&mut self, id: JobId) -> &mut Job {
        self.jobs.get_mut(&id).expect("events name jobs that are here")
    }

    /// Changes a job's state, and every index that speaks of states.
    pub(super) fn move_to(&mut self, id: JobId, to: JobState, at: Time) {
        let job = self.job_mut(id);
        let from = std::mem::replace(&mut job.state, to);
        assert_ne!(from, to, "{id} cannot become what it is");
        job.since = at;
        let retry_at = if to == JobState::Retrying { None } else { job.retry_at.take() };
        let due = job.retry_at;
        let (batch, priority) = (job.batch, job.priority);
        if let Some(until) = retry_at {
            self.backoffs.remove(&(until, id));
        }
        if let Some(until) = due {
            self.backoffs.insert((until, id));
        }
        if from == JobState::Queued || to == JobState::Queued {
            let class = self.class(&self.jobs[&id]);
            if to == JobState::Queued {
                self.queue.add(class, priority, id);
            } else {
                self.queue.remove(class, priority, id);
            }
        }
        match (from.is_final(), to.is_final()) {
            (false, true) => self.live_jobs -= 1,
            (true, false) => self.live_jobs += 1,
            _ => {}
        }
        self.count_move(batch, from, to);
    }
}

/// A worker's death counts against a job only if the job was running there.
pub(crate) const WORKER_LOST: &str = "worker_lost";

fn counts_as_lost(failure: &Failure) -> bool {
    failure.code == WORKER_LOST
}

fn needs_shared_disk(job: &Job) -> bool {
    use gristmill_model::payload::Place;
    let reads = matches!(&job.input, Payload::File(file) if matches!(file.place, Place::Path(_)));
    reads || job.output.is_some()
}
