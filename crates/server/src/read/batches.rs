//! Batches, and how many of their jobs stand where.

use std::collections::BTreeMap;

use gristmill_model::api::{self, Page, Unmet};
use gristmill_model::job::JobState;
use gristmill_model::terms::Target;
use gristmill_model::{BatchId, Time, limits};
use rusqlite::{OptionalExtension, Result, Row};

use super::column::{json, number, some_json, some_time, time, word};
use super::shown::{self, BatchOpening, BatchStanding};
use super::{ReadError, Tables, page};

const SELECT: &str = "SELECT b.*, p.name AS pipeline_name FROM batches b
    CROSS JOIN pipelines p ON p.id = b.pipeline";

/// Whom to call about a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallDue {
    /// The URL.
    pub url: String,
    /// When the end was announced that is to be told.
    pub announced_at: Time,
}

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
            "SELECT CASE c.key WHEN 'queued' THEN b.waits ELSE c.key END AS state,
                 sum(c.value) AS jobs
             FROM batches b, json_each(b.counts) c GROUP BY 1",
        )?;
        let count = |row: &Row<'_>| Ok((word(row, "state")?, number(row, "jobs")?));
        Ok(select.query_map([], count)?.collect::<Result<_>>()?)
    }

    fn batch_of(&self, row: &Row<'_>) -> Result<api::Batch> {
        let id = BatchId(number(row, "id")?);
        let opening = BatchOpening {
            id,
            project: row.get("project_name")?,
            pipeline: row.get("pipeline_name")?,
            actor: row.get("actor")?,
            name: row.get("name")?,
            priority: row.get("priority")?,
            labels: some_json(row, "labels")?,
            terms: json(row, "terms")?.unwrap_or_default(),
            created_at: some_time(row, "created_at")?,
        };
        let standing = BatchStanding {
            open: row.get("open")?,
            counts: some_json(row, "counts")?,
            waits_as: word(row, "waits")?,
            held: row.get("held")?,
            start_at: time(row, "start_at")?,
            pending: json(row, "pending")?.unwrap_or_default(),
            finished_at: time(row, "finished_at")?,
            unmet: self.unmet(id)?,
            called: called_of(row)?,
        };
        Ok(shown::batch(opening, standing))
    }

    /// What a batch waited for and what ended otherwise, in the order in which it did.
    fn unmet(&self, batch: BatchId) -> Result<Vec<Unmet>> {
        let mut select = self
            .connection
            .prepare_cached("SELECT * FROM unmet WHERE batch = ?1 ORDER BY at, target")?;
        let unmet = |row: &Row<'_>| {
            let (on, when) = (word(row, "target")?, word(row, "wanted")?);
            Ok(Unmet { on, when, at: some_time(row, "at")? })
        };
        select.query_map([batch.0.cast_signed()], unmet)?.collect()
    }

    /// How the jobs stand that something waited for, with how many.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn standing_of(&self, on: Target) -> Result<BTreeMap<JobState, u64>, ReadError> {
        Ok(match on {
            Target::Batch(id) => self.batch(id)?.map(|batch| batch.counts).unwrap_or_default(),
            Target::Job(id) => self.job(id)?.into_iter().map(|job| (job.state, 1)).collect(),
        })
    }

    /// Whom to call about a batch whose end was announced; nothing where nobody is to be called.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn call_due(&self, id: BatchId) -> Result<Option<CallDue>, ReadError> {
        let mut select = self.connection.prepare_cached(
            "SELECT terms ->> '$.callback' AS url, announced_at FROM batches
             WHERE id = ?1 AND announced_at IS NOT NULL AND url IS NOT NULL",
        )?;
        let due = |row: &Row<'_>| {
            Ok(CallDue { url: row.get("url")?, announced_at: some_time(row, "announced_at")? })
        };
        Ok(select.query_row([id.0.cast_signed()], due).optional()?)
    }

    /// Batches whose end was announced and of which nobody was told yet, from the oldest on: those
    /// after `after`.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn to_call(&self, after: BatchId, limit: usize) -> Result<Vec<BatchId>, ReadError> {
        let mut select = self.connection.prepare_cached(
            "SELECT id FROM batches WHERE announced_at IS NOT NULL AND delivered IS NULL
             AND NOT forgotten AND id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let bounds = (after.0.cast_signed(), limit as i64);
        Ok(select
            .query_map(bounds, |row| number(row, "id").map(BatchId))?
            .collect::<Result<_>>()?)
    }
}

fn called_of(row: &Row<'_>) -> Result<Option<api::Called>> {
    let (delivered, detail): (Option<bool>, Option<String>) =
        (row.get("delivered")?, row.get("call_detail")?);
    let called = delivered.zip(detail).zip(time(row, "called_at")?);
    Ok(called.map(|((delivered, detail), at)| api::Called { delivered, detail, at }))
}
