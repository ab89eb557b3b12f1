//! Attempts that are leased now. An attempt's id is the fence: once it has ended it is gone from
//! here, and whatever a worker says about it later is stale.

use gristmill_model::booking::{Fate, Seat, Want};
use gristmill_model::job::JobState;
use gristmill_model::{AttemptId, JobId, Span, Time, WorkerId};

use super::{Class, State, weight_of};
use crate::change::{self, Change, End};

/// A try of one stage of one job that is leased to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The job.
    pub job: JobId,
    /// Who has it.
    pub worker: WorkerId,
    /// 1 for the job's first attempt at this stage.
    pub number: u32,
    /// Which of the stage's alternative resources it books.
    pub alternative: u8,
    /// When it was leased.
    pub leased_at: Time,
    /// The same by the wall clock.
    pub leased_wall: Time,
    /// When its resources were booked; nothing while it waits in the worker's backlog.
    pub running_since: Option<Time>,
}

impl Attempt {
    /// The attempt as people see it, at the stage where its job stands.
    fn change(&self, id: AttemptId, stage: u16, end: Option<Box<End>>) -> change::Attempt {
        change::Attempt {
            id,
            job: self.job,
            stage,
            number: self.number,
            worker: self.worker,
            alternative: self.alternative,
            leased_at: self.leased_wall,
            end,
        }
    }
}

impl State {
    pub(super) fn lease(
        &mut self,
        id: AttemptId,
        stage: u16,
        attempt: Attempt,
        seat: Option<&Seat>,
    ) {
        assert_eq!(id.0, self.next.attempt, "attempt ids come in order");
        self.next.attempt += 1;
        let (job_id, worker, at) = (attempt.job, attempt.worker, attempt.leased_at);
        if self.job(job_id).is_none() {
            self.unfold(job_id);
        }
        self.move_to(job_id, JobState::Running, at);
        let job = self.job_mut(job_id);
        assert_eq!(job.stage, stage, "{job_id} is leased at the stage where it stands");
        job.attempts = attempt.number;
        job.attempt = Some(id);
        let past = job.past_mut();
        past.attempts += 1;
        past.last = Some(id);
        past.started_at.get_or_insert(attempt.leased_wall);
        let told = attempt.change(id, stage, None);
        self.push_change(Change::Attempt(told));
        self.job_changed(job_id);
        let class = self.class(self.here(job_id));
        self.bounds_begin(&class, at);
        self.project_leased(class.project, self.charge(&attempt), at);
        let want = self.want_of(&attempt);
        let holder = self.worker_mut(worker);
        let given = holder.booking.admit(id, want, seat);
        assert!(
            seat.is_none() || given.as_ref() == seat,
            "{id} gets the seat that was found for it"
        );
        holder.attempts.insert(id);
        self.attempts.insert(id, attempt);
        if given.is_some() {
            self.begin_run(id, at);
        }
        self.note_hunger(worker);
    }

    pub(super) fn restore_attempt(&mut self, id: AttemptId, attempt: Attempt, seat: Option<&Seat>) {
        let job = self.job_mut(attempt.job);
        job.attempt = Some(id);
        let stage = job.stage;
        // A base of format 3 does not tell what the job had been through.
        let past = job.past_mut();
        past.last = Some(id);
        past.started_at.get_or_insert(attempt.leased_wall);
        let told = attempt.change(id, stage, None);
        self.push_change(Change::Attempt(told));
        self.job_changed(attempt.job);
        let project = self.class(self.here(attempt.job)).project;
        let charge = self.charge(&attempt);
        self.project_leased(project, charge, attempt.leased_at);
        let (runs, want) = (attempt.running_since, self.want_of(&attempt));
        let holder = self.worker_mut(attempt.worker);
        holder.booking.restore(id, want, runs.map(|_| seat.cloned().unwrap_or_default()));
        holder.attempts.insert(id);
        if let Some(since) = runs {
            self.project_running(project, charge, since);
        }
        self.attempts.insert(id, attempt);
    }

    /// Takes an attempt off its worker; attempts of the backlog that fit now begin to run.
    pub(super) fn end_attempt(
        &mut self,
        id: AttemptId,
        job: JobId,
        fate: Fate,
        end: Box<End>,
        at: Time,
    ) {
        let attempt = self.attempts.remove(&id).expect("only a live attempt ends");
        assert_eq!(attempt.job, job, "{id} belongs to its job");
        self.note_ended(attempt.worker, end.outcome.is_ok());
        let told = attempt.change(id, self.here(job).stage, Some(end));
        self.push_change(Change::Attempt(told));
        self.job_mut(job).attempt = None;
        self.pulse.forget(id);
        let class = self.class(self.here(job));
        self.bounds_end(&class);
        let charge = self.charge(&attempt);
        self.project_ended(class.project, charge, attempt.running_since.is_some(), at);
        let holder = self.worker_mut(attempt.worker);
        holder.attempts.remove(&id);
        let promoted = holder.booking.release(id, fate);
        self.begin_promoted(attempt.worker, &promoted, at);
    }

    /// Attempts of a worker's backlog begin to run: there is room for them now.
    pub(super) fn begin_promoted(
        &mut self,
        worker: WorkerId,
        promoted: &[(AttemptId, Seat)],
        at: Time,
    ) {
        promoted.iter().for_each(|(attempt, _)| self.begin_run(*attempt, at));
        self.note_hunger(worker);
    }

    /// Notes how long an attempt ran that comes to its end: that is how long others will.
    pub(super) fn note_run(&mut self, id: AttemptId, at: Time) {
        let attempt = self.attempts.get(&id).expect("only a live attempt ends");
        let Some(since) = attempt.running_since else { return };
        let job = self.here(attempt.job);
        let stage = (self.batches[&job.batch].pipeline, job.stage);
        self.pulse.note_run(stage, at.since(since));
    }

    /// How long runs of a class took of late; nothing where none has ended.
    pub(crate) fn run_of(&self, class: &Class) -> Option<Span> {
        self.pulse.run_of((class.pipeline, class.stage))
    }

    fn begin_run(&mut self, id: AttemptId, at: Time) {
        let attempt = self.attempts.get_mut(&id).expect("booked attempts are live");
        attempt.running_since = Some(at);
        let attempt = attempt.clone();
        let charge = self.charge(&attempt);
        let batch = self.here(attempt.job).batch;
        let project = self.batches[&batch].project;
        self.project_running(project, charge, at);
        if let Some(timeout) = self.stage_of(attempt.job).timeout {
            self.pulse.expect_by(id, at + timeout + self.timing.timeout_grace);
        }
    }

    /// What an attempt asks of its worker. It asks the same for as long as it lives.
    pub(crate) fn want_of(&self, attempt: &Attempt) -> Want {
        let apart = self.here(attempt.job).keeps_apart();
        self.stage_of(attempt.job).want(attempt.alternative, apart)
    }

    /// What an attempt's project is charged for while it runs: of a session's resources what one of
    /// its seats is worth.
    pub(crate) fn charge(&self, attempt: &Attempt) -> u64 {
        let stage = self.stage_of(attempt.job);
        let whole = weight_of(stage.request(attempt.alternative));
        (whole / u64::from(stage.handler.seats().unwrap_or(1))).max(1)
    }
}
