//! The state as it was, told in parts and made again from them. What follows from other parts
//! (queues, counts, indexes) is not told.

use std::collections::BTreeMap;
use std::sync::Arc;

use gristmill_model::cause::Cause;
use gristmill_model::event::{Event, Opening, PipelineEvent, ProjectEvent, WorkerEvent};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::restored::{BatchPart, JobPart, Part, Past};
use gristmill_model::terms::{Dependency, Terms};
use gristmill_model::{JobId, JobRun, Moment, Time};

use super::attempts::Attempt;
use super::jobs::Job;
use super::{Batch, Counters, State};
use crate::change::{Accepted, Change, Inputs, Opened};

impl State {
    /// The events that make this state from an empty one, in order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Event> + '_ {
        let flows = self.flows().map(|(project, scope, flow)| {
            Event::Project(ProjectEvent::FlowSet { project, scope: scope.clone(), flow })
        });
        let declared = self.declared().map(|(name, shape)| {
            Event::Worker(WorkerEvent::Declared {
                name: name.to_owned(),
                shape: Some(Box::new(shape.clone())),
            })
        });
        let pipelines = self.pipelines.iter().map(|(id, pipeline)| {
            Event::Pipeline(PipelineEvent::Defined {
                pipeline: *id,
                project: pipeline.project,
                version: pipeline.version,
                spec: Arc::clone(&pipeline.spec),
            })
        });
        let first = self.project_parts().map(restored);
        let work = self.batch_parts().chain(self.range_parts()).chain(self.job_parts());
        let workers = self.worker_parts().chain(self.attempt_parts()).chain(self.bound_parts());
        let last = std::iter::once_with(|| self.shares_part());
        first
            .chain(pipelines)
            .chain(flows)
            .chain(declared)
            .chain(work.chain(workers).chain(last).map(restored))
    }

    fn project_parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.projects().map(|(project, found)| Part::Project {
            project,
            name: found.name.to_string(),
            weight: found.weight,
        })
    }

    fn batch_parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.batches.iter().map(|(id, batch)| {
            let mut part = batch.part(*id);
            part.key = part.key.map(|(key, _)| {
                let (_, fingerprint) = self.batch_keys[&(batch.project, key.clone())];
                (key, fingerprint)
            });
            part.announce = self.to_announce.contains(id);
            let to_come = |at, set: &std::collections::BTreeSet<_>| set.contains(&(at, *id));
            part.expires_at = part.expires_at.map(|(at, _)| (at, to_come(at, &self.expiries)));
            part.deadline = part.deadline.map(|(at, _)| (at, to_come(at, &self.deadlines)));
            Part::Batch(Box::new(part))
        })
    }

    fn range_parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.ranges.iter().map(|(first, range)| {
            let whole = JobRun { first: *first, count: range.count };
            let folds = range.folded(whole);
            Part::Range {
                first: *first,
                batch: range.batch,
                count: range.count,
                source: range.source.clone(),
                rank: range.rank(),
                ends: folds.iter().map(|(_, fold)| (fold.wall, fold.cause)).collect(),
                folds: folds.into_iter().map(|(run, fold)| (run, fold.state, fold.since)).collect(),
            }
        })
    }

    fn job_parts(&self) -> impl Iterator<Item = Part> + '_ {
        let jobs = self.jobs().map(|(id, job)| Part::Job(Box::new(part_of(id, job))));
        let keys = self.job_keys.iter().map(|((project, key), job)| Part::JobKey {
            project: *project,
            key: key.clone(),
            job: *job,
        });
        jobs.chain(keys)
    }

    fn worker_parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.workers().map(|(worker, found)| Part::Worker {
            worker,
            instance: found.instance,
            description: (*found.description).clone(),
            draining: found.draining,
            paused: found.paused,
            devices: found.device_parts(),
            pinned: found.booking.pinned().collect(),
            joined_at: found.joined_at,
            ended: (found.succeeded, found.failed),
            measured: found.booking.measured().map(|(name, vram)| (name.into(), vram)).collect(),
        })
    }

    fn attempt_parts(&self) -> impl Iterator<Item = Part> + '_ {
        let held = self.workers.values().flat_map(|worker| {
            let ids = worker.booking.running().chain(worker.booking.backlog());
            ids.map(|attempt| (attempt, worker.booking.seat_of(attempt)))
        });
        held.map(|(attempt, seat)| {
            let live = &self.attempts[&attempt];
            Part::Attempt {
                attempt,
                job: live.job,
                worker: live.worker,
                number: live.number,
                alternative: live.alternative,
                leased_at: live.leased_at,
                leased_wall: live.leased_wall,
                running_since: live.running_since,
                seat: seat.filter(|seat| !seat.is_plain()),
            }
        })
    }

    fn bound_parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.bounds.iter().map(|((project, scope), bound)| Part::Bound {
            project: *project,
            scope: scope.clone(),
            limit: bound.limit.clone(),
            next: bound.next(),
        })
    }

    fn shares_part(&self) -> Part {
        let Counters { project, pipeline, batch, job, attempt, worker } = self.next;
        Part::Shares {
            served: self.served,
            used: self.projects().map(|(id, found)| found.share(id)).collect(),
            next: [project, pipeline, batch, job, attempt, worker],
        }
    }

    /// Makes a part of the state as it was.
    pub(super) fn restore(&mut self, part: &Part) {
        match part {
            Part::Project { project, name, weight } => {
                self.restore_project(*project, name, *weight)
            }
            Part::Batch(part) => self.restore_batch(part),
            Part::Range { first, batch, source, rank, folds, ends, .. } => {
                self.restore_range(*first, *batch, source, *rank, (folds, ends));
            }
            Part::Job(part) => self.restore_job(part),
            Part::JobKey { project, key, job } => {
                self.job_keys.insert((*project, key.clone()), *job);
                self.keyed_jobs.insert(*job, key.clone());
                self.restored_inputs_known(*job, Some(key));
            }
            Part::Worker {
                worker,
                instance,
                description,
                draining,
                paused,
                devices,
                measured,
                pinned,
                joined_at,
                ended,
            } => {
                self.next.worker = worker.0;
                self.join(*worker, *instance, &Arc::new(description.clone()));
                self.pulse.disconnect(*worker, self.at.now + self.timing.lease);
                let found = self.worker_mut(*worker);
                (found.draining, found.paused) = (*draining, *paused);
                (found.succeeded, found.failed) = *ended;
                if *joined_at > Time(0) {
                    found.joined_at = *joined_at;
                }
                found.restore_devices(devices, measured, pinned);
            }
            Part::Attempt {
                attempt,
                job,
                worker,
                number,
                alternative,
                leased_at,
                running_since,
                seat,
                leased_wall,
            } => {
                let live = Attempt {
                    job: *job,
                    worker: *worker,
                    number: *number,
                    alternative: *alternative,
                    leased_at: *leased_at,
                    leased_wall: *leased_wall,
                    running_since: *running_since,
                };
                self.restore_attempt(*attempt, live, seat.as_ref());
            }
            Part::Bound { project, scope, limit, next } => {
                self.set_limit(*project, scope, limit);
                let bound = self.bounds.get_mut(&(*project, scope.clone()));
                bound.expect("set just now").set_next(*next);
            }
            Part::Shares { served, used, next } => {
                let [project, pipeline, batch, job, attempt, worker] = *next;
                self.next = Counters { pipeline, batch, job, attempt, worker, project };
                self.served = *served;
                used.iter().for_each(|share| self.restore_share(*share));
                let waited: Vec<_> = self.dependents.keys().copied().collect();
                waited.into_iter().for_each(|on| self.note_if_ended(on));
            }
        }
    }

    /// What a job has been through. A base of format 3 tells it in other words, and not all.
    fn past_of(&self, part: &JobPart) -> Option<Past> {
        if part.past.is_some() {
            return part.past;
        }
        let deadline = || self.batches.get(&part.batch).and_then(Batch::deadline);
        let past = Past {
            attempts: part.attempts,
            finished_at: part.state.is_final().then_some(part.since),
            cause: part.expiring.then(|| Cause::Deadline(deadline().unwrap_or(part.since))),
            ..Past::default()
        };
        (past != Past::default()).then_some(past)
    }

    fn restore_job(&mut self, part: &JobPart) {
        let job = Job {
            batch: part.batch,
            stage: part.stage,
            state: part.state,
            since: Moment { now: part.since, wall: part.wall.unwrap_or(part.since) },
            rank: part.rank,
            input: part.input.clone(),
            output: part.output.as_deref().map(Box::from),
            shared_disk: part.shared_disk,
            past: self.past_of(part).map(Box::new),
            attempts: part.attempts,
            failures: part.failures,
            deaths: part.deaths.clone(),
            shortages: part.shortages,
            attempt: None,
            retry_at: part.retry_at,
        };
        let class = self.class(&job);
        self.live_jobs += usize::from(!part.state.is_final());
        self.backoffs.extend(part.retry_at.map(|at| (at, part.job)));
        self.jobs.insert(part.job.0, job);
        self.restored_inputs_known(part.job, None);
        self.job_changed(part.job);
        self.count_restored(part.batch, part.state, 1);
        if part.state == JobState::Queued {
            self.enqueue(part.batch, &class, part.rank, JobRun::one(part.job), part.since);
        }
    }
}

