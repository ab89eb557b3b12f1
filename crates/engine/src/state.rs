//! What is so. Private fields, read-only accessors, one mutator: [`State::apply`].
//!
//! The *durable* part is a function of the log alone. The [`Pulse`] (connections, leases, overdue
//! times, progress) is beside it: it is applied too, but a restart begins it anew.

mod apply;
mod attempts;
mod batches;
mod jobs;
#[allow(dead_code, reason = "the queue and the jobs move in next")]
mod lane;
mod pipelines;
mod pulse;
mod queue;
#[allow(dead_code, reason = "the queue and the jobs move in next")]
mod table;
mod workers;

pub use attempts::Attempt;
pub use batches::Batch;
pub use jobs::Job;
pub(crate) use jobs::WORKER_LOST;
pub use pipelines::Pipeline;
pub(crate) use pulse::Pulse;
pub(crate) use queue::{Class, Queue};
pub use workers::Worker;

use batches::Counts;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gristmill_model::job::JobState;
use gristmill_model::limits::Timing;
use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::{AttemptId, BatchId, JobId, PipelineId, ProjectId, Time, WorkerId};

/// The state of everything.
#[derive(Debug, Clone)]
pub struct State {
    timing: Timing,
    now: Time,
    next: Counters,
    pipelines: BTreeMap<PipelineId, Pipeline>,
    newest: BTreeMap<(ProjectId, String), PipelineId>,
    by_spec: BTreeMap<(ProjectId, Arc<PipelineSpec>), PipelineId>,
    batches: BTreeMap<BatchId, Batch>,
    batch_keys: BTreeMap<(ProjectId, String), (BatchId, u64)>,
    /// Jobs that are not final, and those that a person may retry. A job that succeeded is
    /// dropped: its result lies in the log and the read tables.
    jobs: BTreeMap<JobId, Job>,
    job_keys: BTreeMap<(ProjectId, String), JobId>,
    live_jobs: usize,
    counts: Counts,
    attempts: BTreeMap<AttemptId, Attempt>,
    workers: BTreeMap<WorkerId, Worker>,
    instances: BTreeMap<u64, WorkerId>,
    queue: Queue,
    backoffs: BTreeSet<(Time, JobId)>,
    pulse: Pulse,
}

/// The next number of each kind of id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) pipeline: u64,
    pub(crate) batch: u64,
    pub(crate) job: u64,
    pub(crate) attempt: u64,
    pub(crate) worker: u64,
}

impl State {
    pub(crate) fn new(timing: Timing) -> State {
        State {
            timing,
            now: Time(0),
            next: Counters { pipeline: 1, batch: 1, job: 1, attempt: 1, worker: 1 },
            pipelines: BTreeMap::new(),
            newest: BTreeMap::new(),
            by_spec: BTreeMap::new(),
            batches: BTreeMap::new(),
            batch_keys: BTreeMap::new(),
            jobs: BTreeMap::new(),
            job_keys: BTreeMap::new(),
            live_jobs: 0,
            counts: Counts::default(),
            attempts: BTreeMap::new(),
            workers: BTreeMap::new(),
            instances: BTreeMap::new(),
            queue: Queue::default(),
            backoffs: BTreeSet::new(),
            pulse: Pulse::default(),
        }
    }

    /// The time of the last thing that happened.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The spans by which dead workers are noticed.
    #[must_use]
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    pub(crate) fn next(&self) -> Counters {
        self.next
    }

    /// A job that is live, or final and open to a retry.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    /// Whether a job with this id was ever accepted.
    #[must_use]
    pub fn knows_job(&self, id: JobId) -> bool {
        (1..self.next.job).contains(&id.0)
    }

    /// Jobs that are live, or final and open to a retry, in order of their ids.
    pub fn jobs(&self) -> impl Iterator<Item = (JobId, &Job)> {
        self.jobs.iter().map(|(id, job)| (*id, job))
    }

    /// How many jobs are not final.
    #[must_use]
    pub fn live_jobs(&self) -> usize {
        self.live_jobs
    }

