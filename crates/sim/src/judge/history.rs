//! The log, read by somebody who was not told how the engine works: what each record may follow
//! on, and where it leaves jobs and attempts.

mod compare;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::attempt::{Failure, FailureKind, Success};
use gristmill_model::event::{Event, LeaveReason, Record, Then};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{PipelineSpec, StageSpec};
use gristmill_model::{AttemptId, BatchId, JobId, PipelineId, Span, Time, WorkerId};

use super::{Verdict, Violation, require};
use crate::handler::work;
use crate::tally::Tally;

const ORDER: &str = "records follow on each other";
const FENCE: &str = "only the live attempt is believed";
const ONCE: &str = "one committed result per job and stage";
const RIGHT: &str = "a committed output is right for its input";
const CANCELLED: &str = "a job starts only from the queue";
const TURN: &str = "of equal jobs the older goes first, of others the one with priority";

/// What the log says.
#[derive(Debug, Default)]
pub(super) struct History {
    at: Time,
    pipelines: BTreeMap<PipelineId, PipelineSpec>,
    batches: BTreeMap<BatchId, Batch>,
    keys: BTreeMap<String, BatchId>,
    job_keys: BTreeMap<String, JobId>,
    jobs: BTreeMap<JobId, Job>,
    unfinished: BTreeSet<JobId>,
    /// Jobs that wait, by what they need and in the order in which they should go.
    queue: BTreeSet<(Needs, Reverse<i32>, JobId)>,
    attempts: BTreeMap<AttemptId, Attempt>,
    live: BTreeSet<AttemptId>,
    workers: BTreeMap<WorkerId, u64>,
    present: BTreeSet<WorkerId>,
    committed: BTreeSet<(JobId, u16)>,
    hurried: BTreeSet<JobId>,
}

/// What a job needs of a worker: pipeline, stage, and whether a shared disk.
type Needs = (PipelineId, u16, bool);

/// A batch as the log tells of it.
#[derive(Debug)]
pub(super) struct Batch {
    pipeline: PipelineId,
    priority: i32,
    pub(super) jobs: Vec<JobId>,
    pub(super) open: bool,
}

/// A job as the log tells of it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) first_input: Payload,
    pub(super) state: JobState,
    pub(super) cancels: u32,
    pub(super) retries: u32,
    batch: BatchId,
    priority: i32,
    shared_disk: bool,
    input: Payload,
    stage: u16,
    number: u32,
    failures: u32,
    retry_at: Time,
    live: Option<AttemptId>,
}

#[derive(Debug)]
struct Attempt {
    job: JobId,
    stage: u16,
    worker: WorkerId,
}

impl History {
    /// Takes a record in, if it may follow on what was.
    pub(super) fn take(&mut self, record: &Record, tally: &mut Tally) -> Verdict {
        require(record.at >= self.at, "time in the log never goes back", || {
            format!("{} after {}", record.at, self.at)
        })?;
        self.at = record.at;
        tally.records += 1;
        match &record.event {
            Event::ServerStarted { .. } => Ok(()),
            Event::PipelineDefined { pipeline, spec, .. } => {
                let old = self.pipelines.insert(*pipeline, spec.clone());
                require(old.is_none(), ORDER, || format!("{pipeline} is defined twice"))
            }
            Event::BatchOpened { batch, pipeline, key, priority, .. } => {
                tally.batches += 1;
                self.open(*batch, *pipeline, *priority, key.as_ref().map(|(key, _)| key))
            }
            Event::JobsAdded { batch, first, jobs } => {
                tally.jobs += jobs.len() as u64;
                self.add(*batch, *first, jobs)
            }
            Event::BatchClosed { batch } => {
                let was_open = std::mem::replace(&mut self.batch_mut(*batch)?.open, false);
                require(was_open, ORDER, || format!("{batch} is closed twice"))
            }
            Event::AttemptLeased { attempt, job, stage, number, worker } => {
                tally.attempts += 1;
                self.lease(*attempt, *job, *stage, *number, *worker)
            }
            Event::AttemptSucceeded { attempt, job, worker, success, then, .. } => {
                count_success(*then, tally);
                self.succeed(*attempt, *job, *worker, success, *then)
            }
            Event::AttemptFailed { attempt, job, worker, failure, then, .. } => {
                count_failure(failure, *then, tally);
                self.fail(*attempt, *job, *worker, failure, *then)
            }
            Event::BackoffElapsed { job } => self.requeue(*job, record.at),
            Event::CancelRequested { jobs, .. } => {
                self.cancel(jobs, JobState::Cancelling, &[JobState::Running])
            }
            Event::JobsCancelled { jobs, .. } => {
                tally.cancelled += jobs.len() as u64;
                self.cancel(jobs, JobState::Cancelled, &[JobState::Queued, JobState::Retrying])
            }
            Event::JobRetried { job, .. } => {
                tally.retried_by_hand += 1;
                self.retry(*job)
            }
            Event::WorkerJoined { worker, instance, .. } => {
                tally.joins += 1;
                self.present.insert(*worker);
                let old = self.workers.insert(*worker, *instance);
                require(old.is_none(), ORDER, || format!("{worker} joins twice"))
            }
            Event::WorkerDraining { worker } => self.is_present(*worker),
            Event::WorkerLeft { worker, reason } => {
                match reason {
                    LeaveReason::Goodbye => tally.goodbyes += 1,
                    LeaveReason::LeaseExpired => tally.leases_lost += 1,
                }
                self.is_present(*worker)?;
                self.present.remove(worker);
                let held = self.live.iter().find(|id| self.attempts[id].worker == *worker);
                require(held.is_none(), ORDER, || format!("{worker} left and holds {held:?}"))
            }
            pulse => Err(Violation::new(ORDER, format!("{} is in the log", pulse.name()))),
        }
    }