impl State {
    /// Tells of a batch what its part knows: who submitted it, its key and labels are lost.
    pub(super) fn restored_batch_changed(&mut self, part: &BatchPart) {
        let after = part.pending.iter().map(|(on, when)| Dependency { on: *on, when: *when });
        let terms = Terms {
            start_at: part.start_at,
            expires_at: part.expires_at.map(|(at, _)| at),
            deadline: part.deadline.map(|(at, _)| at),
            held: part.held,
            after: after.collect(),
            limit_key: part.limit_key.clone(),
            callback: part.callback.clone(),
        };
        let opening = Opening {
            project: part.project,
            pipeline: part.pipeline,
            name: part.name.clone(),
            key: part.key.clone(),
            priority: part.priority,
            labels: BTreeMap::new(),
            terms,
        };
        let (batch, at) = (part.batch, self.at.wall);
        let opening = Arc::new(opening);
        let project_name = self.project_name(part.project);
        let (actor, created_at) = (None, at);
        let opened = Opened { batch, opening, project_name, actor, created_at };
        self.push_change(Change::Opened(Box::new(opened)));
        let mut index = 0;
        for run in &part.runs {
            let (first, priority, inputs) = (run.first, part.priority, Inputs::Lost(run.count));
            let lost = Accepted { batch, first, index, priority, inputs, created_at: at };
            self.push_change(Change::Accepted(lost));
            index += run.count;
        }
        // Whether the call was made nobody knows any more: rather twice than never.
        if let Some(at) = part.finished_wall.or(part.finished_at)
            && part.callback.is_some()
            && !part.announce
        {
            self.push_change(Change::Announced { batch, at });
        }
        self.touch_batch(batch);
    }

    /// Tells of a job, if it is here, what its parts know of its submission: its labels are lost,
    /// and so is its priority.
    fn restored_inputs_known(&mut self, id: JobId, key: Option<&String>) {
        let Some(job) = self.jobs.get(id.0) else { return };
        let (batch, output) = (job.batch, job.output.as_deref().map(str::to_owned));
        let spec = JobSpec { output, key: key.cloned(), ..JobSpec::of(job.input.clone()) };
        self.inputs_known(batch, id, Inputs::Each(Arc::new(vec![spec])));
    }
}

fn part_of(id: JobId, job: &Job) -> JobPart {
    JobPart {
        job: id,
        batch: job.batch,
        stage: job.stage,
        state: job.state,
        since: job.since.now,
        rank: job.rank,
        input: job.input.clone(),
        output: job.output.as_deref().map(str::to_owned),
        shared_disk: job.shared_disk,
        expiring: job.is_expiring(),
        attempts: job.attempts,
        failures: job.failures,
        deaths: job.deaths.clone(),
        retry_at: job.retry_at,
        shortages: job.shortages,
        past: job.past.as_deref().copied(),
        wall: Some(job.since.wall),
    }
}

fn restored(part: Part) -> Event {
    Event::Restored(Box::new(part))
}
