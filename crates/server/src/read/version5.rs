//! Tables of version 5 become those of today, in place and in one transaction. Where the log was
//! compacted nothing else remembers jobs of old, so they cannot be made anew from it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use gristmill_model::attempt::Usage;
use gristmill_model::cause::Cause;
use gristmill_model::job::JobState;
use gristmill_model::resources::WorkerShape;
use gristmill_model::source::Items;
use gristmill_model::terms::{Target, Terms};
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{BatchId, Time};
use rusqlite::types::Value;
use rusqlite::{Connection, Result, Row, params, params_from_iter};

use super::column::{items, json, number, some_json, some_time, to_json, word};

/// Jobs of a page of inputs, and its bytes, as the sink writes them.
const PAGE_JOBS: usize = 64;
const PAGE_BYTES: usize = 64 * 1024;

/// What version 5 had makes room under other names.
const ASIDE: &str = "
DROP INDEX pipelines_by_name; DROP INDEX batches_that_wait; DROP INDEX batches_to_call;
DROP INDEX jobs_by_state; DROP INDEX jobs_by_batch; DROP INDEX folds_by_state;
DROP INDEX folds_by_batch; DROP INDEX attempts_by_job;
ALTER TABLE position RENAME TO old_position;
ALTER TABLE pipelines RENAME TO old_pipelines;
ALTER TABLE batches RENAME TO old_batches;
ALTER TABLE counts RENAME TO old_counts;
ALTER TABLE runs RENAME TO old_runs;
ALTER TABLE jobs RENAME TO old_jobs;
ALTER TABLE keys RENAME TO old_keys;
ALTER TABLE attempts RENAME TO old_attempts;
ALTER TABLE workers RENAME TO old_workers;
CREATE INDEX old_failures ON old_attempts (job) WHERE failure IS NOT NULL;
";

/// What has only moved, or changed its name.
const MOVED: &str = "
INSERT INTO position SELECT seq, log, complete_after FROM old_position;
INSERT INTO pipelines SELECT id, project, name, version, spec, created_at FROM old_pipelines;
INSERT INTO spans SELECT batch, place, first, jobs FROM old_runs;
INSERT INTO keys SELECT key, project, job FROM old_keys;
INSERT INTO batches (id, project, pipeline, actor, name, priority, labels, terms, created_at, open,
    counts, waits, held, start_at, pending, finished_at, announced_at, delivered, call_detail,
    called_at, forgotten)
SELECT id, project, pipeline, actor, name, priority, labels, terms, created_at, closed_at IS NULL,
    (SELECT json_group_object(state, jobs) FROM old_counts WHERE batch = id AND jobs > 0),
    waits, held, start_at, pending,
    CASE WHEN closed_at IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM old_counts WHERE batch = id AND jobs > 0
        AND state NOT IN ('succeeded', 'failed', 'cancelled', 'expired')
    ) THEN max(closed_at, coalesce(settled_at, 0)) END,
    announced_at, delivered, call_detail, called_at, pruned
FROM old_batches;
";

const DONE: &str = "
DROP TABLE old_position; DROP TABLE old_pipelines; DROP TABLE old_batches; DROP TABLE old_counts;
DROP TABLE old_runs; DROP TABLE old_jobs; DROP TABLE old_keys; DROP TABLE old_attempts;
DROP TABLE old_workers; DROP TABLE ends; DROP TABLE ranges; DROP TABLE folds; DROP TABLE specs;
";

/// An attempt's columns from `at_stage` to `devices`, with the usage in one.
const ATTEMPT: &str = "a.stage, a.number, a.worker, a.alternative, a.leased_at, a.ended_at,
    CASE WHEN a.ended_at IS NOT NULL THEN a.state END, a.output, a.artifacts, a.warnings";

/// Makes tables of version 5 those that `tables` describes, of another version.
///
/// # Errors
/// The file cannot be read or written; it is then as it was.
pub(super) fn convert(path: &Path, tables: &str, version: u32) -> Result<()> {
    let mut connection = Connection::open(path)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(ASIDE)?;
    transaction.execute_batch(tables)?;
    transaction.execute_batch(MOVED)?;
    let causes = causes(&transaction)?;
    let ranges = ranges(&transaction)?;
    inputs(&transaction, &ranges)?;
    jobs(&transaction, &causes)?;
    attempts(&transaction)?;
    runs(&transaction, &causes)?;
    workers(&transaction)?;
    transaction.execute_batch(DONE)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}

/// Why jobs of a batch ended in a state at a time.
type Causes = HashMap<(BatchId, JobState, Time), Cause>;

/// What of their batches' terms ended jobs; and what batches wait for in vain is written down.
fn causes(tables: &Connection) -> Result<Causes> {
    let mut select = tables.prepare(
        "SELECT e.*, b.terms FROM ends e CROSS JOIN old_batches b ON b.id = e.batch
         ORDER BY e.batch, e.place",
    )?;
    let mut rows = select.query([])?;
    let mut causes = Causes::new();
    while let Some(row) = rows.next()? {
        let (batch, at) = (BatchId(number(row, "batch")?), some_time(row, "at")?);
        let cause = cause(row, at)?;
        if let Cause::Dependency(on, when) = cause {
            tables.execute(
                "INSERT OR REPLACE INTO unmet VALUES (?1, ?2, ?3, ?4)",
                params![
                    batch.0.cast_signed(),
                    at.0.cast_signed(),
                    on.to_string(),
                    when.to_string()
                ],
            )?;
        }
        // Of several in one moment the first was shown.
        causes.entry((batch, word(row, "state")?, at)).or_insert(cause);
    }
    Ok(causes)
}