    /// A batch.
    #[must_use]
    pub fn batch(&self, id: BatchId) -> Option<&Batch> {
        self.batches.get(&id)
    }

    /// All batches, oldest first.
    pub fn batches(&self) -> impl Iterator<Item = (BatchId, &Batch)> {
        self.batches.iter().map(|(id, batch)| (*id, batch))
    }

    /// A version of a pipeline.
    #[must_use]
    pub fn pipeline(&self, id: PipelineId) -> Option<&Pipeline> {
        self.pipelines.get(&id)
    }

    /// The newest version of a named pipeline.
    #[must_use]
    pub fn newest_pipeline(&self, project: ProjectId, name: &str) -> Option<PipelineId> {
        self.newest.get(&(project, name.to_owned())).copied()
    }

    /// How many versions of pipelines there are.
    #[must_use]
    pub fn pipeline_count(&self) -> usize {
        self.pipelines.len()
    }

    /// An attempt that is leased now.
    #[must_use]
    pub fn attempt(&self, id: AttemptId) -> Option<&Attempt> {
        self.attempts.get(&id)
    }

    /// Attempts that are leased now, in order of their ids.
    pub fn attempts(&self) -> impl Iterator<Item = (AttemptId, &Attempt)> {
        self.attempts.iter().map(|(id, attempt)| (*id, attempt))
    }

    /// A worker that has not left.
    #[must_use]
    pub fn worker(&self, id: WorkerId) -> Option<&Worker> {
        self.workers.get(&id)
    }

    /// Workers that have not left, in order of their ids.
    pub fn workers(&self) -> impl Iterator<Item = (WorkerId, &Worker)> {
        self.workers.iter().map(|(id, worker)| (*id, worker))
    }

    /// Whether a worker's connection stands.
    #[must_use]
    pub fn is_connected(&self, id: WorkerId) -> bool {
        self.pulse.is_connected(id)
    }

    /// Until when a worker's lease lives.
    #[must_use]
    pub fn lease_until(&self, id: WorkerId) -> Option<Time> {
        self.pulse.link(id).map(|link| link.until)
    }

    /// How far an attempt has come, as its worker last said: done, total, message.
    #[must_use]
    pub fn progress(&self, id: AttemptId) -> Option<(u64, u64, &str)> {
        self.pulse.progress(id)
    }

    /// Jobs of all batches, counted by state.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<JobState, u64> {
        JobState::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0).collect()
    }

    /// Whether the durable part of two states is the same. The pulse is left out: a restart
    /// begins it anew.
    #[must_use]
    pub fn same_as(&self, other: &State) -> bool {
        self.next == other.next
            && self.pipelines == other.pipelines
            && self.newest == other.newest
            && self.by_spec == other.by_spec
            && self.batches == other.batches
            && self.batch_keys == other.batch_keys
            && self.jobs == other.jobs
            && self.job_keys == other.job_keys
            && self.live_jobs == other.live_jobs
            && self.counts == other.counts
            && self.attempts == other.attempts
            && self.workers == other.workers
            && self.instances == other.instances
            && self.queue == other.queue
            && self.backoffs == other.backoffs
    }

    pub(crate) fn instance(&self, instance: u64) -> Option<WorkerId> {
        self.instances.get(&instance).copied()
    }

    pub(crate) fn batch_by_key(&self, project: ProjectId, key: &str) -> Option<(BatchId, u64)> {
        self.batch_keys.get(&(project, key.to_owned())).copied()
    }

    pub(crate) fn job_by_key(&self, project: ProjectId, key: &str) -> Option<JobId> {
        self.job_keys.get(&(project, key.to_owned())).copied()
    }

    pub(crate) fn pipeline_by_spec(
        &self,
        project: ProjectId,
        spec: &Arc<PipelineSpec>,
    ) -> Option<PipelineId> {
        self.by_spec.get(&(project, Arc::clone(spec))).copied()
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(crate) fn backoffs(&self) -> &BTreeSet<(Time, JobId)> {
        &self.backoffs
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    pub(crate) fn instances(&self) -> &BTreeMap<u64, WorkerId> {
        &self.instances
    }
}
