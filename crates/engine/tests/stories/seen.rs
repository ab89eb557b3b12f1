//! What somebody sees who hears of nothing but changes: the simplest sink there is. Held against
//! the engine after every step of every story, so what tables and feed are told is what is so.

use std::collections::BTreeMap;

use gristmill_engine::Engine;
use gristmill_engine::change::{Attempt, Batch, Change, Made, Worker};
use gristmill_model::job::JobState;
use gristmill_model::{AttemptId, BatchId, JobId, WorkerId};

/// So many jobs of a batch are looked at.
const FEW: u64 = 2_000;

#[derive(Debug, Default)]
pub struct Seen {
    jobs: BTreeMap<JobId, JobState>,
    runs: Vec<(JobId, u64, JobState)>,
    batches: BTreeMap<BatchId, Batch>,
    attempts: BTreeMap<AttemptId, Attempt>,
    workers: BTreeMap<WorkerId, Worker>,
}

impl Seen {
    /// What the changes tell that an engine has made.
    pub fn of(engine: &mut Engine) -> Seen {
        let mut seen = Seen::default();
        engine.take_changes().into_iter().for_each(|made| seen.take(made));
        seen
    }

    fn take(&mut self, made: Made) {
        match made.change {
            Change::Job(job) => {
                self.jobs.insert(job.id, job.state);
            }
            Change::Run(run) => {
                let ids: Vec<JobId> =
                    self.jobs.range(run.jobs.first..run.jobs.end()).map(|(id, _)| *id).collect();
                for id in ids {
                    self.jobs.insert(id, run.state);
                }
                self.runs.push((run.jobs.first, run.jobs.count, run.state));
            }
            Change::Batch(batch) => {
                self.batches.insert(batch.id, *batch);
            }
            Change::Attempt(attempt) => {
                self.attempts.insert(attempt.id, attempt);
            }
            Change::Worker(worker) => {
                self.workers.insert(worker.id, *worker);
            }
            Change::Forgotten(batch) => {
                self.batches.remove(&batch);
            }
            Change::Pipeline(_)
            | Change::Opened(_)
            | Change::Accepted(_)
            | Change::Unmet { .. }
            | Change::Announced { .. }
            | Change::Called { .. } => {}
        }
    }

    fn job(&self, id: JobId, batch: &Batch) -> Option<JobState> {
        let of_run = || {
            let runs = self.runs.iter().rev();
            let mut runs =
                runs.filter(|(first, count, _)| (first.0..first.0 + count).contains(&id.0));
            runs.next().map(|(.., state)| *state)
        };
        let state = self.jobs.get(&id).copied().or_else(of_run)?;
        Some(if state == JobState::Queued { batch.waits_as } else { state })
    }

    /// Asserts that this is what is so. What succeeded before a snapshot was made is told by its
    /// number only.
    pub fn agrees_with(&self, engine: &Engine, from_snapshot: bool) {
        let state = engine.state();
        assert!(
            self.batches.keys().eq(state.batches().map(|(id, _)| id).collect::<Vec<_>>().iter())
        );
        for (id, batch) in state.batches() {
            let seen = &self.batches[&id];
            assert_eq!((seen.open, seen.held), (batch.open, batch.is_held()), "{id}");
            assert_eq!(seen.finished_at.is_some(), batch.is_finished(), "{id}");
            let mut counts = BTreeMap::new();
            for (state, count) in JobState::ALL.into_iter().zip(seen.counts) {
                let shown = if state == JobState::Queued { seen.waits_as } else { state };
                *counts.entry(shown).or_insert(0) += count;
            }
            counts.retain(|_, count| *count > 0);
            assert_eq!(counts, batch.counts().collect(), "{id} counts its jobs");
            for job in batch.runs.iter().flat_map(|run| run.jobs().take(FEW as usize)) {
                let so = state.job_state(job);
                if from_snapshot && so == Some(JobState::Succeeded) {
                    continue;
                }
                assert_eq!(self.job(job, seen), so, "{job}");
            }
        }
        let running: Vec<AttemptId> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.end.is_none())
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(running, state.attempts().map(|(id, _)| id).collect::<Vec<_>>());
        let here = self.workers.iter().filter(|(_, worker)| worker.left_at.is_none());
        let here: Vec<_> = here.map(|(id, it)| (*id, it.draining, it.paused)).collect();
        let so: Vec<_> = state.workers().map(|(id, it)| (id, it.draining, it.paused)).collect();
        assert_eq!(here, so);
    }
}
