//! Attempts that are leased now. An attempt's id is the fence: once it has ended it is gone from
//! here, and whatever a worker says about it later is stale.

use gristmill_model::job::JobState;
use gristmill_model::{AttemptId, JobId, Time, WorkerId};

use super::State;

/// A try of one stage of one job that is leased to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The job.
    pub job: JobId,
    /// Who has it.
    pub worker: WorkerId,
    /// 1 for the job's first attempt at this stage.
    pub number: u32,
    /// When it was leased.
    pub leased_at: Time,
    /// When its resources were booked; nothing while it waits in the worker's backlog.
    pub running_since: Option<Time>,
}

impl State {
    pub(super) fn lease(
        &mut self,
        id: AttemptId,
        job_id: JobId,
        stage: u16,
        number: u32,
        worker: WorkerId,
        at: Time,
    ) {
        assert_eq!(id.0, self.next.attempt, "attempt ids come in order");
        self.next.attempt += 1;
        self.move_to(job_id, JobState::Running, at);
        let job = self.job_mut(job_id);
        assert_eq!(job.stage, stage, "{job_id} is leased at the stage where it stands");
        job.attempts = number;
        job.attempt = Some(id);
        let request = self.request_of(job_id).clone();
        let holder = self.worker_mut(worker);
        let runs = holder.booking.admit(id, &request);
        holder.attempts.insert(id);
        let attempt = Attempt { job: job_id, worker, number, leased_at: at, running_since: None };
        self.attempts.insert(id, attempt);
        if runs {
            self.begin_run(id, at);
        }
    }

    /// Takes an attempt off its worker; attempts of the backlog that fit now begin to run.
    pub(super) fn end_attempt(&mut self, id: AttemptId, job: JobId, at: Time) {
        let attempt = self.attempts.remove(&id).expect("only a live attempt ends");
        assert_eq!(attempt.job, job, "{id} belongs to its job");
        self.job_mut(job).attempt = None;
        self.pulse.forget(id);
        let holder = self.worker_mut(attempt.worker);
        holder.attempts.remove(&id);
        for promoted in holder.booking.release(id) {
            self.begin_run(promoted, at);
        }
    }

    fn begin_run(&mut self, id: AttemptId, at: Time) {
        let attempt = self.attempts.get_mut(&id).expect("booked attempts are live");
        attempt.running_since = Some(at);
        let job = attempt.job;
        if let Some(timeout) = self.stage_of(job).timeout {
            self.pulse.expect_by(id, at + timeout + self.timing.timeout_grace);
        }
    }
}
