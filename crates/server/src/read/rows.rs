//! Rows that move, in memory while a chunk of events is applied: a job that is leased and done
//! within one chunk is written once, and counts are added up before they are stored.

mod batch;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use gristmill_model::job::JobState;
use gristmill_model::{AttemptId, BatchId, JobId, ProjectId, Time, WorkerId};
use rusqlite::{Connection, Result, params};

use super::column;
use batch::BatchRow;
pub(super) use batch::Opened;

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
    /// The state that the table shows; nothing for a job that it does not have yet.
    stored: Option<JobState>,
}

/// An attempt's beginning.
#[derive(Debug)]
pub(super) struct Leased {
    pub job: JobId,
    pub stage: u16,
    pub number: u32,
    pub worker: WorkerId,
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
    pub at: Time,
}

/// All rows that a chunk has touched and not yet written, in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Rows {
    batches: BTreeMap<BatchId, BatchRow>,
    jobs: BTreeMap<JobId, JobRow>,
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
    pub fn add_job(&mut self, id: JobId, batch: BatchId, place: u64) {
        let row = JobRow {
            batch,
            place,
            state: JobState::Queued,
            stage: 0,
            attempts: 0,
            attempt: None,
            failure: None,
            started_at: None,
            finished_at: None,
            stored: None,
        };
        self.jobs.insert(id, row);
    }

    /// A job that is there.
    pub fn job(&mut self, tables: &Connection, id: JobId) -> Result<&mut JobRow> {
        match self.jobs.entry(id) {
            Entry::Occupied(row) => Ok(row.into_mut()),
            Entry::Vacant(free) => Ok(free.insert(load(tables, id)?)),
        }
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
        let mut counts: BTreeMap<(BatchId, &str), i64> = BTreeMap::new();
        for (id, row) in &self.jobs {
            store_job(tables, *id, row)?;
            if let Some(before) = row.stored {
                *counts.entry((row.batch, before.as_str())).or_default() -= 1;
            }
            *counts.entry((row.batch, row.state.as_str())).or_default() += 1;
        }
        for ((batch, state), change) in counts.into_iter().filter(|(_, change)| *change != 0) {
            tables
                .prepare_cached(
                    "INSERT INTO counts (batch, state, jobs) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs",
                )?
                .execute(params![batch.0.cast_signed(), state, change])?;
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
        for (batch, at) in self.settled {
            tables
                .prepare_cached("UPDATE batches SET settled_at = ?2 WHERE id = ?1")?
                .execute([batch.0, at.0].map(u64::cast_signed))?;
        }
        Ok(())
    }
}

fn load(tables: &Connection, id: JobId) -> Result<JobRow> {
    let mut select = tables.prepare_cached("SELECT * FROM jobs WHERE id = ?1")?;
    select.query_row([id.0.cast_signed()], |row| {
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
            stored: Some(state),
        })
    })
}

fn store_job(tables: &Connection, id: JobId, row: &JobRow) -> Result<usize> {
    let attempt = row.attempt.map(|id| id.0.cast_signed());
    let started = row.started_at.map(|at| at.0.cast_signed());
    let finished = row.finished_at.map(|at| at.0.cast_signed());
    let (id, state) = (id.0.cast_signed(), row.state.as_str());
    if row.stored.is_none() {
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
                 artifacts, warnings, failure, usage, ended_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
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
        ])
}

fn end_attempt(tables: &Connection, id: i64, ended: Option<&Ended>) -> Result<usize> {
    let Some(ended) = ended else { return Ok(0) };
    tables
        .prepare_cached(
            "UPDATE attempts SET state = ?2, output = ?3, artifacts = ?4, warnings = ?5,
                 failure = ?6, usage = ?7, ended_at = ?8
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
            ended.at.0.cast_signed()
        ])
}
