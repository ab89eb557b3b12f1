//! Rows that move, in memory while a chunk of events is applied: a job that is leased and done
//! within one chunk is written once, and counts are added up before they are stored.

mod batch;
mod folds;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::job::JobState;
use gristmill_model::source::Source;
use gristmill_model::{AttemptId, BatchId, JobId, JobRun, ProjectId, Time, WorkerId};
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::column;
use batch::BatchRow;
pub(super) use batch::{Moving, Opened};
use folds::Folds;

/// A job's moving part.
#[derive(Debug)]
pub(super) struct JobRow {
    pub batch: BatchId,
    pub place: u64,
    pub state: JobState,
    pub stage: u16,
    pub attempts: u32,
    pub attempt: Option<AttemptId>,
    pub failure: Option<String>,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    /// The state under which the tables count it; nothing for a job that is new.
    counted: Option<JobState>,
    /// Whether the table has it.
    stored: bool,
}

impl JobRow {
    fn new(batch: BatchId, place: u64) -> JobRow {
        JobRow {
            batch,
            place,
            state: JobState::Queued,
            stage: 0,
            attempts: 0,
            attempt: None,
            failure: None,
            started_at: None,
            finished_at: None,
            counted: None,
            stored: false,
        }
    }
}

/// An attempt's beginning.
#[derive(Debug)]
pub(super) struct Leased {
    pub job: JobId,
    pub stage: u16,
    pub number: u32,
    pub worker: WorkerId,
    pub alternative: u8,
    pub at: Time,
}

/// An attempt's end.
#[derive(Debug)]
pub(super) struct Ended {
    pub state: &'static str,
    pub output: Option<String>,
    pub artifacts: Option<String>,
    pub warnings: Option<String>,
    pub failure: Option<String>,
    pub usage: String,
    pub devices: Option<String>,
    pub at: Time,
}

/// All rows that a chunk has touched and not yet written, in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Rows {
    batches: BTreeMap<BatchId, BatchRow>,
    jobs: BTreeMap<JobId, JobRow>,
    folds: Folds,
    /// How the counts change by what happened to folds.
    counts: BTreeMap<(BatchId, JobState), i64>,
    attempts: BTreeMap<AttemptId, (Option<Leased>, Option<Ended>)>,
    /// Attempts that succeeded and that did not, beyond those that the table counts.
    workers: BTreeMap<WorkerId, (u64, u64)>,
    /// When a job of the batch last became final.
    settled: BTreeMap<BatchId, Time>,
}

impl Rows {
    /// A batch that is new.
    pub fn open_batch(&mut self, id: BatchId, project: ProjectId, priority: i32, opened: Opened) {
        self.batches.insert(id, BatchRow::new(project, priority, opened));
    }

    /// A batch that is there.
    pub fn batch(&mut self, tables: &Connection, id: BatchId) -> Result<&mut BatchRow> {
        match self.batches.entry(id) {
            Entry::Occupied(row) => Ok(row.into_mut()),
            Entry::Vacant(free) => Ok(free.insert(BatchRow::load(tables, id)?)),
        }
    }

    /// A job that is new.
    pub fn add_job(&mut self, id: JobId, batch: BatchId, place: u64) -> &mut JobRow {
        self.jobs.entry(id).insert_entry(JobRow::new(batch, place)).into_mut()
    }

    /// Where in its batch a job is, whose batch is known with its runs.
    pub fn place_of(&mut self, tables: &Connection, batch: BatchId, id: JobId) -> Result<u64> {
        match self.batch(tables, batch)?.place_of(id) {
            Some(place) => Ok(place),
            None => batch::stored_place(tables, batch, id),
        }
    }

    /// Jobs that have no rows and are counted all the same.
    pub fn count(&mut self, batch: BatchId, state: JobState, jobs: u64) {
        *self.counts.entry((batch, state)).or_default() += jobs.cast_signed();
    }

    /// When a job of the batch last became final.
    pub fn settled(&mut self, batch: BatchId, at: Time) {
        self.settled.insert(batch, at);
    }

    /// What is left of a range.
    pub fn restore_range(
        &mut self,
        tables: &Connection,
        first: JobId,
        told: (BatchId, u64, i32),
        (source, at): (&Source, Time),
        folds: &[(JobRun, JobState, Time)],
    ) -> Result<()> {
        self.folds.restore(tables, first, told, (source, at), folds)?;
        folds.iter().for_each(|(run, state, _)| self.count(told.0, *state, run.count));
        Ok(())
    }

