//! Jobs of ranges that have no rows: shown from the run in which they lie, and made up one by one
//! for as long as a page has room. So a page costs what it shows, however many jobs there are.

use std::collections::BTreeMap;

use gristmill_model::api;
use gristmill_model::job::JobState;
use gristmill_model::source::Items;
use gristmill_model::{BatchId, JobId, Time};
use rusqlite::types::Value;
use rusqlite::{Result, Row, params_from_iter};

use super::Tables;
use super::column::{items, number, some_json, some_time, word};
use super::filter::Conditions;

/// A run of folded jobs, under the names that conditions know. What a job has only once something
/// has happened to it alone is nothing here.
const SELECT: &str =
    "SELECT j.id, j.jobs, j.batch, j.range, j.since, r.place, r.priority, r.source,
        r.created_at, b.labels, p.name AS pipeline,
        CASE j.state WHEN 'queued' THEN b.waits ELSE j.state END AS shown,
        p.spec ->> '$.stages[0].name' AS stage_name
    FROM (SELECT first AS id, jobs, batch, range, state, since, since AS finished_at, 0 AS stage,
            NULL AS failure FROM folds) j
    CROSS JOIN ranges r ON r.first = j.range
    CROSS JOIN batches b ON b.id = j.batch
    CROSS JOIN pipelines p ON p.id = b.pipeline
    CROSS JOIN (SELECT NULL AS labels, NULL AS key) s
    CROSS JOIN (SELECT NULL AS worker) a
    WHERE ";

/// A run of folded jobs.
struct Run {
    first: i64,
    last: i64,
    batch: BatchId,
    /// The first job of the range, and its place in the batch.
    range: u64,
    place: u64,
    state: JobState,
    since: Time,
    pipeline: String,
    stage: String,
    priority: i32,
    labels: BTreeMap<String, String>,
    items: Items,
    created_at: Time,
}

impl Tables<'_> {
    /// Folded jobs that conditions find, at most so many.
    pub(super) fn folded_jobs(
        &self,
        conditions: &Conditions,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<api::Job>> {
        let mut spans = conditions.ids.spans();
        if newest_first {
            spans.reverse();
        }
        let mut jobs = Vec::new();
        for span in spans {
            for run in self.folds_in(conditions, span, newest_first, limit - jobs.len())? {
                let (low, high) = (run.first.max(span.0), run.last.min(span.1));
                let mut ids: Box<dyn Iterator<Item = i64>> = Box::new(low..=high);
                if newest_first {
                    ids = Box::new((low..=high).rev());
                }
                let meant = ids.filter(|id| conditions.ids.has(*id));
                jobs.extend(meant.take(limit - jobs.len()).filter_map(|id| run.job(id)));
            }
            if jobs.len() == limit {
                break;
            }
        }
        Ok(jobs)
    }

    /// Runs that reach into a span of ids, as many as can matter.
    fn folds_in(
        &self,
        conditions: &Conditions,
        (low, high): (i64, i64),
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<Run>> {
        let limit = limit.saturating_add(conditions.ids.except.len());
        let (sql, mut values) = conditions.clone().finish();
        let order = if newest_first { "DESC" } else { "ASC" };
        let sql = format!(
            "{SELECT} {sql} AND j.id <= ? AND j.id + j.jobs > ?
             AND j.id >= coalesce((SELECT max(first) FROM folds WHERE first <= ?), 0)
             ORDER BY j.id {order} LIMIT {limit}"
        );
        values.extend([high, low, low].map(Value::Integer));
        let mut select = self.connection.prepare_cached(&sql)?;
        select.query_map(params_from_iter(values), run_of)?.collect()
    }
}

impl Run {
    fn job(&self, id: i64) -> Option<api::Job> {
        let id = id.cast_unsigned();
        let index = id - self.range;
        Some(api::Job {
            id: JobId(id),
            batch: self.batch,
            index: self.place + index,
            pipeline: self.pipeline.clone(),
            state: self.state,
            stage: self.stage.clone(),
            priority: self.priority,
            labels: self.labels.clone(),
            key: None,
            input: self.items.item(index)?,
            output_path: None,
            result: None,
            artifacts: Vec::new(),
            warnings: Vec::new(),
            failure: None,
            attempts: 0,
            created_at: self.created_at,
            started_at: None,
            finished_at: self.state.is_final().then_some(self.since),
        })
    }
}

fn run_of(row: &Row<'_>) -> Result<Run> {
    let first: i64 = row.get("id")?;
    Ok(Run {
        first,
        last: first + row.get::<_, i64>("jobs")? - 1,
        batch: BatchId(number(row, "batch")?),
        range: number(row, "range")?,
        place: number(row, "place")?,
        state: word(row, "shown")?,
        since: some_time(row, "since")?,
        pipeline: row.get("pipeline")?,
        stage: row.get("stage_name")?,
        priority: row.get("priority")?,
        labels: some_json(row, "labels")?,
        items: items(row, "source")?,
        created_at: some_time(row, "created_at")?,
    })
}
