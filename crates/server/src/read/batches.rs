//! Batches, and how many of their jobs stand where.

use std::collections::BTreeMap;

use gristmill_model::api::{self, Page};
use gristmill_model::job::JobState;
use gristmill_model::{BatchId, limits};
use rusqlite::{OptionalExtension, Result, Row};

use super::column::{number, some_json, some_time, time, word};
use super::{ReadError, Tables, page};

const SELECT: &str = "SELECT b.*, p.name AS pipeline_name FROM batches b
    CROSS JOIN pipelines p ON p.id = b.pipeline";

impl Tables<'_> {
    /// A batch by its id.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn batch(&self, id: BatchId) -> Result<Option<api::Batch>, ReadError> {
        let mut select = self.connection.prepare_cached(&format!("{SELECT} WHERE b.id = ?1"))?;
        Ok(select.query_row([id.0.cast_signed()], |row| self.batch_of(row)).optional()?)
    }

    /// A page of the batches, from the newest to the oldest: those before `after`.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn batches(
        &self,
        after: Option<BatchId>,
        limit: usize,
    ) -> Result<Page<api::Batch>, ReadError> {
        let limit = limit.min(limits::PAGE);
        let sql = format!("{SELECT} WHERE b.id < ?1 ORDER BY b.id DESC LIMIT ?2");
        let before = after.map_or(i64::MAX, |id| id.0.cast_signed());
        let items: Vec<api::Batch> = self
            .connection
            .prepare_cached(&sql)?
            .query_map([before, limit as i64 + 1], |row| self.batch_of(row))?
            .collect::<Result<_>>()?;
        Ok(page(items, limit))
    }

    /// How many jobs there are in each state, over all batches.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn totals(&self) -> Result<BTreeMap<JobState, u64>, ReadError> {
        let mut select = self.connection.prepare_cached(
            "SELECT state, sum(jobs) AS jobs FROM counts GROUP BY state HAVING sum(jobs) > 0",
        )?;
        Ok(select.query_map([], count_of)?.collect::<Result<_>>()?)
    }

    fn batch_of(&self, row: &Row<'_>) -> Result<api::Batch> {
        let id = BatchId(number(row, "id")?);
        let counts = self.counts(id)?;
        let open: bool = row.get("open")?;
        let finished = !open && counts.keys().all(|state| state.is_final());
        Ok(api::Batch {
            // Only the engine knows, while it has not forgotten the batch.
            project: None,
            terms: None,
            id,
            name: row.get("name")?,
            pipeline: row.get("pipeline_name")?,
            actor: row.get("actor")?,
            priority: row.get("priority")?,
            labels: some_json(row, "labels")?,
            open,
            finished,
            jobs: counts.values().sum(),
            counts,
            created_at: some_time(row, "created_at")?,
            // The moment stays in the table when a job is retried by hand; it is then no end.
            finished_at: if finished { time(row, "settled_at")? } else { None },
        })
    }

    fn counts(&self, batch: BatchId) -> Result<BTreeMap<JobState, u64>> {
        self.connection
            .prepare_cached("SELECT state, jobs FROM counts WHERE batch = ?1 AND jobs > 0")?
            .query_map([batch.0.cast_signed()], count_of)?
            .collect()
    }
}

fn count_of(row: &Row<'_>) -> Result<(JobState, u64)> {
    Ok((word(row, "state")?, number(row, "jobs")?))
}