    /// A range that is new.
    pub fn add_range(
        &mut self,
        tables: &Connection,
        batch: BatchId,
        run: JobRun,
        source: &Source,
        at: Time,
    ) -> Result<()> {
        let row = self.batch(tables, batch)?;
        let told = (batch, row.add_jobs(run.first, run.count), row.priority);
        self.folds.add(tables, run, told, source, at)?;
        *self.counts.entry((batch, JobState::Queued)).or_default() += run.count.cast_signed();
        Ok(())
    }

    /// A job that is there; one that was folded is so no more.
    pub fn job(&mut self, tables: &Connection, id: JobId) -> Result<&mut JobRow> {
        match self.jobs.entry(id) {
            Entry::Occupied(row) => Ok(row.into_mut()),
            Entry::Vacant(free) => {
                let row = match load(tables, id)? {
                    Some(row) => Some(row),
                    None => self.folds.unfold(tables, id)?,
                };
                Ok(free.insert(row.ok_or(rusqlite::Error::QueryReturnedNoRows)?))
            }
        }
    }

    /// Moves jobs to another state, folded ones as they are.
    pub fn move_runs(
        &mut self,
        tables: &Connection,
        runs: &[JobRun],
        state: JobState,
        at: Time,
    ) -> Result<()> {
        for run in runs {
            let mut alone = run.count;
            for (part, fold) in self.folds.among(tables, *run)? {
                self.folds.move_to(part, state, at);
                *self.counts.entry((fold.batch, fold.state)).or_default() -=
                    part.count.cast_signed();
                *self.counts.entry((fold.batch, state)).or_default() += part.count.cast_signed();
                if state.is_final() {
                    self.settled.insert(fold.batch, at);
                }
                alone -= part.count;
            }
            if alone > 0 {
                for id in self.alone(tables, *run)? {
                    self.move_to(tables, id, state, at)?;
                }
            }
        }
        Ok(())
    }

    /// The jobs among these that have rows.
    fn alone(&self, tables: &Connection, run: JobRun) -> Result<BTreeSet<JobId>> {
        let mut ids: BTreeSet<JobId> =
            self.jobs.range(run.first..run.end()).map(|(id, _)| *id).collect();
        let mut select = tables.prepare_cached("SELECT id FROM jobs WHERE id >= ?1 AND id < ?2")?;
        let bounds = [run.first.0, run.end().0].map(u64::cast_signed);
        for id in select.query_map(bounds, |row| column::number(row, "id"))? {
            ids.insert(JobId(id?));
        }
        Ok(ids)
    }

    /// Moves a job to another state.
    pub fn move_to(
        &mut self,
        tables: &Connection,
        id: JobId,
        state: JobState,
        at: Time,
    ) -> Result<()> {
        let row = self.job(tables, id)?;
        row.state = state;
        row.finished_at = state.is_final().then_some(at);
        if state.is_final() {
            let batch = row.batch;
            self.settled.insert(batch, at);
        }
        Ok(())
    }

    pub fn lease(&mut self, id: AttemptId, leased: Leased) {
        self.attempts.entry(id).or_default().0 = Some(leased);
    }

    pub fn end(&mut self, id: AttemptId, worker: WorkerId, succeeded: bool, ended: Ended) {
        self.attempts.entry(id).or_default().1 = Some(ended);
        let (good, bad) = self.workers.entry(worker).or_default();
        *(if succeeded { good } else { bad }) += 1;
    }

    /// Writes all rows.
    pub fn store(mut self, tables: &Connection) -> Result<()> {
        for (id, row) in &self.batches {
            row.store(tables, *id, self.settled.get(id).copied())?;
            self.settled.remove(id);
        }
        let mut counts = std::mem::take(&mut self.counts);
        for (id, row) in &self.jobs {
            store_job(tables, *id, row)?;
            if let Some(before) = row.counted {
                *counts.entry((row.batch, before)).or_default() -= 1;
            }
            *counts.entry((row.batch, row.state)).or_default() += 1;
        }
        self.folds.store(tables)?;
        for ((batch, state), change) in counts.into_iter().filter(|(_, change)| *change != 0) {
            tables
                .prepare_cached(
                    "INSERT INTO counts (batch, state, jobs) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs",
                )?
                .execute(params![batch.0.cast_signed(), state.as_str(), change])?;
        }
        for (id, (leased, ended)) in &self.attempts {
            store_attempt(tables, *id, leased.as_ref(), ended.as_ref())?;
        }
        for (worker, (succeeded, failed)) in self.workers {
            tables
                .prepare_cached(
                    "UPDATE workers SET succeeded = succeeded + ?2, failed = failed + ?3
                     WHERE id = ?1",
                )?
                .execute([worker.0, succeeded, failed].map(u64::cast_signed))?;
        }
        self.settled.into_iter().try_for_each(|(batch, at)| settle_batch(tables, batch, at))
    }
}