    pub(super) fn is_live(&self, attempt: AttemptId) -> bool {
        self.live.contains(&attempt)
    }

    pub(super) fn unfinished(&self) -> Option<JobId> {
        self.unfinished.first().copied()
    }

    pub(super) fn instance_of(&self, worker: WorkerId) -> Option<u64> {
        self.workers.get(&worker).copied()
    }

    pub(super) fn worker_of(&self, instance: u64) -> Option<WorkerId> {
        self.present.iter().copied().find(|worker| self.workers[worker] == instance)
    }

    /// How long a stage of a job may take; nothing is known of a job that is not durable yet.
    pub(super) fn timeout_of(&self, job: JobId, stage: u16) -> Span {
        let Some(job) = self.jobs.get(&job) else { return Span::ZERO };
        self.stage(job, stage).and_then(|stage| stage.timeout).unwrap_or(Span(u64::MAX))
    }

    pub(super) fn batch(&self, id: BatchId) -> Option<&Batch> {
        self.batches.get(&id)
    }

    pub(super) fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    pub(super) fn batch_by_key(&self, key: &str) -> Option<BatchId> {
        self.keys.get(key).copied()
    }

    /// Somebody asked for a job to be tried again: its pause may end early.
    pub(super) fn may_skip_pause(&mut self, job: JobId) {
        self.hurried.insert(job);
    }

    fn open(
        &mut self,
        id: BatchId,
        pipeline: PipelineId,
        priority: i32,
        key: Option<&String>,
    ) -> Verdict {
        let batch = Batch { pipeline, priority, jobs: Vec::new(), open: true };
        let old = self.batches.insert(id, batch);
        require(old.is_none(), ORDER, || format!("{id} is opened twice"))?;
        let known = self.pipelines.contains_key(&pipeline);
        require(known, ORDER, || format!("{id} uses {pipeline}, which is not defined"))?;
        let Some(key) = key else { return Ok(()) };
        let twin = self.keys.insert(key.clone(), id);
        require(twin.is_none(), "one key makes one batch", || format!("{key} makes {id} too"))
    }

    fn add(&mut self, batch: BatchId, first: JobId, specs: &[JobSpec]) -> Verdict {
        let (open, priority) = (self.batch_mut(batch)?.open, self.batch_mut(batch)?.priority);
        require(open, ORDER, || format!("{batch} takes jobs when closed"))?;
        for (id, spec) in (first.0..).map(JobId).zip(specs) {
            if let Some(key) = &spec.key {
                let twin = self.job_keys.insert(key.clone(), id);
                require(twin.is_none(), "one key makes one job", || format!("{key} makes {id}"))?;
            }
            let job = Job {
                first_input: spec.input.clone(),
                state: JobState::Scheduled,
                cancels: 0,
                retries: 0,
                batch,
                priority: spec.priority.unwrap_or(priority),
                // Outputs of stages are never paths here: what a job needs stays as it was.
                shared_disk: spec.needs_shared_disk(),
                input: spec.input.clone(),
                stage: 0,
                number: 0,
                failures: 0,
                retry_at: Time::default(),
                live: None,
            };
            let old = self.jobs.insert(id, job);
            require(old.is_none(), ORDER, || format!("{id} is added twice"))?;
            self.move_to(id, JobState::Queued)?;
            self.batch_mut(batch)?.jobs.push(id);
        }
        Ok(())
    }

