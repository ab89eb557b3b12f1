//! The log, read by somebody who was not told how the engine works: what each record may follow
//! on, and where it leaves batches, jobs, attempts, workers and scopes. Naive on purpose: it counts
//! anew what the engine keeps in indexes.

mod batches;
mod compare;
mod devices;
mod ends;
mod fair;
mod gates;
mod jobs;
mod leases;
mod scopes;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::access::Actor;
use gristmill_model::attempt::FailureKind;
use gristmill_model::command::{Command, Submission};
use gristmill_model::event::{Event, PipelineEvent, ProjectEvent, Record, ServerEvent};
use gristmill_model::job::JobState;
use gristmill_model::pipeline::{PipelineSpec, StageSpec};
use gristmill_model::resources::WorkerShape;
use gristmill_model::scope::{Flow, Scope};
use gristmill_model::terms::Target;
use gristmill_model::{AttemptId, BatchId, JobId, PipelineId, ProjectId, Span, Time, WorkerId};

use super::{Verdict, Violation, require};
use crate::tally::Tally;
pub(super) use batches::Batch;
use fair::Project;
pub(super) use jobs::Job;
use jobs::{Attempt, Class};
use scopes::Bound;
use workers::Worker;
pub(super) use workers::fit_together;

const ORDER: &str = "records follow on each other";

/// What the log says.
#[derive(Debug)]
pub(super) struct History {
    at: Time,
    wall: Time,
    /// Who caused the record that is taken in.
    by: Actor,
    keep_finished: Span,
    projects: BTreeMap<ProjectId, Project>,
    project_names: BTreeMap<String, ProjectId>,
    /// What the project had used that was last served.
    served: f64,
    pipelines: BTreeMap<PipelineId, (ProjectId, PipelineSpec)>,
    batches: BTreeMap<BatchId, Batch>,
    keys: BTreeMap<(ProjectId, String), BatchId>,
    job_keys: BTreeMap<(ProjectId, String), JobId>,
    jobs: BTreeMap<JobId, Job>,
    unfinished: BTreeSet<JobId>,
    /// Jobs that wait behind no closed gate, by what they have in common, in their order.
    queue: BTreeMap<Class, BTreeSet<(i64, JobId)>>,
    attempts: BTreeMap<AttemptId, Attempt>,
    live: BTreeSet<AttemptId>,
    workers: BTreeMap<WorkerId, Worker>,
    declared: BTreeMap<String, WorkerShape>,
    bounds: BTreeMap<(ProjectId, Scope), Bound>,
    flows: BTreeMap<(ProjectId, Scope), Flow>,
    /// Every limit and flow that was ever set, in words.
    ever_set: BTreeSet<String>,
    committed: BTreeSet<(JobId, u16)>,
    hurried: BTreeSet<JobId>,
    /// Attempts of which the holder itself said how they ended, and how: the kind of failure, and
    /// the devices.
    reported: BTreeMap<AttemptId, (Option<FailureKind>, Vec<String>)>,
    /// Devices that must go out of service next.
    condemned: Vec<(WorkerId, String)>,
    /// The longest that sessions took to load, by name.
    loads: BTreeMap<String, Span>,
    asked: BTreeMap<String, Asked>,
}

/// A submission that reached the server, by the name it was given.
#[derive(Debug)]
struct Asked {
    submission: Submission,
    times: u64,
    made: u64,
}