/// Notes when a job of a batch last became final.
fn settle_batch(tables: &Connection, batch: BatchId, at: Time) -> Result<()> {
    tables
        .prepare_cached("UPDATE batches SET settled_at = ?2 WHERE id = ?1")?
        .execute([batch.0, at.0].map(u64::cast_signed))?;
    Ok(())
}

fn load(tables: &Connection, id: JobId) -> Result<Option<JobRow>> {
    let mut select = tables.prepare_cached("SELECT * FROM jobs WHERE id = ?1")?;
    let found = select.query_row([id.0.cast_signed()], |row| {
        let state = column::word(row, "state")?;
        Ok(JobRow {
            batch: BatchId(column::number(row, "batch")?),
            place: column::number(row, "place")?,
            state,
            stage: row.get("stage")?,
            attempts: row.get("attempts")?,
            attempt: row.get::<_, Option<i64>>("attempt")?.map(|id| AttemptId(id.cast_unsigned())),
            failure: row.get("failure")?,
            started_at: column::time(row, "started_at")?,
            finished_at: column::time(row, "finished_at")?,
            counted: Some(state),
            stored: true,
        })
    });
    found.optional()
}

fn store_job(tables: &Connection, id: JobId, row: &JobRow) -> Result<usize> {
    let attempt = row.attempt.map(|id| id.0.cast_signed());
    let started = row.started_at.map(|at| at.0.cast_signed());
    let finished = row.finished_at.map(|at| at.0.cast_signed());
    let (id, state) = (id.0.cast_signed(), row.state.as_str());
    if !row.stored {
        let (batch, place) = (row.batch.0.cast_signed(), row.place.cast_signed());
        return tables
            .prepare_cached("INSERT INTO jobs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
            .execute(params![
                id,
                batch,
                place,
                state,
                row.stage,
                row.attempts,
                attempt,
                row.failure,
                started,
                finished
            ]);
    }
    tables
        .prepare_cached(
            "UPDATE jobs SET state = ?2, stage = ?3, attempts = ?4, attempt = ?5, failure = ?6,
                 started_at = ?7, finished_at = ?8
             WHERE id = ?1",
        )?
        .execute(params![
            id,
            state,
            row.stage,
            row.attempts,
            attempt,
            row.failure,
            started,
            finished
        ])
}

fn store_attempt(
    tables: &Connection,
    id: AttemptId,
    leased: Option<&Leased>,
    ended: Option<&Ended>,
) -> Result<usize> {
    let id = id.0.cast_signed();
    let Some(leased) = leased else { return end_attempt(tables, id, ended) };
    tables
        .prepare_cached(
            "INSERT INTO attempts (id, job, stage, number, worker, leased_at, state, output,
                 artifacts, warnings, failure, usage, ended_at, alternative, devices)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            id,
            leased.job.0.cast_signed(),
            leased.stage,
            leased.number,
            leased.worker.0.cast_signed(),
            leased.at.0.cast_signed(),
            ended.map_or("running", |ended| ended.state),
            ended.and_then(|ended| ended.output.as_deref()),
            ended.and_then(|ended| ended.artifacts.as_deref()),
            ended.and_then(|ended| ended.warnings.as_deref()),
            ended.and_then(|ended| ended.failure.as_deref()),
            ended.map(|ended| ended.usage.as_str()),
            ended.map(|ended| ended.at.0.cast_signed()),
            leased.alternative,
            ended.and_then(|ended| ended.devices.as_deref()),
        ])
}

fn end_attempt(tables: &Connection, id: i64, ended: Option<&Ended>) -> Result<usize> {
    let Some(ended) = ended else { return Ok(0) };
    tables
        .prepare_cached(
            "UPDATE attempts SET state = ?2, output = ?3, artifacts = ?4, warnings = ?5,
                 failure = ?6, usage = ?7, ended_at = ?8, devices = ?9
             WHERE id = ?1",
        )?
        .execute(params![
            id,
            ended.state,
            ended.output,
            ended.artifacts,
            ended.warnings,
            ended.failure,
            ended.usage,
            ended.at.0.cast_signed(),
            ended.devices
        ])
}