    fn lease(
        &mut self,
        id: AttemptId,
        job_id: JobId,
        stage: u16,
        number: u32,
        worker: WorkerId,
    ) -> Verdict {
        self.is_present(worker)?;
        let job = self.job_mut(job_id)?;
        require(job.state == JobState::Queued, CANCELLED, || {
            format!("{job_id} is leased as {id} while it is {}", job.state)
        })?;
        let next = job.stage == stage && job.number + 1 == number && job.live.is_none();
        require(next, ORDER, || format!("{id} is number {number} of {job_id} at stage {stage}"))?;
        (job.live, job.number) = (Some(id), number);
        let first = (self.needs(job_id), Reverse(i32::MAX), JobId(0));
        let head = self.queue.range(first..).next();
        let own_turn = head.is_some_and(|(_, _, head)| *head == job_id);
        require(own_turn, TURN, || format!("{job_id} is leased before {head:?}"))?;
        self.move_to(job_id, JobState::Running)?;
        let newest = self.attempts.last_key_value().is_none_or(|(last, _)| *last < id);
        require(newest, "an attempt's id is never used again", || format!("{id} comes again"))?;
        self.attempts.insert(id, Attempt { job: job_id, stage, worker });
        self.live.insert(id);
        Ok(())
    }

    /// Ends the live attempt of a job, if that is what it is.
    fn end(&mut self, id: AttemptId, job_id: JobId, worker: WorkerId) -> Verdict {
        let attempt = self.attempts.get(&id).filter(|_| self.live.contains(&id));
        let own = attempt.is_some_and(|it| it.job == job_id && it.worker == worker);
        require(own, FENCE, || format!("{id} of {job_id} ends at {worker} and is not live there"))?;
        self.live.remove(&id);
        self.job_mut(job_id)?.live = None;
        Ok(())
    }

    fn succeed(
        &mut self,
        id: AttemptId,
        job_id: JobId,
        worker: WorkerId,
        success: &Success,
        then: Then,
    ) -> Verdict {
        self.end(id, job_id, worker)?;
        let job = &self.jobs[&job_id];
        let (stage, cancelling) = (job.stage, job.state == JobState::Cancelling);
        let new = self.committed.insert((job_id, stage));
        require(new, ONCE, || format!("{id} commits stage {stage} of {job_id} again"))?;
        let spec = self.stage(job, stage).expect("leases name stages that are there");
        let right = work(&spec.name, &job.input);
        require(success.output == right, RIGHT, || format!("{id} left {:?}", success.output))?;
        let expected = match (self.stage(job, stage + 1).is_none(), cancelling) {
            (true, _) => Then::Succeed,
            (false, true) => Then::Cancel,
            (false, false) => Then::NextStage,
        };
        require(then == expected, ORDER, || format!("after {id} came {then:?}"))?;
        let job = self.job_mut(job_id)?;
        if then == Then::NextStage {
            job.input = right;
            (job.stage, job.number, job.failures) = (stage + 1, 0, 0);
        } else if then == Then::Cancel {
            // A retry by hand does the stage again: its result may be committed once more.
            self.committed.remove(&(job_id, stage));
        }
        self.settle(job_id, then)
    }

    fn fail(
        &mut self,
        id: AttemptId,
        job_id: JobId,
        worker: WorkerId,
        failure: &Failure,
        then: Then,
    ) -> Verdict {
        self.end(id, job_id, worker)?;
        let job = &self.jobs[&job_id];
        let policy = &self.stage(job, job.stage).expect("leases name stages").retry;
        let again = job.failures + 1 < policy.attempts && policy.on.contains(&failure.kind);
        let expected = match (job.state, failure.kind, then) {
            (JobState::Cancelling, _, then) => then == Then::Cancel,
            (_, FailureKind::Lost, Then::Fail) => failure.code == "quarantined",
            (_, FailureKind::Lost | FailureKind::Cancelled, then) => then == Then::Requeue,
            (_, _, Then::Retry { .. }) => again,
            (_, _, then) => then == Then::Fail && !again,
        };
        require(expected, ORDER, || {
            format!("after {id} failed by {} came {then:?}", failure.kind)
        })?;
        let job = self.job_mut(job_id)?;
        if !matches!(failure.kind, FailureKind::Lost | FailureKind::Cancelled) {
            job.failures += 1;
        }
        self.settle(job_id, then)
    }

