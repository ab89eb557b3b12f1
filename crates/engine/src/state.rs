//! What is so. Private fields, read-only accessors, one mutator: [`State::apply`].
//!
//! The *durable* part is a function of the log alone. The [`Pulse`] (connections, leases, overdue
//! times, progress) is beside it: it is applied too, but a restart begins it anew.

mod apply;
mod attempts;
mod batches;
mod board;
mod bounds;
mod changes;
mod devices;
mod endings;
mod jobs;
mod lane;
mod pipelines;
mod projects;
mod pulse;
mod queue;
mod ranges;
mod restore;
mod table;
mod waiting;
mod workers;

pub use attempts::Attempt;
pub use batches::Batch;
pub(crate) use board::{Board, Head, Need};
pub(crate) use bounds::Barred;
pub use bounds::Bound;
pub use devices::Health;
pub(crate) use endings::{Ending, is_met};
pub use jobs::Job;
pub(crate) use lane::Lane;
pub use pipelines::Pipeline;
pub use projects::Project;
pub(crate) use projects::weight_of;
pub(crate) use pulse::Pulse;
pub use pulse::Samples;
pub(crate) use queue::{Class, Queue};
pub use ranges::Range;
pub use workers::Worker;

use batches::Counts;
use bounds::Bounds;
use changes::Changes;
use pipelines::Asks;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use table::Table;
use waiting::Gated;

use gristmill_model::job::JobState;
use gristmill_model::limits::Timing;
use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::resources::WorkerShape;
use gristmill_model::scope::Flow;
use gristmill_model::terms::Target;
use gristmill_model::{AttemptId, BatchId, JobId, Moment, PipelineId, ProjectId, Time, WorkerId};

/// The state of everything.
#[derive(Debug, Clone)]
pub struct State {
    timing: Timing,
    at: Moment,
    next: Counters,
    projects: BTreeMap<ProjectId, Project>,
    project_names: BTreeMap<Box<str>, ProjectId>,
    /// What the project had used that was last served: where one begins that comes back.
    served: u128,
    bounds: Bounds,
    flows: BTreeMap<board::Place, Flow>,
    pipelines: BTreeMap<PipelineId, Pipeline>,
    newest: BTreeMap<(ProjectId, String), PipelineId>,
    by_spec: BTreeMap<(ProjectId, Arc<PipelineSpec>), PipelineId>,
    asks: BTreeMap<Asks, u32>,
    batches: BTreeMap<BatchId, Batch>,
    batch_keys: BTreeMap<(ProjectId, String), (BatchId, u64)>,
    /// Jobs that are not final, and those that a person may retry. A job that succeeded is
    /// dropped: its result lies in the log and the read tables.
    jobs: Table<Job>,
    ranges: BTreeMap<JobId, Range>,
    /// Which batch a job belongs to, by the first of each run of ids.
    owners: BTreeMap<JobId, (u64, BatchId)>,
    job_keys: BTreeMap<(ProjectId, String), JobId>,
    keyed_jobs: BTreeMap<JobId, String>,
    live_jobs: usize,
    counts: Counts,
    attempts: BTreeMap<AttemptId, Attempt>,
    workers: BTreeMap<WorkerId, Worker>,
    instances: BTreeMap<u64, WorkerId>,
    declared: BTreeMap<Box<str>, WorkerShape>,
    queue: Queue,
    gated: Gated,
    backoffs: BTreeSet<(Time, JobId)>,
    starts: BTreeSet<(Time, BatchId)>,
    expiries: BTreeSet<(Time, BatchId)>,
    deadlines: BTreeSet<(Time, BatchId)>,
    /// Batches that wait for something to end, by what they wait for.
    dependents: BTreeMap<Target, BTreeSet<BatchId>>,
    /// What has ended of that, and was not acted upon yet.
    ended: BTreeSet<Target>,
    /// Batches that have finished, the longest ago first.
    finished: BTreeSet<(Time, BatchId)>,
    /// Batches that have finished and whose end somebody asked to be told.
    to_announce: BTreeSet<BatchId>,
    pulse: Pulse,
    /// Workers that may take more; an index for placement.
    hungry: BTreeSet<WorkerId>,
    /// What was made of the records for people to see, and not yet taken.
    changes: Changes,
}

/// The next number of each kind of id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) pipeline: u64,
    pub(crate) batch: u64,
    pub(crate) job: u64,
    pub(crate) attempt: u64,
    pub(crate) worker: u64,
    pub(crate) project: u64,
}

impl State {
    pub(crate) fn new(timing: Timing) -> State {
        State {
            timing,
            at: Moment::default(),
            next: Counters { pipeline: 1, batch: 1, job: 1, attempt: 1, worker: 1, project: 2 },
            projects: projects::first(),
            project_names: BTreeMap::from([("default".into(), ProjectId::DEFAULT)]),
            served: 0,
            bounds: BTreeMap::new(),
            flows: BTreeMap::new(),
            pipelines: BTreeMap::new(),
            newest: BTreeMap::new(),
            by_spec: BTreeMap::new(),
            asks: BTreeMap::new(),
            batches: BTreeMap::new(),
            batch_keys: BTreeMap::new(),
            jobs: Table::default(),
            ranges: BTreeMap::new(),
            owners: BTreeMap::new(),
            job_keys: BTreeMap::new(),
            keyed_jobs: BTreeMap::new(),
            live_jobs: 0,
            counts: Counts::default(),
            attempts: BTreeMap::new(),
            workers: BTreeMap::new(),
            instances: BTreeMap::new(),
            declared: BTreeMap::new(),
            queue: Queue::default(),
            gated: BTreeMap::new(),
            backoffs: BTreeSet::new(),
            starts: BTreeSet::new(),
            expiries: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            dependents: BTreeMap::new(),
            ended: BTreeSet::new(),
            finished: BTreeSet::new(),
            to_announce: BTreeSet::new(),
            pulse: Pulse::default(),
            hungry: BTreeSet::new(),
            changes: Changes::default(),
        }
    }