fn cause(row: &Row<'_>, at: Time) -> Result<Cause> {
    let terms: Terms = json(row, "terms")?.unwrap_or_default();
    let code: String = row.get("code")?;
    Ok(match &*code {
        Cause::EXPIRED => Cause::Expiry(terms.expires_at.unwrap_or(at)),
        Cause::DEADLINE_PASSED => Cause::Deadline(terms.deadline.unwrap_or(at)),
        _ => {
            let on: Target = word(row, "target")?;
            let asked = terms.after.iter().find(|dependency| dependency.on == on);
            Cause::Dependency(on, asked.map(|dependency| dependency.when).unwrap_or_default())
        }
    })
}

/// A cause as a run and a job keep it: its code, and the whole.
fn told(cause: Option<&Cause>) -> Result<[Value; 2]> {
    let code = cause.and_then(|cause| cause.code()).map(str::to_owned);
    Ok([code.into(), cause.map(to_json).transpose()?.into()])
}

/// Ranges by their first job, with what they are made of.
type Ranges = BTreeMap<u64, Items>;

fn ranges(tables: &Connection) -> Result<Ranges> {
    let mut select = tables.prepare("SELECT * FROM ranges")?;
    let mut rows = select.query([])?;
    let mut ranges = Ranges::new();
    while let Some(row) = rows.next()? {
        let (first, items): (u64, Items) = (number(row, "first")?, items(row, "source")?);
        tables.execute(
            "INSERT INTO inputs
             SELECT first, ?2, batch, place, priority, source, NULL, created_at
             FROM ranges WHERE first = ?1",
            [first, items.count()].map(u64::cast_signed),
        )?;
        ranges.insert(first, items);
    }
    Ok(ranges)
}

/// Single inputs that are written together.
#[derive(Debug, Default)]
struct Page {
    first: u64,
    /// Batch, place, priority and time of the first.
    of: [i64; 4],
    each: Vec<String>,
    bytes: usize,
}

impl Page {
    /// Whether a job follows, of the same batch, in its place, submitted together.
    fn takes(&self, job: u64, [batch, place, priority, at]: [i64; 4]) -> bool {
        let held = self.each.len();
        let [own, from, usual, then] = self.of;
        held < PAGE_JOBS
            && self.bytes < PAGE_BYTES
            && self.first + held as u64 == job
            && (own, from + held as i64, usual, then) == (batch, place, priority, at)
    }

    fn store(&self, tables: &Connection) -> Result<()> {
        if self.each.is_empty() {
            return Ok(());
        }
        let [batch, place, priority, at] = self.of;
        let each = format!("[{}]", self.each.join(","));
        tables
            .prepare_cached("INSERT INTO inputs VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6, ?7)")?
            .execute(params![
                self.first.cast_signed(),
                self.each.len() as i64,
                batch,
                place,
                priority,
                each,
                at
            ])?;
        Ok(())
    }
}

/// What single jobs were submitted with, and what became of inputs of ranges.
fn inputs(tables: &Connection, ranges: &Ranges) -> Result<()> {
    let mut select = tables.prepare(
        "SELECT s.*, j.batch, j.place, b.priority AS usual
         FROM specs s CROSS JOIN old_jobs j ON j.id = s.job
         CROSS JOIN old_batches b ON b.id = j.batch ORDER BY s.job",
    )?;
    let mut rows = select.query([])?;
    let mut page = Page::default();
    while let Some(row) = rows.next()? {
        let job: u64 = number(row, "job")?;
        let input: String = row.get("input")?;
        let item =
            ranges.range(..=job).next_back().and_then(|(first, items)| items.item(job - first));
        let Some(item) = item else {
            let of = ["batch", "place", "usual", "created_at"];
            let [batch, place, usual, at] = of.map(|column| row.get(column));
            let of = [batch?, place?, usual?, at?];
            if !page.takes(job, of) {
                page.store(tables)?;
                page = Page { first: job, of, ..Page::default() };
            }
            page.bytes += input.len();
            page.each.push(input);
            extras(tables, row, None)?;
            continue;
        };
        let own = Some(input).filter(|input| to_json(&item).is_ok_and(|item| item != *input));
        extras(tables, row, own)?;
    }
    page.store(tables)
}

