//! Batches: what their jobs share, and how many of them stand where.

use gristmill_model::job::JobState;
use gristmill_model::{BatchId, JobId, PipelineId, ProjectId};

use super::State;

/// How many jobs stand in each state, in the order of `JobState::ALL`.
pub(super) type Counts = [u64; JobState::ALL.len()];

/// The jobs of one submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Whose work it is.
    pub project: ProjectId,
    /// What is done to its jobs.
    pub pipeline: PipelineId,
    /// A name for people.
    pub name: Option<Box<str>>,
    /// Priority of jobs that name none.
    pub priority: i32,
    /// Whether more jobs may be added.
    pub open: bool,
    /// Its jobs, as runs of ids: the first, and how many.
    pub runs: Vec<(JobId, u64)>,
    counts: Counts,
}

impl Batch {
    /// How many jobs there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many jobs are not final.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.counts().filter(|(state, _)| !state.is_final()).map(|(_, count)| count).sum()
    }

    /// Whether it is closed and every job is final.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !self.open && self.live() == 0
    }

    /// How many jobs stand in a state.
    #[must_use]
    pub fn count(&self, state: JobState) -> u64 {
        self.counts[state as usize]
    }

    /// States in which there are jobs, with how many.
    pub fn counts(&self) -> impl Iterator<Item = (JobState, u64)> + '_ {
        JobState::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0)
    }
}

impl State {
    pub(super) fn open_batch(
        &mut self,
        id: BatchId,
        project: ProjectId,
        pipeline: PipelineId,
        name: Option<&str>,
        key: Option<&(String, u64)>,
        priority: i32,
    ) {
        assert_eq!(id.0, self.next.batch, "batch ids come in order");
        self.next.batch += 1;
        if let Some((key, fingerprint)) = key {
            self.batch_keys.insert((project, key.clone()), (id, *fingerprint));
        }
        let name = name.map(Box::from);
        let batch = Batch {
            project,
            pipeline,
            name,
            priority,
            open: true,
            runs: Vec::new(),
            counts: [0; JobState::ALL.len()],
        };
        self.batches.insert(id, batch);
    }

    pub(super) fn close_batch(&mut self, id: BatchId) {
        self.batch_mut(id).open = false;
    }

    pub(super) fn batch_mut(&mut self, id: BatchId) -> &mut Batch {
        self.batches.get_mut(&id).expect("events name batches that exist")
    }

    /// Counts a job that is new.
    pub(super) fn count_in(&mut self, id: BatchId, state: JobState) {
        self.batch_mut(id).counts[state as usize] += 1;
        self.counts[state as usize] += 1;
    }

    /// Counts a job that went from one state to another.
    pub(super) fn count_move(&mut self, id: BatchId, from: JobState, to: JobState) {
        let moved = |counts: &mut Counts| {
            counts[from as usize] -= 1;
            counts[to as usize] += 1;
        };
        moved(&mut self.batch_mut(id).counts);
        moved(&mut self.counts);
    }
}
