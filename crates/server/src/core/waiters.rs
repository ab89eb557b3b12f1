//! Those who wait for a job or a batch to be final: `?wait=`, `--wait`. They are woken by the round
//! that makes it so, and nobody polls.

use std::collections::BTreeMap;

use gristmill_engine::State;
use gristmill_engine::change::Change;

use gristmill_model::job::JobState;
use gristmill_model::{JobId, JobRun};

use super::inbox::{Goal, Question};

/// Those who went away are looked for when there are this many, and at every doubling.
const SWEEP: usize = 1_024;

/// Everybody who waits.
pub(super) struct Waiters {
    waiting: BTreeMap<Goal, Vec<Box<dyn Question>>>,
    count: usize,
    sweep_at: usize,
}

impl Waiters {
    pub(super) fn new() -> Waiters {
        Waiters { waiting: BTreeMap::new(), count: 0, sweep_at: SWEEP }
    }

    /// Lets somebody wait. Call it when the records of the round have been applied.
    pub(super) fn add(&mut self, goal: Goal, question: Box<dyn Question>) {
        self.waiting.entry(goal).or_default().push(question);
        self.count += 1;
        if self.count >= self.sweep_at {
            self.sweep();
        }
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Wakes those whose goal a change may have reached.
    pub(super) fn wake(&mut self, state: &State, change: &Change) {
        match change {
            Change::Job(job) if job.state.is_final() => self.settle(state, Goal::Job(job.id)),
            Change::Run(run) if run.state.is_final() => self.settle_run(state, run.jobs),
            Change::Batch(batch) if batch.finished_at.is_some() => {
                self.settle(state, Goal::Batch(batch.id));
            }
            // What is forgotten has ended before, and nobody waits for it in vain.
            Change::Forgotten(batch) => self.settle(state, Goal::Batch(*batch)),
            _ => {}
        }
    }

    /// Jobs may be many and those who wait are few: looks for them among the latter.
    fn settle_run(&mut self, state: &State, run: JobRun) {
        let waited: Vec<Goal> = self
            .waiting
            .keys()
            .filter(|goal| matches!(goal, Goal::Job(job) if run.contains(*job)))
            .copied()
            .collect();
        waited.into_iter().for_each(|goal| self.settle(state, goal));
    }

    /// Answers those who wait for a goal if it is reached.
    pub(super) fn settle(&mut self, state: &State, goal: Goal) {
        if !self.waiting.contains_key(&goal) || !is_reached(state, goal) {
            return;
        }
        for question in self.waiting.remove(&goal).into_iter().flatten() {
            self.count -= 1;
            question.put(state);
        }
    }

    /// Everybody, to be told something else.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Box<dyn Question>> + use<> {
        self.count = 0;
        std::mem::take(&mut self.waiting).into_values().flatten()
    }

    fn sweep(&mut self) {
        self.waiting.retain(|_, questions| {
            questions.retain(|question| !question.is_forgotten());
            !questions.is_empty()
        });
        self.count = self.waiting.values().map(Vec::len).sum();
        self.sweep_at = SWEEP.max(self.count * 2);
    }
}

/// What does not exist is not waited for: whoever asks then finds that out.
fn is_reached(state: &State, goal: Goal) -> bool {
    match goal {
        Goal::Job(job) => is_final(state, job),
        Goal::Batch(batch) => state.batch(batch).is_none_or(|batch| batch.is_finished()),
    }
}

/// A job that is folded stands in its range, and one that has succeeded or was forgotten nowhere.
fn is_final(state: &State, job: JobId) -> bool {
    state.job_state(job).is_none_or(JobState::is_final)
}
