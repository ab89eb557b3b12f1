//! Jobs: where each stands, and who waits in which line.

use gristmill_model::job::JobState;
use gristmill_model::payload::Payload;
use gristmill_model::{AttemptId, BatchId, JobId, JobRun, PipelineId, ProjectId, Time, WorkerId};

use super::{History, ORDER, Verdict, Violation, require};

/// A job as the log tells of it.
#[derive(Debug)]
pub(in crate::judge) struct Job {
    pub(in crate::judge) first_input: Payload,
    /// Apart from its batch's gate.
    pub(in crate::judge) state: JobState,
    pub(in crate::judge) cancels: u32,
    pub(in crate::judge) retries: u32,
    pub(in crate::judge) holds: u32,
    pub(in crate::judge) pruned: bool,
    pub(super) batch: BatchId,
    pub(super) rank: i64,
    pub(super) shared_disk: bool,
    pub(super) input: Payload,
    pub(super) stage: u16,
    pub(super) number: u32,
    pub(super) failures: u32,
    pub(super) shortages: u32,
    pub(super) deaths: Vec<(WorkerId, AttemptId)>,
    pub(super) retry_at: Time,
    pub(super) live: Option<AttemptId>,
    /// Whether an attempt of it was ever leased.
    pub(super) begun: bool,
    pub(super) expiring: bool,
    /// Put back by hand after its batch's time had passed: it may run all the same.
    pub(super) pardoned: bool,
    /// Whether it stands in the queue.
    lined_up: bool,
    /// Since when, where it does.
    pub(super) lined_up_at: Time,
}

/// An attempt as the log tells of it.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) job: JobId,
    pub(super) stage: u16,
    pub(super) worker: WorkerId,
    pub(super) alternative: u8,
}

/// What jobs of one line have in common: project, pipeline, stage, disk, limit key.
pub(super) type Class = (ProjectId, PipelineId, u16, bool, Option<String>);

impl Job {
    pub(super) fn new(batch: BatchId, rank: i64, input: Payload, shared_disk: bool) -> Job {
        Job {
            first_input: input.clone(),
            state: JobState::Scheduled,
            cancels: 0,
            retries: 0,
            holds: 0,
            pruned: false,
            batch,
            rank,
            shared_disk,
            input,
            stage: 0,
            number: 0,
            failures: 0,
            shortages: 0,
            deaths: Vec::new(),
            retry_at: Time::default(),
            live: None,
            begun: false,
            expiring: false,
            pardoned: false,
            lined_up: false,
            lined_up_at: Time::default(),
        }
    }
}

impl History {
    /// Where a job stands now, and with it whether it waits and whether it is done.
    pub(super) fn move_to(&mut self, id: JobId, to: JobState) -> Verdict {
        let job = self.job_mut(id)?;
        let was_final = job.state.is_final();
        job.state = to;
        let batch = job.batch;
        self.line_up(id);
        match to.is_final() {
            true => self.unfinished.remove(&id),
            false => self.unfinished.insert(id),
        };
        if was_final != to.is_final() {
            self.note_end(batch);
        }
        Ok(())
    }

    /// Lets a job stand in the queue if that is where it belongs, and nowhere else.
    pub(super) fn line_up(&mut self, id: JobId) {
        let job = &self.jobs[&id];
        let belongs = job.state == JobState::Queued && self.batches[&job.batch].gate_is_open();
        if belongs == job.lined_up {
            return;
        }
        let (class, place) = (self.class(id), (job.rank, id));
        if belongs {
            self.project_queued(class.0);
            self.queue.entry(class).or_default().insert(place);
        } else {
            self.project_dequeued(class.0);
            let line = self.queue.get_mut(&class).expect("who stands in line has a line");
            line.remove(&place);
            if line.is_empty() {
                self.queue.remove(&class);
            }
        }
        let now = self.at;
        let job = self.jobs.get_mut(&id).expect("found just now");
        (job.lined_up, job.lined_up_at) = (belongs, now);
    }

    pub(super) fn class(&self, id: JobId) -> Class {
        let job = &self.jobs[&id];
        let batch = &self.batches[&job.batch];
        let key = batch.terms.limit_key.clone();
        (batch.project, batch.pipeline, job.stage, job.shared_disk, key)
    }

    pub(super) fn end_pause(&mut self, id: JobId) -> Verdict {
        let (now, hurried) = (self.at, self.hurried.contains(&id));
        let job = self.job_mut(id)?;
        let paused = job.state == JobState::Retrying && (hurried || now >= job.retry_at);
        require(paused, ORDER, || format!("{id} ends its pause while {}", job.state))?;
        self.move_to(id, JobState::Queued)
    }

    pub(super) fn stop(&mut self, jobs: &[JobId], expiring: bool) -> Verdict {
        for id in jobs {
            let job = self.job_mut(*id)?;
            let runs = job.state == JobState::Running;
            require(runs, ORDER, || format!("{id} is asked to stop while {}", job.state))?;
            job.cancels += 1;
            job.expiring = expiring;
            self.move_to(*id, JobState::Cancelling)?;
        }
        Ok(())
    }

    pub(super) fn move_all(&mut self, runs: &[JobRun], from: &[JobState], to: JobState) -> Verdict {
        for id in runs.iter().flat_map(|run| run.jobs()) {
            let batch = self.job_mut(id)?.batch;
            let late = self.batches[&batch].deadline_reached || self.batches[&batch].expiry_reached;
            let job = self.job_mut(id)?;
            let may = from.contains(&job.state) && !job.pruned;
            require(may, ORDER, || format!("{id} becomes {to} while {}", job.state))?;
            match (job.state.is_final(), to) {
                (true, _) => {
                    (job.failures, job.expiring, job.pardoned) = (0, false, late);
                    job.shortages = 0;
                    job.deaths.clear();
                    job.retries += 1;
                }
                (_, JobState::Cancelled) => job.cancels += 1,
                (_, JobState::Blocked) => job.holds += 1,
                _ => {}
            }
            self.move_to(id, to)?;
        }
        Ok(())
    }

    /// Jobs that wait for nothing but a worker and their turn, as far as the log tells.
    pub(in crate::judge) fn is_free(&self, id: JobId, now: Time) -> Option<bool> {
        let job = self.jobs.get(&id).filter(|job| job.state == JobState::Queued)?;
        let class = self.class(id);
        Some(self.batches[&job.batch].gate_is_open() && self.barred(&class, now).is_none())
    }

    pub(super) fn known(&self, id: JobId) -> Result<&Job, Violation> {
        self.jobs.get(&id).ok_or_else(|| Violation::new(ORDER, format!("{id} is not known")))
    }
}
