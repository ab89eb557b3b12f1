//! Jobs: by id, by key, by filter, and a batch's results in the order of submission.

use std::collections::BTreeMap;

use gristmill_model::api::{self, Page};
use gristmill_model::filter::Filter;
use gristmill_model::{BatchId, JobId, ProjectId, limits};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Result, Row, params_from_iter};

use super::column::{json, number, some_json, some_time, time, word};
use super::filter::{Conditions, Ids};
use super::{ReadError, Tables, page};

/// The name of the stage where a job stands.
pub(super) const STAGE: &str = "p.spec ->> ('$.stages[' || j.stage || '].name')";

/// How a job stands as people see it: what waits is called as its batch says.
pub(super) const SHOWN: &str = "CASE j.state WHEN 'queued' THEN b.waits ELSE j.state END";

/// Everything that a job shows. The order of the tables is meant: jobs first, by an index or by
/// id, and for each the few rows that belong to it.
const SELECT: &str = "SELECT j.*,
        CASE j.state WHEN 'queued' THEN b.waits ELSE j.state END AS shown,
        s.priority, s.labels, s.key, s.input, s.output AS output_path,
        s.created_at, b.labels AS batch_labels, p.name AS pipeline,
        p.spec ->> ('$.stages[' || j.stage || '].name') AS stage_name,
        a.output AS result, a.artifacts, a.warnings
    FROM jobs j
    CROSS JOIN specs s ON s.job = j.id
    CROSS JOIN batches b ON b.id = j.batch
    CROSS JOIN pipelines p ON p.id = b.pipeline
    LEFT JOIN attempts a ON a.id = j.attempt
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
        let mut found = self.select_jobs(conditions.clone(), false, 1)?;
        if found.is_empty() {
            found = self.folded_jobs(&conditions, false, 1)?;
        }
        self.tell_ends(&mut found)?;
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
        let mut found = self.select_jobs(conditions, false, 1)?;
        self.tell_ends(&mut found)?;
        Ok(found.pop())
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
                "SELECT first + (?2 - place) FROM runs WHERE batch = ?1
                 AND place <= ?2 AND place + jobs > ?2 ORDER BY place DESC LIMIT 1",
            )?
            .query_row([batch.0, from.min(i64::MAX as u64)].map(u64::cast_signed), |row| {
                row.get::<_, i64>(0)
            })
            .optional()?;
        let Some(start) = start else { return Ok(Page { items: Vec::new(), has_more: false }) };
        let mut conditions = Conditions::default();
        conditions.add("j.batch = ?", [integer(batch.0)]);
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
        let mut items = self.folded_jobs(&conditions, newest_first, limit + 1)?;
        items.extend(self.select_jobs(conditions, newest_first, limit + 1)?);
        items.sort_by_key(|job| job.id);
        if newest_first {
            items.reverse();
        }
        let mut page = page(items, limit);
        self.tell_ends(&mut page.items)?;
        Ok(page)
    }

    fn select_jobs(
        &self,
        conditions: Conditions,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<api::Job>> {
        let (conditions, values) = conditions.on_rows().finish();
        let order = if newest_first { "DESC" } else { "ASC" };
        let sql = format!("{SELECT} {conditions} ORDER BY j.id {order} LIMIT {limit}");
        let mut select = self.connection.prepare_cached(&sql)?;
        select.query_map(params_from_iter(values), job_of)?.collect()
    }
}

#[cfg(test)]
impl Tables<'_> {
    /// How SQLite would look for the jobs that a filter finds.
    pub(super) fn plan(&self, filter: &Filter) -> Vec<String> {
        let (conditions, values) = Conditions::of(filter).on_rows().finish();
        let sql = format!("EXPLAIN QUERY PLAN {SELECT} {conditions} ORDER BY j.id LIMIT 100");
        let mut select = self.connection.prepare(&sql).unwrap();
        let steps = select.query_map(params_from_iter(values), |row| row.get(3)).unwrap();
        steps.map(Result::unwrap).collect()
    }
}

fn job_of(row: &Row<'_>) -> Result<api::Job> {
    let state = word(row, "shown")?;
    let succeeded = state == gristmill_model::job::JobState::Succeeded;
    let mut labels: BTreeMap<String, String> = some_json(row, "batch_labels")?;
    labels.extend(json::<BTreeMap<_, _>>(row, "labels")?.unwrap_or_default());
    Ok(api::Job {
        id: JobId(number(row, "id")?),
        batch: BatchId(number(row, "batch")?),
        index: number(row, "place")?,
        pipeline: row.get("pipeline")?,
        state,
        stage: row.get("stage_name")?,
        priority: row.get("priority")?,
        labels,
        key: row.get("key")?,
        input: some_json(row, "input")?,
        output_path: row.get("output_path")?,
        // The last attempt's output is the job's only where that was the last stage.
        result: if succeeded { json(row, "result")? } else { None },
        artifacts: json(row, "artifacts")?.unwrap_or_default(),
        warnings: json(row, "warnings")?.unwrap_or_default(),
        failure: json(row, "failure")?,
        attempts: row.get("attempts")?,
        created_at: some_time(row, "created_at")?,
        started_at: time(row, "started_at")?,
        finished_at: time(row, "finished_at")?,
    })
}

fn integer(id: u64) -> Value {
    Value::Integer(id.cast_signed())
}
