//! Jobs: by id, by key, by filter, and a batch's results in the order of submission.

use std::collections::BTreeSet;

use gristmill_model::api::{self, Page};
use gristmill_model::filter::Filter;
use gristmill_model::job::JobState;
use gristmill_model::{BatchId, JobId, ProjectId, limits};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Result, Row, params_from_iter};

use super::column::{json, number, some_json, time, word};
use super::filter::{Conditions, Ids};
use super::inputs::{Extras, Inputs};
use super::shown::{self, Common, Left, Standing};
use super::{ReadError, Tables, page};

/// The name of the stage where a job stands.
pub(super) const STAGE: &str = "p.spec ->> ('$.stages[' || j.stage || '].name')";

/// How a job stands as people see it: what waits is called as its batch says.
pub(super) const SHOWN: &str = "CASE j.state WHEN 'queued' THEN b.waits ELSE j.state END";

/// The code of the failure that a job shows, as [`shown::job`] finds it.
pub(super) const CODE: &str = "coalesce(
    CASE WHEN j.state IN ('cancelled', 'expired') THEN j.code END,
    j.failure ->> '$.code', f.failure ->> '$.code')";

/// Everything that a job shows but its input. The order of the tables is meant: jobs first, by an
/// index or by id, and for each the few rows that belong to it.
const SELECT: &str = "SELECT j.*, x.priority AS own_priority, x.labels, x.key,
        x.output AS output_path, x.input AS own_input, b.labels AS batch_labels, b.waits,
        p.name AS pipeline,
        p.spec ->> ('$.stages[' || j.stage || '].name') AS stage_name,
        f.failure AS earlier_failure
    FROM jobs j
    LEFT JOIN extras x ON x.job = j.id
    CROSS JOIN batches b ON b.id = j.batch
    CROSS JOIN pipelines p ON p.id = b.pipeline
    LEFT JOIN attempts f ON f.id = j.failed
    WHERE ";

/// Which page of the jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPage {
    /// Which jobs.
    pub filter: Filter,
    /// Those that come after this one, in the page's order.
    pub after: Option<JobId>,
    /// How many; cut to `limits::PAGE`.
    pub limit: usize,
    /// The newest first, instead of the oldest.
    pub newest_first: bool,
}

impl Tables<'_> {
    /// A job by its id.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn job(&self, id: JobId) -> Result<Option<api::Job>, ReadError> {
        let mut conditions = Conditions::default();
        conditions.ids = Ids::one(id.0);
        let mut found = self.select_jobs(&conditions, false, 1)?;
        if found.is_empty() {
            found = self.jobs_in_runs(&conditions, false, 1)?;
        }
        Ok(found.pop())
    }

    /// A job by its place in its batch, from 0.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn job_at(&self, batch: BatchId, index: u64) -> Result<Option<api::Job>, ReadError> {
        Ok(self.results(batch, index, 1)?.items.pop().filter(|job| job.index == index))
    }

    /// The event after which all that happened is known; of what was before only what the base of
    /// the log told when these tables were made from it. 0 where everything is known.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn complete_after(&self) -> Result<u64, ReadError> {
        let mut select = self.connection.prepare_cached("SELECT complete_after FROM position")?;
        Ok(select.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// A job by its idempotency key.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn job_by_key(&self, project: ProjectId, key: &str) -> Result<Option<api::Job>, ReadError> {
        let mut conditions = Conditions::default();
        conditions.add(
            "j.id = (SELECT job FROM keys WHERE key = ? AND project = ?)",
            [Value::Text(key.to_owned()), integer(project.0)],
        );
        Ok(self.select_jobs(&conditions, false, 1)?.pop())
    }

    /// A page of the jobs that a filter finds.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn jobs(&self, page: &JobPage) -> Result<Page<api::Job>, ReadError> {
        let mut conditions = Conditions::of(&page.filter);
        if let Some(after) = page.after {
            let after = after.0.min(i64::MAX as u64).cast_signed();
            if page.newest_first {
                conditions.ids.before(after);
            } else {
                conditions.ids.after(after);
            }
        }
        self.page_of_jobs(conditions, page.newest_first, page.limit)
    }

    /// A page of a batch's jobs in the order of submission, from the place `from` on (the first
    /// job's is 0).
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn results(
        &self,
        batch: BatchId,
        from: u64,
        limit: usize,
    ) -> Result<Page<api::Job>, ReadError> {
        let start = self
            .connection
            .prepare_cached(
                "SELECT first + (?2 - place) FROM spans WHERE batch = ?1
                 AND place <= ?2 AND place + jobs > ?2 ORDER BY place DESC LIMIT 1",
            )?
            .query_row([batch.0, from.min(i64::MAX as u64)].map(u64::cast_signed), |row| {
                row.get::<_, i64>(0)
            })
            .optional()?;
        let Some(start) = start else { return Ok(Page { items: Vec::new(), has_more: false }) };
        let mut conditions = Conditions::default();
        conditions.of_batches([batch]);
        conditions.ids.low = start;
        self.page_of_jobs(conditions, false, limit)
    }

    fn page_of_jobs(
        &self,
        conditions: Conditions,
        newest_first: bool,
        limit: usize,
    ) -> Result<Page<api::Job>, ReadError> {
        let limit = limit.min(limits::PAGE);
        let mut items = Vec::new();
        for window in self.windows(&conditions, newest_first)? {
            let within = conditions.within(window);
            let room = limit + 1 - items.len();
            let mut found = self.jobs_in_runs(&within, newest_first, room)?;
            found.extend(self.select_jobs(&within, newest_first, room)?);
            found.sort_by_key(|job| job.id);
            if newest_first {
                found.reverse();
            }
            found.truncate(room);
            items.extend(found);
            if items.len() > limit {
                break;
            }
        }
        Ok(page(items, limit))
    }

    /// The spans of ids to look through, in the order of the page: those of the batches that are
    /// named, or all.
    fn windows(&self, conditions: &Conditions, newest_first: bool) -> Result<Vec<(i64, i64)>> {
        let mut batches = conditions.batches.clone();
        if conditions.scheduled {
            let scheduled = self.scheduled()?;
            batches = Some(match batches {
                Some(named) => named.intersection(&scheduled).copied().collect(),
                None => scheduled,
            });
        }
        let Some(batches) = batches else { return Ok(vec![(0, i64::MAX)]) };
        let mut windows = Vec::new();
        let mut select = self
            .connection
            .prepare_cached("SELECT first, first + jobs - 1 FROM spans WHERE batch = ?1")?;
        for batch in batches {
            let found = select.query_map([batch.0.cast_signed()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })?;
            for window in found {
                windows.push(window?);
            }
        }
        windows.sort_unstable();
        if newest_first {
            windows.reverse();
        }
        Ok(windows)
    }

    /// Batches whose waiting jobs are scheduled: few, with an index of their own.
    fn scheduled(&self) -> Result<BTreeSet<BatchId>> {
        let mut select = self
            .connection
            .prepare_cached("SELECT id FROM batches WHERE waits <> 'queued' AND waits = ?1")?;
        let scheduled = [JobState::Scheduled.as_str()];
        select.query_map(scheduled, |row| number(row, "id").map(BatchId))?.collect()
    }

    fn select_jobs(
        &self,
        conditions: &Conditions,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<api::Job>> {
        let (conditions, values) = conditions.clone().on_rows().finish();
        let order = if newest_first { "DESC" } else { "ASC" };
        let sql = format!("{SELECT} {conditions} ORDER BY j.id {order} LIMIT {limit}");
        let mut select = self.connection.prepare_cached(&sql)?;
        let mut inputs = Inputs::new(self.connection);
        let mut rows = select.query(params_from_iter(values))?;
        let mut jobs = Vec::new();
        while let Some(row) = rows.next()? {
            jobs.extend(job_of(row, &mut inputs)?);
        }
        Ok(jobs)
    }
}