/// What a job was submitted with beside its input, if anything.
fn extras(tables: &Connection, row: &Row<'_>, input: Option<String>) -> Result<()> {
    let priorities: (i32, i32) = (row.get("priority")?, row.get("usual")?);
    let own = (priorities.0 != priorities.1).then_some(priorities.0);
    let columns = ["labels", "key", "output"].map(|column| row.get::<_, Option<String>>(column));
    let [labels, key, output] = columns;
    let (labels, key, output) = (labels?, key?, output?);
    if own.is_none() && [&labels, &key, &output, &input].iter().all(|column| column.is_none()) {
        return Ok(());
    }
    tables
        .prepare_cached("INSERT INTO extras VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![row.get::<_, i64>("job")?, own, labels, key, output, input])?;
    Ok(())
}

/// Jobs, each with its last attempt.
fn jobs(tables: &Connection, causes: &Causes) -> Result<()> {
    let mut select = tables.prepare(&format!(
        "SELECT j.id, j.batch, j.state, j.stage, j.attempts, j.started_at, j.finished_at,
            (SELECT max(f.id) FROM old_attempts f
                WHERE f.job = j.id AND f.failure IS NOT NULL) AS failed,
            j.failure AS last_failure, a.failure, a.usage, a.devices, j.attempt, {ATTEMPT}
         FROM old_jobs j LEFT JOIN old_attempts a ON a.id = j.attempt ORDER BY j.id"
    ))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (batch, state) = (BatchId(number(row, "batch")?), word(row, "state")?);
        let failed: Value = row.get("failed")?;
        let ended = row.get::<_, Option<i64>>("finished_at")?;
        let ended = ended.map(|at| Time(at.cast_unsigned()));
        let cause = ended.and_then(|at| causes.get(&(batch, state, at)));
        let lost = (failed == Value::Null).then(|| row.get("last_failure")).transpose()?;
        let mut values: Vec<Value> = Vec::with_capacity(26);
        for column in ["id", "batch", "state", "stage", "attempts"] {
            values.push(row.get(column)?);
        }
        values.push(failed);
        values.extend(told(cause)?);
        values.extend([row.get("started_at")?, row.get("finished_at")?, row.get("attempt")?]);
        values.extend(of_attempt(row, 13, lost)?);
        tables
            .prepare_cached(
                "INSERT INTO jobs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
                     ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)",
            )?
            .execute(params_from_iter(values))?;
    }
    Ok(())
}

/// Attempts that another one of the same job has followed.
fn attempts(tables: &Connection) -> Result<()> {
    let mut select = tables.prepare(&format!(
        "SELECT a.id, a.job, a.failure, a.usage, a.devices, {ATTEMPT}
         FROM old_attempts a CROSS JOIN old_jobs j ON j.id = a.job
         WHERE a.id IS NOT j.attempt ORDER BY a.id"
    ))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let key: [Value; 2] = [row.get("id")?, row.get("job")?];
        let attempt = of_attempt(row, 5, None)?;
        tables
            .prepare_cached(
                "INSERT INTO attempts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                     ?13, ?14, ?15, ?16, ?17)",
            )?
            .execute(params_from_iter(key.into_iter().chain(attempt)))?;
    }
    Ok(())
}

/// An attempt's columns of today; those of [`ATTEMPT`] begin at an index. Where its own failure is
/// missing another one is told.
fn of_attempt(row: &Row<'_>, from: usize, lost: Option<Value>) -> Result<Vec<Value>> {
    let mut values: Vec<Value> =
        (from..from + 10).map(|column| row.get(column)).collect::<Result<_>>()?;
    let own: Value = row.get("failure")?;
    values.push(if own == Value::Null { lost.unwrap_or(Value::Null) } else { own });
    let usage: Option<Usage> = json(row, "usage")?;
    let usage = usage.map(|usage| [usage.wall.0, usage.cpu.0, usage.peak_memory]);
    values.extend(match usage {
        Some(usage) => usage.map(|number| Value::Integer(number.cast_signed())),
        None => [const { Value::Null }; 3],
    });
    values.push(row.get("devices")?);
    Ok(values)
}

fn runs(tables: &Connection, causes: &Causes) -> Result<()> {
    let mut select = tables.prepare("SELECT * FROM folds ORDER BY first")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let key = (BatchId(number(row, "batch")?), word(row, "state")?, some_time(row, "since")?);
        let [code, cause] = told(causes.get(&key))?;
        tables.prepare_cached("INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(
            params![
                row.get::<_, i64>("first")?,
                row.get::<_, i64>("jobs")?,
                key.0.0.cast_signed(),
                key.1.as_str(),
                key.2.0.cast_signed(),
                code,
                cause
            ],
        )?;
    }
    Ok(())
}

fn workers(tables: &Connection) -> Result<()> {
    let mut select = tables.prepare("SELECT * FROM old_workers")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let shape = WorkerShape {
            capacity: some_json(row, "capacity")?,
            handlers: some_json(row, "handlers")?,
            labels: some_json(row, "labels")?,
            shared_disk: row.get("shared_disk")?,
        };
        let description =
            WorkerDescription { name: row.get("name")?, version: String::new(), shape };
        tables.execute(
            "INSERT INTO workers
             SELECT id, ?2, joined_at, left_at, state = 'draining', paused, succeeded, failed
             FROM old_workers WHERE id = ?1",
            params![row.get::<_, i64>("id")?, to_json(&description)?],
        )?;
    }
    Ok(())
}
