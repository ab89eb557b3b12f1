//! Jobs: where each stands. One function, `move_to`, changes a job's state and with it every index
//! that speaks of states, so that none can be forgotten.

use std::sync::Arc;

use gristmill_model::attempt::{Failure, FailureKind};
use gristmill_model::cause::Cause;
use gristmill_model::event::Then;
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::{Payload, Place};
use gristmill_model::restored::Past;
use gristmill_model::{AttemptId, BatchId, JobId, JobRun, Moment, Time, WorkerId};

use super::lane::Rank;
use super::{Class, State, queue};
use crate::change::{self, Change, Inputs};

/// A job that is live, or final and open to a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its batch.
    pub batch: BatchId,
    /// Index of the stage where it stands.
    pub stage: u16,
    /// Where it stands, apart from its batch's gate: what waits behind it is queued here too.
    /// [`State::shown`] says what people see.
    pub state: JobState,
    /// Since when it stands there.
    pub since: Moment,
    /// Its place among those that wait: the smaller goes first.
    pub rank: Rank,
    /// Input of the stage where it stands.
    pub input: Payload,
    /// Where the last stage's output file goes, on a shared disk.
    pub output: Option<Box<str>>,
    /// Whether a worker must see the submitter's disk.
    pub shared_disk: bool,
    /// What it has been through, if it was ever leased or has ended.
    pub past: Option<Box<Past>>,
    /// Attempts at this stage so far.
    pub attempts: u32,
    /// Failed attempts at this stage that count against the retry policy.
    pub failures: u32,
    /// Workers that died while they ran it, or whose session for it did, with the attempts.
    pub deaths: Vec<(WorkerId, AttemptId)>,
    /// Attempts at this stage that ended for want of device memory.
    pub shortages: u32,
    /// The live attempt.
    pub attempt: Option<AttemptId>,
    /// When the pause after a failure ends.
    pub retry_at: Option<Time>,
}

impl Job {
    pub(super) fn new(batch: BatchId, rank: Rank, input: Payload, since: Moment) -> Job {
        Job {
            batch,
            stage: 0,
            state: JobState::Queued,
            since,
            rank,
            input,
            output: None,
            shared_disk: false,
            past: None,
            attempts: 0,
            failures: 0,
            deaths: Vec::new(),
            shortages: 0,
            attempt: None,
            retry_at: None,
        }
    }

    /// Whether its next attempt shares neither a call nor a device with others: it may have been
    /// what ended a session, or what filled a device.
    #[must_use]
    pub fn keeps_apart(&self) -> bool {
        self.shortages > 0 || !self.deaths.is_empty()
    }

    /// Whether it is being stopped because its deadline passed.
    #[must_use]
    pub fn is_expiring(&self) -> bool {
        matches!(self.cause(), Some(Cause::Deadline(_)))
    }

    /// Why it was cancelled, expired or asked to stop; nothing where it was not.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.past.as_ref()?.cause
    }

    pub(super) fn past_mut(&mut self) -> &mut Past {
        self.past.get_or_insert_default()
    }

    /// The job as people see it.
    pub(super) fn change(&self, id: JobId) -> change::Job {
        let past = self.past.as_deref().copied().unwrap_or_default();
        change::Job::new((id, self.batch), self.state, self.stage, past)
    }

    /// Whether no attempt of it was ever leased.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.stage == 0 && self.attempts == 0
    }
}

impl State {
    /// What the queue sorts a job by: jobs of one class need the same of a worker.
    pub(crate) fn class(&self, job: &Job) -> Class {
        self.class_at(job.batch, job.stage, job.shared_disk)
    }

    pub(super) fn add_jobs(
        &mut self,
        batch: BatchId,
        first: JobId,
        specs: &Arc<Vec<JobSpec>>,
        at: Time,
    ) {
        self.accepted(batch, first, Inputs::Each(Arc::clone(specs)));
        assert_eq!(first.0, self.next.job, "job ids come in order");
        let count = specs.len() as u64;
        self.own_run(batch, JobRun { first, count });
        let (project, priority) = {
            let batch = self.batch_mut(batch);
            (batch.project, batch.priority)
        };
        let age_from = self.age_from(batch, at);
        self.count_in(batch, JobState::Queued, count);
        self.next.job += count;
        self.live_jobs += specs.len();
        let mut waiting = Waiting::default();
        for (id, spec) in (first.0..).map(JobId).zip(&**specs) {
            if let Some(key) = &spec.key {
                self.job_keys.insert((project, key.clone()), id);
                self.keyed_jobs.insert(id, key.clone());
            }
            let rank = queue::rank(age_from, spec.priority.unwrap_or(priority));
            let mut job = Job::new(batch, rank, spec.input.clone(), self.at);
            job.output = spec.output.as_deref().map(Box::from);
            job.shared_disk = spec.needs_shared_disk();
            if let Some((rank, disk, run)) = waiting.push(rank, job.shared_disk, id) {
                self.enqueue_new(batch, rank, disk, run, at);
            }
            self.jobs.insert(id.0, job);
        }
        if let Some((rank, disk, run)) = waiting.last {
            self.enqueue_new(batch, rank, disk, run, at);
        }
    }