#[cfg(test)]
impl Tables<'_> {
    /// How SQLite would look for the jobs that a filter finds.
    pub(super) fn plan(&self, filter: &Filter) -> Vec<String> {
        let conditions = Conditions::of(filter);
        let window = self.windows(&conditions, false).unwrap().pop().unwrap_or((5, 9));
        let (conditions, values) = conditions.within(window).on_rows().finish();
        let sql = format!("EXPLAIN QUERY PLAN {SELECT} {conditions} ORDER BY j.id LIMIT 100");
        let mut select = self.connection.prepare(&sql).unwrap();
        let steps = select.query_map(params_from_iter(values), |row| row.get(3)).unwrap();
        steps.map(Result::unwrap).collect()
    }
}

/// The job of a row; nothing where it is not known what was submitted.
fn job_of(row: &Row<'_>, inputs: &mut Inputs<'_>) -> Result<Option<api::Job>> {
    let id = JobId(number(row, "id")?);
    let extras = Extras {
        priority: row.get("own_priority")?,
        labels: json(row, "labels")?.unwrap_or_default(),
        key: row.get("key")?,
        output_path: row.get("output_path")?,
        input: json(row, "own_input")?,
    };
    let Some(submitted) = inputs.of(id, extras)? else { return Ok(None) };
    let common = Common {
        batch: BatchId(number(row, "batch")?),
        pipeline: row.get("pipeline")?,
        stage: row.get("stage_name")?,
        labels: some_json(row, "batch_labels")?,
        waits_as: word(row, "waits")?,
    };
    let standing = Standing {
        state: word(row, "state")?,
        attempts: row.get("attempts")?,
        cause: json(row, "cause")?,
        started_at: time(row, "started_at")?,
        finished_at: time(row, "finished_at")?,
    };
    let failure = match json(row, "failure")? {
        Some(failure) => Some(failure),
        None => json(row, "earlier_failure")?,
    };
    let left = Left {
        output: json(row, "output")?,
        artifacts: json(row, "artifacts")?.unwrap_or_default(),
        warnings: json(row, "warnings")?.unwrap_or_default(),
        failure,
    };
    Ok(Some(shown::job(id, common, submitted, standing, left)))
}

fn integer(id: u64) -> Value {
    Value::Integer(id.cast_signed())
}
