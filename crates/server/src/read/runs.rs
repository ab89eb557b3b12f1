//! Jobs that have no rows of their own: shown from the run in which they lie, and made up one by
//! one for as long as a page has room. So a page costs what it shows, however many jobs there are.

use std::collections::BTreeMap;

use gristmill_model::JobId;
use gristmill_model::api;
use gristmill_model::cause::Cause;
use gristmill_model::job::JobState;
use gristmill_model::{BatchId, Time};
use rusqlite::types::Value;
use rusqlite::{Result, Row, params_from_iter};

use super::Tables;
use super::column::{json, number, some_json, some_time, word};
use super::filter::Conditions;
use super::inputs::{Extras, Inputs};
use super::shown::{self, Common, Left, Standing};

/// A run, under the names that conditions know. What a job has only once something has happened to
/// it alone is nothing here.
const SELECT: &str = "SELECT j.id, j.jobs, j.batch, j.at, j.state, j.cause, b.labels, b.waits,
        p.name AS pipeline, p.spec ->> '$.stages[0].name' AS stage_name
    FROM (SELECT first AS id, jobs, batch, state, at, at AS finished_at, 0 AS stage, code, cause,
            NULL AS failure, NULL AS worker FROM runs) j
    CROSS JOIN batches b ON b.id = j.batch
    CROSS JOIN pipelines p ON p.id = b.pipeline
    CROSS JOIN (SELECT NULL AS labels, NULL AS key) x
    CROSS JOIN (SELECT NULL AS failure) f
    WHERE ";

/// Jobs that stand alike.
struct Run {
    first: i64,
    last: i64,
    batch: BatchId,
    state: JobState,
    at: Time,
    cause: Option<Cause>,
    pipeline: String,
    stage: String,
    labels: BTreeMap<String, String>,
    waits_as: JobState,
}

impl Tables<'_> {
    /// Jobs of runs that conditions find, at most so many.
    pub(super) fn jobs_in_runs(
        &self,
        conditions: &Conditions,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<api::Job>> {
        let mut spans = conditions.ids.spans();
        if newest_first {
            spans.reverse();
        }
        let (mut jobs, mut inputs) = (Vec::new(), Inputs::new(self.connection));
        for span in spans {
            for run in self.runs_in(conditions, span, newest_first, limit - jobs.len())? {
                let (low, high) = (run.first.max(span.0), run.last.min(span.1));
                let mut ids: Box<dyn Iterator<Item = i64>> = Box::new(low..=high);
                if newest_first {
                    ids = Box::new((low..=high).rev());
                }
                let meant = ids.filter(|id| conditions.ids.has(*id));
                for id in meant.take(limit - jobs.len()) {
                    jobs.extend(run.job(id, &mut inputs)?);
                }
            }
            if jobs.len() == limit {
                break;
            }
        }
        Ok(jobs)
    }

    /// Runs that reach into a span of ids, as many as can matter.
    fn runs_in(
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
             AND j.id >= coalesce((SELECT max(first) FROM runs WHERE first <= ?), 0)
             ORDER BY j.id {order} LIMIT {limit}"
        );
        values.extend([high, low, low].map(Value::Integer));
        let mut select = self.connection.prepare_cached(&sql)?;
        select.query_map(params_from_iter(values), run_of)?.collect()
    }
}

impl Run {
    fn job(&self, id: i64, inputs: &mut Inputs<'_>) -> Result<Option<api::Job>> {
        let id = JobId(id.cast_unsigned());
        let Some(submitted) = inputs.of(id, Extras::default())? else { return Ok(None) };
        let common = Common {
            batch: self.batch,
            pipeline: self.pipeline.clone(),
            stage: self.stage.clone(),
            labels: self.labels.clone(),
            waits_as: self.waits_as,
        };
        let standing = Standing {
            state: self.state,
            attempts: 0,
            cause: self.cause,
            started_at: None,
            finished_at: self.state.is_final().then_some(self.at),
        };
        Ok(Some(shown::job(id, common, submitted, standing, Left::default())))
    }
}

fn run_of(row: &Row<'_>) -> Result<Run> {
    let first: i64 = row.get("id")?;
    Ok(Run {
        first,
        last: first + row.get::<_, i64>("jobs")? - 1,
        batch: BatchId(number(row, "batch")?),
        state: word(row, "state")?,
        at: some_time(row, "at")?,
        cause: json(row, "cause")?,
        pipeline: row.get("pipeline")?,
        stage: row.get("stage_name")?,
        labels: some_json(row, "labels")?,
        waits_as: word(row, "waits")?,
    })
}