    fn enqueue_new(&mut self, batch: BatchId, rank: Rank, disk: bool, run: JobRun, at: Time) {
        let class = self.class_at(batch, 0, disk);
        self.enqueue(batch, &class, rank, run, at);
    }

    /// What becomes of a job whose attempt has ended.
    pub(super) fn settle(&mut self, id: JobId, then: Then, output: Option<&Payload>, at: Time) {
        let job = self.job_mut(id);
        match then {
            Then::NextStage => {
                job.stage += 1;
                job.input = output.expect("only a success goes on").clone();
                job.shared_disk = needs_shared_disk(job);
                (job.attempts, job.failures, job.shortages) = (0, 0, 0);
                job.deaths.clear();
                self.move_to(id, JobState::Queued, at);
            }
            Then::Succeed => {
                self.move_to(id, JobState::Succeeded, at);
                self.job_changed(id);
                self.jobs.remove(id.0);
                return;
            }
            Then::Retry { at: until } => {
                job.retry_at = Some(until);
                self.move_to(id, JobState::Retrying, at);
            }
            Then::Requeue => self.move_to(id, JobState::Queued, at),
            Then::Fail => self.move_to(id, JobState::Failed, at),
            Then::Cancel => self.move_to(id, JobState::Cancelled, at),
            Then::Expire => self.move_to(id, JobState::Expired, at),
        }
        self.job_changed(id);
    }

    /// Tells how a job stands.
    pub(super) fn job_changed(&mut self, id: JobId) {
        let change = self.here(id).change(id);
        self.push_change(Change::Job(change));
    }

    /// The pause after a failure is over.
    pub(super) fn end_pause(&mut self, id: JobId, at: Time) {
        self.move_to(id, JobState::Queued, at);
        self.job_changed(id);
    }

    /// Counts a failed attempt against the job, where it is to blame.
    pub(super) fn blame(
        &mut self,
        id: JobId,
        attempt: AttemptId,
        worker: WorkerId,
        failure: &Failure,
    ) {
        let job = self.job_mut(id);
        job.past_mut().failed = Some(attempt);
        match failure.kind {
            _ if failure.is_death() => job.deaths.push((worker, attempt)),
            FailureKind::Lost | FailureKind::Cancelled => {}
            FailureKind::OutOfMemory => job.shortages += 1,
            _ => job.failures += 1,
        }
    }

    pub(super) fn begin_cancel(&mut self, jobs: &[JobId], cause: Cause, at: Time) {
        for id in jobs {
            self.job_mut(*id).past_mut().cause = Some(cause);
            self.move_to(*id, JobState::Cancelling, at);
            self.job_changed(*id);
        }
    }

    /// Moves jobs that do not run to another state, folded ones as they are. The cause says why
    /// they have ended, if they have.
    pub(super) fn move_all(
        &mut self,
        runs: &[JobRun],
        to: JobState,
        cause: Option<Cause>,
        at: Time,
    ) {
        for run in runs {
            let here: Vec<JobId> = self.jobs_in(*run).map(|(id, _)| id).collect();
            let folded = self.folds(*run);
            let count = here.len() as u64 + folded.iter().map(|(part, _)| part.count).sum::<u64>();
            assert_eq!(count, run.count, "{} and its neighbours are here", run.first);
            for id in here {
                let job = self.job_mut(id);
                if job.past.is_some() || cause.is_some() {
                    job.past_mut().cause = cause;
                }
                self.move_to(id, to, at);
            }
            folded.into_iter().for_each(|(part, _)| self.move_folded(part, to, cause, at));
            self.run_changed(*run, to, cause);
        }
    }

    /// Tells how jobs stand that stand alike; they may be of several batches.
    fn run_changed(&mut self, run: JobRun, state: JobState, cause: Option<Cause>) {
        let at = self.at.wall;
        for (jobs, batch) in self.owned_parts(run) {
            let run = change::Run { jobs, batch, state, at, cause };
            self.push_change(Change::Run(Box::new(run)));
        }
    }

