//! The log held against what others make of it: the engine's state, and what workers are told.

use std::collections::BTreeMap;

use gristmill_engine::State;
use gristmill_model::access::Actor;
use gristmill_model::job::JobState;
use gristmill_model::payload::Payload;
use gristmill_model::wire::Assignment;
use gristmill_model::{BatchId, JobId};

use super::batches::Batch;
use super::{History, Verdict, Violation, require};
use crate::items;

const REPLAY: &str = "engine and log tell the same story";
const COUNTS: &str = "a batch counts its jobs";
const FENCE: &str = "only the live attempt is believed";
const INPUT: &str = "each item is run with exactly its own input";
const ALTERNATIVE: &str = "a worker books what was leased";

/// Who took each device out of service.
fn out(worker: &gristmill_engine::Worker) -> impl Iterator<Item = Option<&Actor>> {
    worker.devices.iter().map(|device| device.quarantined.as_ref().map(|(_, by)| by))
}

impl History {
    /// The state must say what the log says, all of it and nothing else.
    pub(in crate::judge) fn agrees(&self, state: &State) -> Verdict {
        for id in self.jobs.keys() {
            self.job_agrees(*id, state)?;
        }
        for (id, batch) in &self.batches {
            self.batch_agrees(*id, batch, state)?;
        }
        let attempts = state.attempts().map(|(id, _)| id);
        require(attempts.eq(self.live.iter().copied()), REPLAY, || "live attempts differ".into())?;
        self.workers_agree(state)?;
        self.scopes_agree(state)
    }

    fn job_agrees(&self, id: JobId, state: &State) -> Verdict {
        let job = &self.jobs[&id];
        let shown = match job.state {
            JobState::Queued => self.batches[&job.batch].shows(),
            other => other,
        };
        let expected = (!job.pruned).then_some(shown);
        let there = state.job_state(id);
        let whole = state.job(id).is_none_or(|is| {
            let pauses = job.state == JobState::Retrying;
            is.attempt == job.live
                && is.stage == job.stage
                && is.rank == job.rank
                && is.input == job.input
                && is.retry_at == pauses.then_some(job.retry_at)
        });
        require(there == expected && whole && state.knows_job(id), REPLAY, || {
            format!("{id} is {expected:?} in the log, {there:?} there: {:?}", state.job(id))
        })
    }

    fn batch_agrees(&self, id: BatchId, batch: &Batch, state: &State) -> Verdict {
        let Some(there) = state.batch(id) else {
            return require(batch.pruned, REPLAY, || format!("{id} is gone"));
        };
        let same = !batch.pruned && there.open == batch.open && there.is_held() == batch.held;
        require(same, REPLAY, || format!("{id} is {there:?}, in the log {batch:?}"))?;
        let mut counts: BTreeMap<JobState, u64> = BTreeMap::new();
        for job in &batch.jobs {
            let shown = match self.jobs[job].state {
                JobState::Queued => batch.shows(),
                other => other,
            };
            *counts.entry(shown).or_default() += 1;
        }
        let counted: BTreeMap<JobState, u64> = there.counts().collect();
        require(counts == counted, COUNTS, || format!("{id}: {counts:?}, there {counted:?}"))
    }

    fn workers_agree(&self, state: &State) -> Verdict {
        let here = || self.workers.iter().filter(|(_, worker)| worker.is_here);
        let workers = state.workers().map(|(id, _)| id);
        require(workers.eq(here().map(|(id, _)| *id)), REPLAY, || "workers differ".into())?;
        for (id, worker) in here() {
            let there = state.worker(*id).expect("found just now");
            let same = there.paused == worker.paused
                && there.draining == worker.draining
                && there.booking == worker.booking
                && out(there).eq(worker.devices.iter().map(|device| device.out.as_ref()));
            require(same, REPLAY, || format!("{id} is {there:?}, in the log {worker:?}"))?;
        }
        let declared = state.declared().map(|(name, _)| name);
        let same = declared.eq(self.declared.keys().map(String::as_str));
        require(same, REPLAY, || "declared workers differ".into())
    }

    fn scopes_agree(&self, state: &State) -> Verdict {
        let flows = state.flows().map(|(project, scope, flow)| ((project, scope.clone()), flow));
        let same = flows.eq(self.flows.iter().map(|(place, flow)| (place.clone(), *flow)));
        require(same, REPLAY, || "flows differ".into())?;
        let bounds = state.bounds().map(|(project, scope, bound)| {
            (project, scope.clone(), bound.limit.clone(), bound.in_use)
        });
        let own = self.bounds.iter().map(|((project, scope), bound)| {
            (*project, scope.clone(), bound.limit.clone(), self.in_use(*project, scope))
        });
        require(bounds.eq(own), REPLAY, || "limits differ".into())?;
        for (id, project) in state.projects() {
            let own = self.projects.get(&id);
            let same = own.is_some_and(|own| {
                (own.weight, own.queued, own.leased)
                    == (project.weight, project.queued, project.leased)
            });
            require(same, REPLAY, || format!("{id} is {project:?}, in the log {own:?}"))?;
        }
        Ok(())
    }

    /// What a worker was told to start must stand in the log, word for word.
    pub(in crate::judge) fn was_leased(&self, assignment: &Assignment) -> Verdict {
        let id = assignment.attempt;
        let early = || format!("{id} is started and its lease is not durable");
        let Some(attempt) = self.attempts.get(&id) else {
            return Err(Violation::new("nothing is spoken before it is durable", early()));
        };
        require(attempt.job == assignment.job, FENCE, || format!("{id} is another job's"))?;
        let job = &self.jobs[&attempt.job];
        let stage = self.stage(job, attempt.stage);
        let same = stage.is_some_and(|stage| stage.name == assignment.stage);
        require(same, INPUT, || format!("{id} starts at stage {}", assignment.stage))?;
        let books = self.request_of(id) == assignment.resources;
        require(books, ALTERNATIVE, || format!("{id} books {:?}", assignment.resources))?;
        // Of an attempt that is over the job may have moved on.
        let own: Payload = items::filled_in(&job.input);
        let input = job.live != Some(id) || own == assignment.input;
        require(input, INPUT, || format!("{id} works on {:?}", assignment.input))
    }
}
