//! What has ended: who waits for it, who is to be told, and when it is forgotten.

use gristmill_model::job::JobState;
use gristmill_model::terms::{Target, When};
use gristmill_model::{BatchId, JobId, JobRun, Moment, ProjectId, Time};

use super::State;
use super::batches::Batch;
use crate::change::Change;

/// How something that is waited for has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    NotYet,
    Succeeded,
    Failed,
    Unknown,
}

impl State {
    /// A batch may have finished just now.
    pub(super) fn note_end(&mut self, id: BatchId, at: Time) {
        let wall = self.at.wall;
        let batch = self.batch_mut(id);
        if !batch.is_finished() || batch.finished.is_some() {
            return;
        }
        batch.finished = Some(Moment { now: at, wall });
        let called = batch.callback().is_some();
        self.finished.insert((at, id));
        if called {
            self.to_announce.insert(id);
        }
        self.note_if_ended(Target::Batch(id));
    }

    pub(super) fn unfinish(&mut self, id: BatchId) {
        if let Some(at) = self.batch_mut(id).finished.take() {
            self.finished.remove(&(at.now, id));
            self.to_announce.remove(&id);
            self.ended.remove(&Target::Batch(id));
        }
    }

    /// Others may wait for these jobs to end, which now have or now run again.
    pub(super) fn note_ends(&mut self, run: JobRun, now: JobState) {
        if self.dependents.is_empty() {
            return;
        }
        let targets = Target::Job(run.first)..Target::Job(run.end());
        let waited: Vec<Target> = self.dependents.range(targets).map(|(on, _)| *on).collect();
        for on in waited {
            if now.is_final() {
                self.note_if_ended(on);
            } else {
                self.ended.remove(&on);
            }
        }
    }

    /// How a thing that is waited for has ended.
    pub(crate) fn ending(&self, target: Target) -> Ending {
        match target {
            Target::Job(job) => match self.job_state(job) {
                None => Ending::Unknown,
                Some(JobState::Succeeded) => Ending::Succeeded,
                Some(state) if state.is_final() => Ending::Failed,
                Some(_) => Ending::NotYet,
            },
            Target::Batch(id) => match self.batches.get(&id) {
                None => Ending::Unknown,
                Some(batch) if !batch.is_finished() => Ending::NotYet,
                Some(batch) if batch.count(JobState::Succeeded) == batch.total() => {
                    Ending::Succeeded
                }
                Some(_) => Ending::Failed,
            },
        }
    }

    /// Notes that something has ended that others wait for.
    pub(super) fn note_if_ended(&mut self, target: Target) {
        let ended = self.dependents.contains_key(&target) && self.ending(target) != Ending::NotYet;
        if ended {
            self.ended.insert(target);
        }
    }

    /// What a batch waited for has ended as it was to end.
    pub(super) fn end_dependency(&mut self, batch: BatchId, on: Target, at: Time) {
        self.turn_gate(batch, at, |gate| {
            gate.pending.remove(&on);
        });
        self.forget_dependency(batch, on);
    }

    /// What a batch waited for has ended otherwise.
    pub(super) fn fail_dependency(&mut self, batch: BatchId, on: Target, at: Time) {
        let pending = self.batches[&batch].gate().and_then(|gate| gate.pending.get(&on));
        let (when, wall) = (pending.copied().unwrap_or_default(), self.at.wall);
        self.push_change(Change::Unmet { batch, on, when, at: wall });
        self.end_dependency(batch, on, at);
    }

    /// A batch waits for this no more.
    pub(super) fn forget_dependency(&mut self, batch: BatchId, on: Target) {
        if let Some(waiting) = self.dependents.get_mut(&on) {
            waiting.remove(&batch);
            if waiting.is_empty() {
                self.dependents.remove(&on);
                self.ended.remove(&on);
            }
        }
    }

    /// Forgets batches that finished long ago, with all that leads to them.
    pub(super) fn prune(&mut self, ids: &[BatchId]) {
        for id in ids {
            let batch = self.batches.remove(id).expect("only batches that are here are pruned");
            let at = batch.finished.expect("only finished batches are pruned");
            self.finished.remove(&(at.now, *id));
            // It cannot be asked any more when changes are taken.
            self.push_change(Change::Batch(Box::new(batch.change(*id))));
            self.push_change(Change::Forgotten(*id));
            self.to_announce.remove(id);
            self.forget_times(*id, &batch);
            for run in &batch.runs {
                self.forget_jobs(*run, batch.project);
                self.owners.remove(&run.first);
            }
            for (state, count) in batch.counts() {
                self.counts[state as usize] -= count;
            }
            if let Some(key) = batch.idempotency_key() {
                self.batch_keys.remove(&(batch.project, key.to_owned()));
            }
        }
    }

    fn forget_times(&mut self, id: BatchId, batch: &Batch) {
        if let Some(at) = batch.gate().and_then(|gate| gate.start_at) {
            self.starts.remove(&(at, id));
        }
        if let Some(at) = batch.expires_at() {
            self.expiries.remove(&(at, id));
        }
        if let Some(at) = batch.deadline() {
            self.deadlines.remove(&(at, id));
        }
        let pending = batch.gate().map(|gate| gate.pending.clone()).unwrap_or_default();
        pending.into_keys().for_each(|on| self.forget_dependency(id, on));
    }

    fn forget_jobs(&mut self, run: JobRun, project: ProjectId) {
        let here: Vec<JobId> = self.jobs_in(run).map(|(id, _)| id).collect();
        for id in here {
            self.jobs.remove(id.0);
        }
        self.drop_ranges(run);
        let keyed: Vec<JobId> =
            self.keyed_jobs.range(run.first..run.end()).map(|(id, _)| *id).collect();
        for id in keyed {
            let key = self.keyed_jobs.remove(&id).expect("found just now");
            self.job_keys.remove(&(project, key));
        }
    }
}

/// Whether an ending is the one that was waited for; nothing where it has not come.
pub(crate) fn is_met(ending: Ending, when: When) -> Option<bool> {
    match ending {
        Ending::NotYet => None,
        Ending::Unknown => Some(when == When::Finished),
        Ending::Succeeded => Some(when != When::Failed),
        Ending::Failed => Some(when != When::Succeeded),
    }
}
