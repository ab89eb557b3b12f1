//! Parts of the state as it was, to rows: for tables that are made anew from a log that was
//! compacted. The parts tell what the engine must know, which is less than the tables knew: jobs
//! that had succeeded have no rows, only their number; of others what they had been through, who
//! had submitted them, and their labels are not told; and all times before are the base's.

use gristmill_model::job::JobState;
use gristmill_model::resources::WorkerShape;
use gristmill_model::restored::{BatchPart, JobPart, Part};
use gristmill_model::source::Source;
use gristmill_model::terms::{Dependency, Terms};
use gristmill_model::{AttemptId, BatchId, JobId, JobRun, Time, WorkerId};
use rusqlite::{Result, params};

use super::Chunk;
use crate::read::column::to_json;
use crate::read::rows::{Leased, Opened};

/// Who submitted a batch of which only a part is left.
const NOT_KNOWN: &str = "unknown";

impl Chunk<'_> {
    pub(super) fn restore(&mut self, part: &Part, at: Time) -> Result<()> {
        match part {
            Part::Batch(part) => self.restore_batch(part, at),
            Part::Range { first, batch, source, folds, .. } => {
                self.restore_range(*first, *batch, source, folds, at)
            }
            Part::Job(part) => self.restore_job(part, at),
            Part::JobKey { project, key, job } => {
                let (project, job) = (project.0.cast_signed(), job.0.cast_signed());
                self.tables
                    .prepare_cached("INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3)")?
                    .execute(params![key, project, job])?;
                self.tables
                    .prepare_cached("UPDATE specs SET key = ?2 WHERE job = ?1")?
                    .execute(params![job, key])?;
                Ok(())
            }
            Part::Worker { worker, name, shape, draining, paused, .. } => {
                self.restore_worker(*worker, name, shape, (*draining, *paused), at)
            }
            Part::Attempt { attempt, job, worker, number, alternative, leased_at, .. } => {
                let (job, worker, alternative) = (*job, *worker, *alternative);
                let (number, at) = (*number, *leased_at);
                let stage = self.rows.job(self.tables, job)?.stage;
                let leased = Leased { job, stage, number, worker, alternative, at };
                self.restore_attempt(*attempt, leased)
            }
            // These only the engine ever tells.
            Part::Project { .. } | Part::Bound { .. } | Part::Shares { .. } => Ok(()),
        }
    }

    fn restore_batch(&mut self, part: &BatchPart, at: Time) -> Result<()> {
        let waits_for = part.pending.iter().map(|(on, when)| Dependency { on: *on, when: *when });
        let terms = Terms {
            start_at: part.start_at,
            expires_at: part.expires_at.map(|(at, _)| at),
            deadline: part.deadline.map(|(at, _)| at),
            held: part.held,
            after: waits_for.collect(),
            limit_key: part.limit_key.clone(),
            callback: part.callback.clone(),
        };
        let opened = Opened {
            pipeline: part.pipeline,
            actor: NOT_KNOWN.to_owned(),
            name: part.name.clone(),
            labels: "{}".to_owned(),
            terms,
            at,
        };
        self.rows.open_batch(part.batch, part.project, part.priority, opened);
        let row = self.rows.batch(self.tables, part.batch)?;
        for run in &part.runs {
            row.add_jobs(run.first, run.count);
        }
        let moving = row.moving();
        moving.closed_at = (!part.open).then_some(part.finished_at.unwrap_or(at));
        // Whether the call was made nobody knows any more: rather twice than never.
        let announced = part.finished_at.filter(|_| part.callback.is_some() && !part.announce);
        moving.announced_at = announced;
        self.rows.count(part.batch, JobState::Succeeded, part.succeeded);
        if let Some(at) = part.finished_at {
            self.rows.settled(part.batch, at);
        }
        Ok(())
    }

    fn restore_range(
        &mut self,
        first: JobId,
        batch: BatchId,
        source: &Source,
        folds: &[(JobRun, JobState, Time)],
        at: Time,
    ) -> Result<()> {
        let place = self.rows.place_of(self.tables, batch, first)?;
        let priority = self.rows.batch(self.tables, batch)?.priority;
        self.rows.restore_range(self.tables, first, (batch, place, priority), (source, at), folds)
    }

    fn restore_job(&mut self, part: &JobPart, at: Time) -> Result<()> {
        let place = self.rows.place_of(self.tables, part.batch, part.job)?;
        let priority = self.rows.batch(self.tables, part.batch)?.priority;
        self.tables
            .prepare_cached("INSERT INTO specs VALUES (?1, ?2, NULL, NULL, ?3, ?4, ?5)")?
            .execute(params![
                part.job.0.cast_signed(),
                priority,
                to_json(&part.input)?,
                part.output,
                at.0.cast_signed()
            ])?;
        let row = self.rows.add_job(part.job, part.batch, place);
        row.state = part.state;
        row.stage = part.stage;
        row.attempts = part.attempts;
        row.finished_at = part.state.is_final().then_some(part.since);
        Ok(())
    }

    fn restore_worker(
        &mut self,
        worker: WorkerId,
        name: &str,
        shape: &WorkerShape,
        (draining, paused): (bool, bool),
        at: Time,
    ) -> Result<()> {
        self.tables
            .prepare_cached(
                "INSERT INTO workers
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, NULL, ?8, ?9)",
            )?
            .execute(params![
                worker.0.cast_signed(),
                name,
                if draining { "draining" } else { "ready" },
                to_json(&shape.handlers)?,
                to_json(&shape.capacity)?,
                shape.shared_disk,
                at.0.cast_signed(),
                to_json(&shape.labels)?,
                paused
            ])?;
        Ok(())
    }

    fn restore_attempt(&mut self, attempt: AttemptId, leased: Leased) -> Result<()> {
        let row = self.rows.job(self.tables, leased.job)?;
        row.attempt = Some(attempt);
        row.started_at = Some(leased.at);
        self.rows.lease(attempt, leased);
        Ok(())
    }
}
