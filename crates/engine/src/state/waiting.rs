//! Jobs that wait, and whether they may begin. A batch's terms are its gate: while it is closed,
//! the batch's waiting jobs lie beside the queue, and opening it moves them there run by run, so
//! that a million jobs that wait for one thing cost one step when it comes.

use std::collections::BTreeMap;

use gristmill_model::job::JobState;
use gristmill_model::terms::{Target, When};
use gristmill_model::{BatchId, JobId, JobRun, Time};

use super::board::Need;
use super::lane::{Lane, Rank};
use super::{Class, Job, State};

/// What a batch waits for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Gate {
    /// A person holds it.
    pub(crate) held: bool,
    /// Its start time, until that has come.
    pub(crate) start_at: Option<Time>,
    /// What must have ended first, and how.
    pub(crate) pending: BTreeMap<Target, When>,
}

impl Gate {
    pub(crate) fn is_open(&self) -> bool {
        !self.held && self.start_at.is_none() && self.pending.is_empty()
    }

    /// How a waiting job behind this gate is called.
    pub(crate) fn shows(&self) -> JobState {
        if self.held || !self.pending.is_empty() {
            JobState::Blocked
        } else if self.start_at.is_some() {
            JobState::Scheduled
        } else {
            JobState::Queued
        }
    }
}

/// Jobs behind closed gates, as they would lie in the queue.
pub(super) type Gated = BTreeMap<BatchId, BTreeMap<Class, Lane>>;

impl State {
    /// How a job that is here stands, as people see it.
    #[must_use]
    pub fn shown(&self, job: &Job) -> JobState {
        match job.state {
            JobState::Queued => self.batches[&job.batch].gate_shows(),
            other => other,
        }
    }

    /// How a job stands, wherever it is; nothing where it was never accepted or was forgotten.
    #[must_use]
    pub fn job_state(&self, id: JobId) -> Option<JobState> {
        if let Some(job) = self.job(id) {
            return Some(self.shown(job));
        }
        if let Some((range, fold)) = self.fold(id) {
            return Some(match fold.state {
                JobState::Queued => self.batches[&range.batch].gate_shows(),
                other => other,
            });
        }
        self.owner(id).map(|_| JobState::Succeeded)
    }

    /// The class of folded jobs of a batch: they stand at the first stage and read no disk.
    pub(crate) fn class_of_fold(&self, batch: BatchId) -> Class {
        self.class_at(batch, 0, false)
    }

    pub(super) fn class_at(&self, batch: BatchId, stage: u16, shared_disk: bool) -> Class {
        let batch = &self.batches[&batch];
        Class {
            project: batch.project,
            pipeline: batch.pipeline,
            stage,
            shared_disk,
            limit_key: batch.limit_key().cloned(),
        }
    }

    pub(crate) fn need(&self, class: &Class) -> Need {
        (self.pipelines[&class.pipeline].needs[usize::from(class.stage)], class.shared_disk)
    }

    /// Jobs begin to wait: in the queue, or beside it while their gate is closed.
    pub(super) fn enqueue(
        &mut self,
        batch: BatchId,
        class: &Class,
        rank: Rank,
        run: JobRun,
        at: Time,
    ) {
        if self.batches[&batch].gate_is_open() {
            let need = self.need(class);
            self.queue.add(class, need, rank, run.first, run.count);
            self.project_queued(class.project, run.count, at);
        } else {
            let lanes = self.gated.entry(batch).or_default();
            lanes.entry(class.clone()).or_default().add(rank, run.first, run.count);
        }
    }

    /// Jobs wait no more.
    pub(super) fn dequeue(&mut self, batch: BatchId, class: &Class, rank: Rank, run: JobRun) {
        if self.batches[&batch].gate_is_open() {
            let need = self.need(class);
            self.queue.remove(class, need, rank, run.first, run.count);
            self.project_dequeued(class.project, run.count);
            return;
        }
        let lanes = self.gated.get_mut(&batch).expect("a waiting job lies behind its gate");
        let lane = lanes.get_mut(class).expect("a waiting job has its class");
        lane.remove(rank, run.first, run.count);
        if lane.is_empty() {
            lanes.remove(class);
        }
        if lanes.is_empty() {
            self.gated.remove(&batch);
        }
    }