    fn settle(&mut self, id: JobId, then: Then) -> Verdict {
        if let Then::Retry { at } = then {
            self.job_mut(id)?.retry_at = at;
        }
        let to = match then {
            Then::NextStage | Then::Requeue => JobState::Queued,
            Then::Retry { .. } => JobState::Retrying,
            Then::Succeed => JobState::Succeeded,
            Then::Fail => JobState::Failed,
            Then::Cancel => JobState::Cancelled,
        };
        self.move_to(id, to)
    }

    fn requeue(&mut self, id: JobId, at: Time) -> Verdict {
        let hurried = self.hurried.contains(&id);
        let job = self.job_mut(id)?;
        let paused = job.state == JobState::Retrying && (hurried || at >= job.retry_at);
        require(paused, ORDER, || format!("{id} ends its pause while {}", job.state))?;
        self.move_to(id, JobState::Queued)
    }

    fn cancel(&mut self, jobs: &[JobId], to: JobState, from: &[JobState]) -> Verdict {
        for id in jobs {
            let job = self.job_mut(*id)?;
            let may = from.contains(&job.state);
            require(may, ORDER, || format!("{id} becomes {to} while {}", job.state))?;
            job.cancels += 1;
            self.move_to(*id, to)?;
        }
        Ok(())
    }

    fn retry(&mut self, id: JobId) -> Verdict {
        let job = self.job_mut(id)?;
        let may = matches!(job.state, JobState::Failed | JobState::Cancelled);
        require(may, ORDER, || format!("{id} is retried while {}", job.state))?;
        job.failures = 0;
        job.retries += 1;
        self.move_to(id, JobState::Queued)
    }

    /// Where a job stands now, and with it whether it waits and whether it is done.
    fn move_to(&mut self, id: JobId, to: JobState) -> Verdict {
        let job = self.job_mut(id)?;
        job.state = to;
        let priority = Reverse(job.priority);
        let place = (self.needs(id), priority, id);
        match to {
            JobState::Queued => self.queue.insert(place),
            _ => self.queue.remove(&place),
        };
        match to.is_final() {
            true => self.unfinished.remove(&id),
            false => self.unfinished.insert(id),
        };
        Ok(())
    }

    fn needs(&self, id: JobId) -> Needs {
        let job = &self.jobs[&id];
        (self.batches[&job.batch].pipeline, job.stage, job.shared_disk)
    }

    fn stage(&self, job: &Job, index: u16) -> Option<&StageSpec> {
        let pipeline = self.batches[&job.batch].pipeline;
        self.pipelines[&pipeline].stages.get(usize::from(index))
    }

    fn is_present(&self, worker: WorkerId) -> Verdict {
        require(self.present.contains(&worker), ORDER, || format!("{worker} is not here"))
    }

    fn job_mut(&mut self, id: JobId) -> Result<&mut Job, Violation> {
        self.jobs.get_mut(&id).ok_or_else(|| Violation::new(ORDER, format!("{id} is not known")))
    }

    fn batch_mut(&mut self, id: BatchId) -> Result<&mut Batch, Violation> {
        self.batches.get_mut(&id).ok_or_else(|| Violation::new(ORDER, format!("{id} is not known")))
    }
}

fn count_success(then: Then, tally: &mut Tally) {
    tally.results += 1;
    match then {
        Then::Succeed => tally.succeeded += 1,
        Then::NextStage => tally.handed_over += 1,
        _ => tally.cancelled += 1,
    }
}

fn count_failure(failure: &Failure, then: Then, tally: &mut Tally) {
    match then {
        Then::Retry { .. } => tally.retries += 1,
        Then::Fail => tally.failed += 1,
        Then::Cancel => tally.cancelled += 1,
        _ => {}
    }
    match failure.code.as_str() {
        "quarantined" => tally.quarantined += 1,
        "undelivered" => tally.undelivered += 1,
        "overdue" => tally.overdue += 1,
        "timed_out" => tally.timed_out += 1,
        _ => {}
    }
}
