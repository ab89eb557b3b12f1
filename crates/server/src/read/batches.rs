//! Batches, and how many of their jobs stand where.

use std::collections::BTreeMap;

use gristmill_model::api::{self, Page};
use gristmill_model::job::JobState;
use gristmill_model::terms::{Target, Terms};
use gristmill_model::{BatchId, ProjectId, Time, limits};
use rusqlite::{OptionalExtension, Result, Row};

use super::column::{json, number, some_json, some_time, time, word};
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
            "SELECT CASE c.state WHEN 'queued' THEN b.waits ELSE c.state END AS state,
                 sum(c.jobs) AS jobs
             FROM counts c CROSS JOIN batches b ON b.id = c.batch
             GROUP BY 1 HAVING sum(c.jobs) > 0",
        )?;
        Ok(select.query_map([], count_of)?.collect::<Result<_>>()?)
    }

    fn batch_of(&self, row: &Row<'_>) -> Result<api::Batch> {
        let id = BatchId(number(row, "id")?);
        let counts = self.counts(id, word(row, "waits")?)?;
        let closed = time(row, "closed_at")?;
        let open = closed.is_none();
        let finished = !open && counts.keys().all(|state| state.is_final());
        Ok(api::Batch {
            // Projects are the engine's, which overlays what it knows of the terms too.
            project: None,
            unmet: self.unmet(id)?,
            terms: terms_of(row)?,
            called: called_of(row)?,
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
            finished_at: if finished { closed.max(time(row, "settled_at")?) } else { None },
        })
    }

    /// Counts by the states that people see; what is stored as queued waits behind the gate.
    fn counts(&self, batch: BatchId, waits: JobState) -> Result<BTreeMap<JobState, u64>> {
        let mut select = self
            .connection
            .prepare_cached("SELECT state, jobs FROM counts WHERE batch = ?1 AND jobs > 0")?;
        let mut counts = BTreeMap::new();
        for count in select.query_map([batch.0.cast_signed()], count_of)? {
            let (state, jobs) = count?;
            let shown = if state == JobState::Queued { waits } else { state };
            *counts.entry(shown).or_default() += jobs;
        }
        Ok(counts)
    }

    /// Under what terms a batch runs, and what has become of them.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn standing(&self, id: BatchId) -> Result<Option<BatchStanding>, ReadError> {
        let mut select = self.connection.prepare_cached("SELECT * FROM batches WHERE id = ?1")?;
        Ok(select.query_row([id.0.cast_signed()], standing_of).optional()?)
    }

    /// Batches whose end was announced and of which nobody was told yet, from the oldest on: those
    /// after `after`.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn to_call(&self, after: BatchId, limit: usize) -> Result<Vec<BatchId>, ReadError> {
        let mut select = self.connection.prepare_cached(
            "SELECT id FROM batches WHERE announced_at IS NOT NULL AND delivered IS NULL
             AND NOT pruned AND id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let bounds = (after.0.cast_signed(), limit as i64);
        Ok(select
            .query_map(bounds, |row| number(row, "id").map(BatchId))?
            .collect::<Result<_>>()?)
    }
}

/// Under what terms a batch runs, and what has become of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchStanding {
    /// Whose work it is.
    pub project: ProjectId,
    /// The terms as they were submitted.
    pub terms: Terms,
    /// Whether a person holds it.
    pub held: bool,
    /// Its start time, while that has not come.
    pub start_at: Option<Time>,
    /// What must have ended first and has not.
    pub pending: Vec<Target>,
    /// When its end was announced to whoever asked to be called.
    pub announced_at: Option<Time>,
    /// What came of the call: whether it was delivered, in a few words, when.
    pub called: Option<api::Called>,
    /// Whether the engine has forgotten it, so that its jobs cannot be retried.
    pub pruned: bool,
}

/// The terms, where any are left: of what is waited for, what has not come.
fn terms_of(row: &Row<'_>) -> Result<Option<api::Terms>> {
    let BatchStanding { terms, held, start_at, pending, .. } = standing_of(row)?;
    let Terms { expires_at, deadline, after, limit_key, callback, .. } = terms;
    let after = after.into_iter().filter(|dependency| pending.contains(&dependency.on)).collect();
    let left = api::Terms { start_at, expires_at, deadline, held, after, limit_key, callback };
    Ok((left != api::Terms::default()).then_some(left))
}

fn standing_of(row: &Row<'_>) -> Result<BatchStanding> {
    Ok(BatchStanding {
        project: ProjectId(number(row, "project")?),
        terms: json(row, "terms")?.unwrap_or_default(),
        held: row.get("held")?,
        start_at: time(row, "start_at")?,
        pending: json(row, "pending")?.unwrap_or_default(),
        announced_at: time(row, "announced_at")?,
        called: called_of(row)?,
        pruned: row.get("pruned")?,
    })
}

fn called_of(row: &Row<'_>) -> Result<Option<api::Called>> {
    let (delivered, detail): (Option<bool>, Option<String>) =
        (row.get("delivered")?, row.get("call_detail")?);
    let called = delivered.zip(detail).zip(time(row, "called_at")?);
    Ok(called.map(|((delivered, detail), at)| api::Called { delivered, detail, at }))
}

fn count_of(row: &Row<'_>) -> Result<(JobState, u64)> {
    Ok((word(row, "state")?, number(row, "jobs")?))
}