impl History {
    pub(super) fn new(keep_finished: Span) -> History {
        let default = Project::new(1, Time(0));
        History {
            at: Time(0),
            wall: Time(0),
            by: Actor::SERVER,
            keep_finished,
            projects: BTreeMap::from([(ProjectId::DEFAULT, default)]),
            project_names: BTreeMap::from([("default".to_owned(), ProjectId::DEFAULT)]),
            served: 0.0,
            pipelines: BTreeMap::new(),
            batches: BTreeMap::new(),
            keys: BTreeMap::new(),
            job_keys: BTreeMap::new(),
            jobs: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            queue: BTreeMap::new(),
            attempts: BTreeMap::new(),
            live: BTreeSet::new(),
            workers: BTreeMap::new(),
            declared: BTreeMap::new(),
            bounds: BTreeMap::new(),
            flows: BTreeMap::new(),
            ever_set: BTreeSet::new(),
            committed: BTreeSet::new(),
            hurried: BTreeSet::new(),
            reported: BTreeMap::new(),
            condemned: Vec::new(),
            loads: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    /// Takes a record in, if it may follow on what was.
    pub(super) fn take(&mut self, record: &Record, tally: &mut Tally) -> Verdict {
        let at = record.at.now;
        self.by = record.actor;
        require(at >= self.at, "time in the log never goes back", || {
            format!("{at} after {}", self.at)
        })?;
        (self.at, self.wall) = (at, record.at.wall);
        tally.records += 1;
        if !matches!(record.event, Event::Server(ServerEvent::Started { .. })) {
            self.follows_on_condemned(&record.event)?;
        }
        match &record.event {
            Event::Server(ServerEvent::Started { .. }) => {
                // What a crash cut off is decided anew when it happens anew.
                self.condemned.clear();
                Ok(())
            }
            Event::Project(ProjectEvent::Defined { project, name, weight }) => {
                self.define_project(*project, name, *weight);
                Ok(())
            }
            Event::Pipeline(PipelineEvent::Defined { pipeline, project, spec, .. }) => {
                let old = self.pipelines.insert(*pipeline, (*project, (**spec).clone()));
                require(old.is_none(), ORDER, || format!("{pipeline} is defined twice"))
            }
            Event::Project(ProjectEvent::LimitSet { project, scope, limit, .. }) => {
                tally.limits_set += 1;
                self.set_limit(*project, scope, limit);
                Ok(())
            }
            Event::Project(ProjectEvent::FlowSet { project, scope, flow, .. }) => {
                tally.flows_set += 1;
                self.set_flow(*project, scope, *flow);
                Ok(())
            }
            event => self.take_batch(event, tally),
        }
    }

    pub(super) fn is_live(&self, attempt: AttemptId) -> bool {
        self.live.contains(&attempt)
    }

    pub(super) fn wall(&self) -> Time {
        self.wall
    }

    pub(super) fn unfinished(&self) -> Option<JobId> {
        self.unfinished.first().copied()
    }

    pub(super) fn batch(&self, id: BatchId) -> Option<&Batch> {
        self.batches.get(&id)
    }

    pub(super) fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    pub(super) fn batch_by_key(&self, project: &str, key: &str) -> Option<BatchId> {
        let project = self.project_names.get(project)?;
        self.keys.get(&(*project, key.to_owned())).copied()
    }

    pub(super) fn project_named(&self, name: &str) -> Option<ProjectId> {
        self.project_names.get(name).copied()
    }

    pub(super) fn ever_set(&self, words: &str) -> bool {
        self.ever_set.contains(words)
    }

    /// A request reached the server.
    pub(super) fn was_asked(&mut self, command: &Command) {
        match command {
            Command::RetryJob(job) => {
                self.hurried.insert(*job);
            }
            Command::Submit(submission) => {
                let name = submission.name.clone().unwrap_or_default();
                let submission = (**submission).clone();
                let fresh = Asked { submission, times: 0, made: 0 };
                self.asked.entry(name).or_insert(fresh).times += 1;
            }
            _ => {}
        }
    }

    /// What keeps work from ending that nobody but a person can let go.
    pub(super) fn to_let_go(&self) -> Vec<Command> {
        let name_of = |project: &ProjectId| {
            let found = self.project_names.iter().find(|(_, id)| *id == project);
            found.map_or_else(String::new, |(name, _)| name.clone())
        };
        let flows = self.flows.keys().map(|(project, scope)| Command::SetFlow {
            project: name_of(project),
            scope: scope.clone(),
            flow: Flow::Open,
        });
        let paused = self.workers.iter().filter(|(_, worker)| worker.is_here && worker.paused);
        let paused = paused.map(|(id, _)| Command::PauseWorker { worker: *id, paused: false });
        let here = || self.batches.iter().filter(|(_, batch)| !batch.pruned);
        let held = here().filter(|(_, batch)| batch.held && self.is_batch_live(batch));
        let held = held.map(|(id, _)| Command::Release(Target::Batch(*id)));
        let blocked = self.unfinished.iter().filter(|id| self.jobs[id].state == JobState::Blocked);
        let blocked = blocked.map(|id| Command::Release(Target::Job(*id)));
        let open = here().filter(|(_, batch)| batch.open).map(|(id, _)| Command::Append {
            batch: *id,
            jobs: Vec::new(),
            range: None,
            close: true,
        });
        let here = self.workers.iter().filter(|(_, worker)| worker.is_here);
        let devices = here.flat_map(|(id, worker)| {
            let out = worker.devices.iter().filter(|device| device.out.is_some());
            out.map(|device| Command::SetDevice {
                worker: *id,
                device: device.id.clone(),
                quarantined: None,
            })
        });
        flows.chain(paused).chain(devices).chain(held).chain(blocked).chain(open).collect()
    }

    /// Whether a project has a pipeline of this name itself.
    fn has_own(&self, project: ProjectId, name: &str) -> bool {
        self.pipelines.values().any(|(owner, spec)| *owner == project && spec.name == name)
    }

    fn stage(&self, job: &Job, index: u16) -> Option<&StageSpec> {
        let pipeline = self.batches[&job.batch].pipeline;
        self.pipelines[&pipeline].1.stages.get(usize::from(index))
    }

    /// How long a stage of a job may take; nothing is known of a job that is not durable yet.
    pub(super) fn timeout_of(&self, job: JobId, stage: u16) -> Span {
        let Some(job) = self.jobs.get(&job) else { return Span::ZERO };
        self.stage(job, stage).and_then(|stage| stage.timeout).unwrap_or(Span(u64::MAX))
    }

    fn job_mut(&mut self, id: JobId) -> Result<&mut Job, Violation> {
        self.jobs.get_mut(&id).ok_or_else(|| Violation::new(ORDER, format!("{id} is not known")))
    }

    fn batch_mut(&mut self, id: BatchId) -> Result<&mut Batch, Violation> {
        self.batches.get_mut(&id).ok_or_else(|| Violation::new(ORDER, format!("{id} is not known")))
    }
}
