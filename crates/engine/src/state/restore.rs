//! The state as it was, told in parts and made again from them. What follows from other parts
//! (queues, counts, indexes) is not told.

use gristmill_model::access::Actor;
use gristmill_model::event::Event;
use gristmill_model::job::JobState;
use gristmill_model::restored::{JobPart, Part};
use gristmill_model::{JobId, JobRun};

use super::attempts::Attempt;
use super::jobs::Job;
use super::{Counters, State};

impl State {
    /// The events that make this state from an empty one, in order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Event> + '_ {
        let flows = self.flows().map(|(project, scope, flow)| Event::FlowSet {
            project,
            scope: scope.clone(),
            flow,
            actor: Actor::Server,
        });
        let declared = self.declared().map(|(name, shape)| Event::WorkerDeclared {
            name: name.to_owned(),
            shape: Some(shape.clone()),
        });
        let pipelines = self.pipelines.iter().map(|(id, pipeline)| Event::PipelineDefined {
            pipeline: *id,
            project: pipeline.project,
            version: pipeline.version,
            spec: (*pipeline.spec).clone(),
        });
        let first = self.project_parts().map(Event::restored);
        let work = self.batch_parts().chain(self.range_parts()).chain(self.job_parts());
        let workers = self.worker_parts().chain(self.attempt_parts()).chain(self.bound_parts());
        let last = std::iter::once_with(|| self.shares_part());
        first
            .chain(pipelines)
            .chain(flows)
            .chain(declared)
            .chain(work.chain(workers).chain(last).map(Event::restored))
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
            name: found.name.to_string(),
            shape: found.shape(),
            draining: found.draining,
            paused: found.paused,
            devices: found.device_parts(),
            pinned: found.booking.pinned().collect(),
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
            Part::Range { first, batch, source, rank, folds, .. } => {
                self.restore_range(*first, *batch, source, *rank, folds);
            }
            Part::Job(part) => self.restore_job(part),
            Part::JobKey { project, key, job } => {
                self.job_keys.insert((*project, key.clone()), *job);
                self.keyed_jobs.insert(*job, key.clone());
            }
            Part::Worker {
                worker,
                instance,
                name,
                shape,
                draining,
                paused,
                devices,
                measured,
                pinned,
            } => {
                self.next.worker = worker.0;
                self.join(*worker, *instance, name, shape);
                self.pulse.disconnect(*worker, self.now + self.timing.lease);
                let found = self.worker_mut(*worker);
                (found.draining, found.paused) = (*draining, *paused);
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
            } => {
                let live = Attempt {
                    job: *job,
                    worker: *worker,
                    number: *number,
                    alternative: *alternative,
                    leased_at: *leased_at,
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

    fn restore_job(&mut self, part: &JobPart) {
        let job = Job {
            batch: part.batch,
            stage: part.stage,
            state: part.state,
            since: part.since,
            rank: part.rank,
            input: part.input.clone(),
            output: part.output.as_deref().map(Box::from),
            shared_disk: part.shared_disk,
            expiring: part.expiring,
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
        self.count_restored(part.batch, part.state, 1);
        if part.state == JobState::Queued {
            self.enqueue(part.batch, &class, part.rank, JobRun::one(part.job), part.since);
        }
    }
}

fn part_of(id: JobId, job: &Job) -> JobPart {
    JobPart {
        job: id,
        batch: job.batch,
        stage: job.stage,
        state: job.state,
        since: job.since,
        rank: job.rank,
        input: job.input.clone(),
        output: job.output.as_deref().map(str::to_owned),
        shared_disk: job.shared_disk,
        expiring: job.expiring,
        attempts: job.attempts,
        failures: job.failures,
        deaths: job.deaths.clone(),
        retry_at: job.retry_at,
        shortages: job.shortages,
    }
}
