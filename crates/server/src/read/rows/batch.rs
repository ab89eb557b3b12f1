//! A batch's row while a chunk of events is applied, with the runs of ids that its jobs have: what
//! is opened, filled and closed within one chunk is written once.

use gristmill_model::{BatchId, JobId, PipelineId, ProjectId, Time};
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::column;

/// What is said of a batch when it is opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub pipeline: PipelineId,
    pub actor: String,
    pub name: Option<String>,
    pub labels: String,
    pub at: Time,
}

/// A batch.
#[derive(Debug)]
pub(crate) struct BatchRow {
    pub project: ProjectId,
    pub priority: i32,
    /// Of a batch that the table does not have yet.
    opened: Option<Opened>,
    /// The last run that the table has, and those after it.
    runs: Vec<Run>,
    closed: bool,
    /// When it was first closed without jobs.
    empty: Option<Time>,
}

/// Jobs of a batch that have consecutive ids.
#[derive(Debug)]
struct Run {
    place: u64,
    first: JobId,
    jobs: u64,
    /// How many of them the table shows; 0 for a run that it does not have.
    stored: u64,
}

impl BatchRow {
    pub(super) fn new(project: ProjectId, priority: i32, opened: Opened) -> BatchRow {
        let (opened, runs) = (Some(opened), Vec::new());
        BatchRow { project, priority, opened, runs, closed: false, empty: None }
    }

    pub(super) fn load(tables: &Connection, id: BatchId) -> Result<BatchRow> {
        let last = tables
            .prepare_cached("SELECT * FROM runs WHERE batch = ?1 ORDER BY place DESC LIMIT 1")?
            .query_row([id.0.cast_signed()], |row| {
                let jobs = column::number(row, "jobs")?;
                let (place, first) = (column::number(row, "place")?, column::number(row, "first")?);
                Ok(Run { place, first: JobId(first), jobs, stored: jobs })
            })
            .optional()?;
        let mut select =
            tables.prepare_cached("SELECT project, priority FROM batches WHERE id = ?1")?;
        select.query_row([id.0.cast_signed()], |row| {
            let (project, priority) = (column::number(row, "project")?, row.get("priority")?);
            let (project, runs) = (ProjectId(project), last.into_iter().collect());
            Ok(BatchRow { project, priority, opened: None, runs, closed: false, empty: None })
        })
    }

    /// Adds jobs; returns the place of the first.
    pub(crate) fn add_jobs(&mut self, first: JobId, jobs: u64) -> u64 {
        match self.runs.last_mut() {
            Some(run) if run.first.0 + run.jobs == first.0 => {
                run.jobs += jobs;
                run.place + run.jobs - jobs
            }
            last => {
                let place = last.map_or(0, |run| run.place + run.jobs);
                if jobs > 0 {
                    self.runs.push(Run { place, first, jobs, stored: 0 });
                }
                place
            }
        }
    }

    /// No more jobs will be added. Without jobs, the batch is settled now.
    pub(crate) fn close(&mut self, at: Time) {
        self.closed = true;
        if self.runs.is_empty() {
            self.empty.get_or_insert(at);
        }
    }

    /// Writes the row. `settled` is when a job of the batch last became final within the chunk.
    pub(super) fn store(
        &self,
        tables: &Connection,
        id: BatchId,
        settled: Option<Time>,
    ) -> Result<()> {
        let key = id.0.cast_signed();
        let [settled, empty] = [settled, self.empty].map(|at| at.map(|at| at.0.cast_signed()));
        if let Some(opened) = &self.opened {
            tables
                .prepare_cached(
                    "INSERT INTO batches VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?
                .execute(params![
                    key,
                    self.project.0.cast_signed(),
                    opened.pipeline.0.cast_signed(),
                    opened.actor,
                    opened.name,
                    self.priority,
                    opened.labels,
                    !self.closed,
                    opened.at.0.cast_signed(),
                    settled.or(empty)
                ])?;
        } else if self.closed || settled.is_some() {
            tables
                .prepare_cached(
                    "UPDATE batches SET open = open AND NOT ?2,
                         settled_at = coalesce(?3, settled_at, ?4)
                     WHERE id = ?1",
                )?
                .execute(params![key, self.closed, settled, empty])?;
        }
        self.store_runs(tables, key)
    }

    fn store_runs(&self, tables: &Connection, key: i64) -> Result<()> {
        for run in self.runs.iter().filter(|run| run.jobs > run.stored) {
            let (place, jobs) = (run.place.cast_signed(), run.jobs.cast_signed());
            if run.stored > 0 {
                tables
                    .prepare_cached("UPDATE runs SET jobs = ?3 WHERE batch = ?1 AND place = ?2")?
                    .execute([key, place, jobs])?;
            } else {
                tables.prepare_cached("INSERT INTO runs VALUES (?1, ?2, ?3, ?4)")?.execute([
                    key,
                    place,
                    run.first.0.cast_signed(),
                    jobs,
                ])?;
            }
        }
        Ok(())
    }
}