    /// The time of the last thing that happened.
    #[must_use]
    pub fn now(&self) -> Time {
        self.at.now
    }

    /// The moment of the last thing that happened.
    #[must_use]
    pub fn at(&self) -> Moment {
        self.at
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
        self.jobs.get(id.0)
    }

    /// Whether a job with this id was ever accepted.
    #[must_use]
    pub fn knows_job(&self, id: JobId) -> bool {
        (1..self.next.job).contains(&id.0)
    }

    /// Whether a batch with this id was ever accepted.
    #[must_use]
    pub fn knows_batch(&self, id: BatchId) -> bool {
        (1..self.next.batch).contains(&id.0)
    }

    /// Jobs that are live, or final and open to a retry, in order of their ids.
    pub fn jobs(&self) -> impl Iterator<Item = (JobId, &Job)> {
        self.jobs.iter().map(|(id, job)| (JobId(id), job))
    }

    /// How many jobs are in memory and not final; those of a range that are still folded are not.
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

    /// The pipeline that a project means by a name: its own, or else the default project's. What
    /// workers offer is there, for everybody.
    pub fn pipeline_for(&self, project: Option<ProjectId>, name: &str) -> Option<PipelineId> {
        let mut homes = project.into_iter().chain([ProjectId::DEFAULT]);
        homes.find_map(|home| self.newest_pipeline(home, name))
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

    /// How many workers have not left.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        self.workers.len()
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
            && self.projects == other.projects
            && self.project_names == other.project_names
            && self.served == other.served
            && self.bounds == other.bounds
            && self.flows == other.flows
            && self.pipelines == other.pipelines
            && self.newest == other.newest
            && self.by_spec == other.by_spec
            && self.batches == other.batches
            && self.batch_keys == other.batch_keys
            && self.jobs == other.jobs
            && self.ranges == other.ranges
            && self.owners == other.owners
            && self.job_keys == other.job_keys
            && self.keyed_jobs == other.keyed_jobs
            && self.live_jobs == other.live_jobs
            && self.counts == other.counts
            && self.attempts == other.attempts
            && self.workers == other.workers
            && self.instances == other.instances
            && self.declared == other.declared
            && self.queue == other.queue
            && self.gated == other.gated
            && self.backoffs == other.backoffs
            && self.starts == other.starts
            && self.expiries == other.expiries
            && self.deadlines == other.deadlines
            && self.dependents == other.dependents
            && self.ended == other.ended
            && self.finished == other.finished
            && self.to_announce == other.to_announce
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

    /// Workers that may join, by the names under which they were declared.
    pub fn declared(&self) -> impl Iterator<Item = (&str, &WorkerShape)> {
        self.declared.iter().map(|(name, shape)| (name.as_ref(), shape))
    }

    /// The class of a need that is next: of the project that has used least, its first.
    pub(crate) fn next_of(&mut self, need: Need, now: Time) -> Option<(u128, Head, Class)> {
        let projects = &self.projects;
        let used = |id| projects.get(&id).map_or(0, |project: &Project| project.used(now));
        self.queue.board_mut().next(need, used)
    }

    pub(crate) fn queue_mut(&mut self) -> &mut Queue {
        &mut self.queue
    }

    pub(crate) fn hungry(&self) -> impl Iterator<Item = WorkerId> + '_ {
        self.hungry.iter().copied()
    }

    pub(crate) fn starts(&self) -> &BTreeSet<(Time, BatchId)> {
        &self.starts
    }

    pub(crate) fn expiries(&self) -> &BTreeSet<(Time, BatchId)> {
        &self.expiries
    }

    pub(crate) fn deadlines(&self) -> &BTreeSet<(Time, BatchId)> {
        &self.deadlines
    }

    pub(crate) fn finished(&self) -> &BTreeSet<(Time, BatchId)> {
        &self.finished
    }

    pub(crate) fn to_announce(&self) -> &BTreeSet<BatchId> {
        &self.to_announce
    }

    /// Jobs that are here, from an id on.
    pub(crate) fn jobs_from(&self, id: JobId) -> impl Iterator<Item = (JobId, &Job)> {
        self.jobs.range(id.0..u64::MAX).map(|(id, job)| (JobId(id), job))
    }

    pub(crate) fn batches_from(&self, id: BatchId) -> impl Iterator<Item = (BatchId, &Batch)> {
        self.batches.range(id..).map(|(id, batch)| (*id, batch))
    }

    pub(crate) fn workers_from(&self, id: WorkerId) -> impl Iterator<Item = (WorkerId, &Worker)> {
        self.workers.range(id..).map(|(id, worker)| (*id, worker))
    }

    pub(crate) fn is_waited_for(&self, on: Target, by: BatchId) -> bool {
        self.dependents.get(&on).is_some_and(|waiting| waiting.contains(&by))
    }

    /// What has ended that batches wait for, with one of them.
    pub(crate) fn first_ended(&self) -> Option<(Target, BatchId)> {
        let on = *self.ended.first()?;
        let waiting = self.dependents.get(&on).expect("only what is waited for is noted");
        Some((on, *waiting.first().expect("only what is waited for is noted")))
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    pub(crate) fn instances(&self) -> &BTreeMap<u64, WorkerId> {
        &self.instances
    }
}