    pub(super) fn retry_by_hand(&mut self, runs: &[JobRun], at: Time) {
        for run in runs {
            let here: Vec<JobId> = self.jobs_in(*run).map(|(id, _)| id).collect();
            for id in here {
                let job = self.job_mut(id);
                (job.failures, job.shortages) = (0, 0);
                job.deaths.clear();
            }
        }
        self.move_all(runs, JobState::Queued, None, at);
    }

    /// Holds single jobs. A folded one is unfolded first: it stands alone from now on.
    pub(super) fn hold_jobs(&mut self, runs: &[JobRun], at: Time) {
        for id in runs.iter().flat_map(|run| run.jobs()) {
            if self.job(id).is_none() {
                self.unfold(id);
            }
            self.move_to(id, JobState::Blocked, at);
            self.run_changed(JobRun::one(id), JobState::Blocked, None);
        }
    }

    /// A job that must be here.
    pub(super) fn here(&self, id: JobId) -> &Job {
        self.jobs.get(id.0).expect("events name jobs that are here")
    }

    pub(super) fn job_mut(&mut self, id: JobId) -> &mut Job {
        self.jobs.get_mut(id.0).expect("events name jobs that are here")
    }

    /// Changes a job's state, and every index that speaks of states.
    pub(super) fn move_to(&mut self, id: JobId, to: JobState, at: Time) {
        let wall = self.at.wall;
        let job = self.job_mut(id);
        let from = std::mem::replace(&mut job.state, to);
        assert!(may_become(from, to), "{id} was {from} and cannot become {to}");
        job.since = Moment { now: at, wall };
        if from.is_final() || to.is_final() {
            job.past_mut().finished_at = to.is_final().then_some(wall);
        }
        let paused = if to == JobState::Retrying { None } else { job.retry_at.take() };
        let pause = job.retry_at;
        let (batch, rank) = (job.batch, job.rank);
        if let Some(until) = paused {
            self.backoffs.remove(&(until, id));
        }
        if let Some(until) = pause {
            self.backoffs.insert((until, id));
        }
        if from == JobState::Queued || to == JobState::Queued {
            let class = self.class(self.here(id));
            if to == JobState::Queued {
                self.enqueue(batch, &class, rank, JobRun::one(id), at);
            } else {
                self.dequeue(batch, &class, rank, JobRun::one(id));
            }
        }
        match (from.is_final(), to.is_final()) {
            (false, true) => self.live_jobs -= 1,
            (true, false) => self.live_jobs += 1,
            _ => {}
        }
        self.count_move(batch, from, to, 1, at);
        self.note_ends(JobRun::one(id), to);
    }

    /// Jobs among these ids that are not folded and have not succeeded, in order.
    pub(crate) fn jobs_in(&self, run: JobRun) -> impl Iterator<Item = (JobId, &Job)> {
        self.jobs.range(run.first.0..run.end().0).map(|(id, job)| (JobId(id), job))
    }
}

/// [`JobState::may_become`] as a table that is made once: it is asked with every step.
const MAY_BECOME: [[bool; JobState::ALL.len()]; JobState::ALL.len()] = {
    let mut table = [[false; JobState::ALL.len()]; JobState::ALL.len()];
    let mut from = 0;
    while from < table.len() {
        let mut to = 0;
        while to < table.len() {
            table[from][to] = JobState::ALL[from].may_become(JobState::ALL[to]);
            to += 1;
        }
        from += 1;
    }
    table
};

pub(super) fn may_become(from: JobState, to: JobState) -> bool {
    MAY_BECOME[from as usize][to as usize]
}

fn needs_shared_disk(job: &Job) -> bool {
    let reads = matches!(&job.input, Payload::File(file) if matches!(file.place, Place::Path(_)));
    reads || job.output.is_some()
}

/// Gathers new jobs of one rank and class into runs.
#[derive(Default)]
struct Waiting {
    last: Option<(Rank, bool, JobRun)>,
}

impl Waiting {
    /// Adds a job; gives back the run before it if this one begins another.
    fn push(&mut self, rank: Rank, disk: bool, id: JobId) -> Option<(Rank, bool, JobRun)> {
        match &mut self.last {
            Some((r, d, run)) if *r == rank && *d == disk => {
                run.count += 1;
                None
            }
            last => last.replace((rank, disk, JobRun::one(id))),
        }
    }
}