    /// Changes a batch's gate; its waiting jobs move if that opens or closes it.
    pub(super) fn turn_gate(&mut self, id: BatchId, at: Time, change: impl FnOnce(&mut Gate)) {
        let batch = self.batch_mut(id);
        let mut gate = batch.gate().cloned().unwrap_or_default();
        let (was_open, shown) = (gate.is_open(), gate.shows());
        change(&mut gate);
        let (is_open, shows) = (gate.is_open(), gate.shows());
        let waiting = batch.stored_count(JobState::Queued);
        self.count_shown(shown, shows, waiting);
        self.touch_batch(id);
        match (was_open, is_open) {
            (true, false) => {
                self.shut(id);
                self.batch_mut(id).set_gate(gate);
            }
            (false, true) => {
                self.batch_mut(id).set_gate(gate);
                self.open_up(id, at);
            }
            _ => self.batch_mut(id).set_gate(gate),
        }
    }

    fn open_up(&mut self, id: BatchId, at: Time) {
        for (class, lane) in self.gated.remove(&id).unwrap_or_default() {
            for (rank, first, count) in lane.runs() {
                self.enqueue(id, &class, rank, JobRun { first, count }, at);
            }
        }
    }

    /// Takes a batch's waiting jobs out of the queue, class by class and run by run.
    fn shut(&mut self, id: BatchId) {
        let batch = &self.batches[&id];
        let (project, pipeline, runs) = (batch.project, batch.pipeline, batch.runs.clone());
        let limit_key = batch.limit_key().cloned();
        let from = Class { project, pipeline, stage: 0, shared_disk: false, limit_key };
        let classes = (0..self.pipelines[&pipeline].spec.stages.len())
            .flat_map(|stage| [false, true].map(|disk| (stage as u16, disk)))
            .map(|(stage, shared_disk)| Class { stage, shared_disk, ..from.clone() });
        let mut lanes = BTreeMap::new();
        for class in classes {
            let Some(lane) = self.queue.lane(&class) else { continue };
            let mut gated = Lane::default();
            let mine: Vec<(Rank, JobId, u64)> = parts(lane, &runs);
            for (rank, first, count) in mine {
                let need = self.need(&class);
                self.queue.remove(&class, need, rank, first, count);
                self.project_dequeued(project, count);
                gated.add(rank, first, count);
            }
            if !gated.is_empty() {
                lanes.insert(class, gated);
            }
        }
        if !lanes.is_empty() {
            self.gated.insert(id, lanes);
        }
    }

    /// Whether a job lies in the queue, or behind its batch's gate.
    pub(crate) fn waits(&self, id: JobId) -> bool {
        let (batch, class, rank) = match (self.job(id), self.fold(id)) {
            (Some(job), _) => (job.batch, self.class(job), job.rank),
            (None, Some((range, _))) => {
                (range.batch, self.class_of_fold(range.batch), range.rank())
            }
            (None, None) => return false,
        };
        let gated = self.gated.get(&batch).and_then(|lanes| lanes.get(&class));
        self.queue.holds(&class, rank, id) || gated.is_some_and(|lane| lane.holds(rank, id))
    }

    /// Since when a job that is not final stands where it does.
    ///
    /// # Panics
    /// When there is no such job.
    pub(crate) fn stands_since(&self, id: JobId) -> Time {
        match (self.job(id), self.fold(id)) {
            (Some(job), _) => job.since.now,
            (None, Some((_, fold))) => fold.since,
            (None, None) => panic!("{id} is here"),
        }
    }

    pub(crate) fn gated(&self) -> &Gated {
        &self.gated
    }
}

/// The parts of a lane that lie within runs of ids.
fn parts(lane: &Lane, runs: &[JobRun]) -> Vec<(Rank, JobId, u64)> {
    lane.runs()
        .flat_map(|(rank, first, count)| {
            runs.iter().filter_map(move |run| {
                let start = first.0.max(run.first.0);
                let end = (first.0 + count).min(run.end().0);
                (start < end).then(|| (rank, JobId(start), end - start))
            })
        })
        .collect()
}
