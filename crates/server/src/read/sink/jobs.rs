//! Rows of single jobs, each with its last attempt. What a chunk tells of one job is gathered and
//! written once; an attempt that another one follows moves to a table of its own.

use gristmill_engine::change::{Attempt, End, Job};
use gristmill_model::cause::Cause;
use gristmill_model::{JobId, JobRun};
use rusqlite::{CachedStatement, Connection, Result, ToSql, params};

use super::runs::Runs;
use crate::read::column::to_json;

/// What was told of single jobs and is not yet written, in the order in which it was told.
#[derive(Debug, Default)]
pub(super) struct Jobs<'r> {
    told: Vec<(JobId, Told<'r>)>,
    /// The first and the last id among them.
    bounds: Option<(JobId, JobId)>,
}

#[derive(Debug, Clone, Copy)]
enum Told<'r> {
    Job(&'r Job),
    Attempt(&'r Attempt),
}

impl<'r> Jobs<'r> {
    pub(super) fn job(&mut self, job: &'r Job) {
        self.tell(job.id, Told::Job(job));
    }

    pub(super) fn attempt(&mut self, attempt: &'r Attempt) {
        self.tell(attempt.job, Told::Attempt(attempt));
    }

    fn tell(&mut self, id: JobId, told: Told<'r>) {
        let (low, high) = self.bounds.unwrap_or((id, id));
        self.bounds = Some((low.min(id), high.max(id)));
        self.told.push((id, told));
    }

    /// Whether any of these may be among them.
    pub(super) fn overlap(&self, run: JobRun) -> bool {
        self.bounds.is_some_and(|(low, high)| run.first <= high && low < run.end())
    }

    /// Writes all that was told.
    pub(super) fn store(&mut self, tables: &Connection, runs: &mut Runs) -> Result<()> {
        if self.told.is_empty() {
            return Ok(());
        }
        let mut told = std::mem::take(&mut self.told);
        self.bounds = None;
        told.sort_by_key(|(id, _)| *id);
        let jobs = told.chunk_by(|one, other| one.0 == other.0);
        for run in JobRun::gather(jobs.clone().map(|of_job| of_job[0].0)) {
            runs.remove(tables, run)?;
        }
        let mut rows = Rows::new(tables)?;
        jobs.into_iter().try_for_each(|of_job| rows.store(of_job))
    }
}

/// The statements that write rows, made ready once for all of them.
struct Rows<'t> {
    whole: CachedStatement<'t>,
    alone: CachedStatement<'t>,
    aside: CachedStatement<'t>,
    earlier: CachedStatement<'t>,
}

/// A job with its last attempt.
const WHOLE: &str =
    "INSERT INTO jobs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
        ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)
    ON CONFLICT (id) DO UPDATE SET state = ?3, stage = ?4, attempts = max(attempts, ?5),
        failed = coalesce(?6, failed), code = ?7, cause = ?8,
        started_at = coalesce(started_at, ?9), finished_at = ?10, attempt = ?11, at_stage = ?12,
        number = ?13, worker = ?14, alternative = ?15, leased_at = ?16, ended_at = ?17,
        outcome = ?18, output = ?19, artifacts = ?20, warnings = ?21, failure = ?22, wall = ?23,
        cpu = ?24, memory = ?25, devices = ?26";

/// A job of whose attempts nothing new is told.
const ALONE: &str = "INSERT INTO jobs (id, batch, state, stage, attempts, failed, code, cause,
        started_at, finished_at, attempt)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT (id) DO UPDATE SET state = ?3, stage = ?4, attempts = max(attempts, ?5),
        failed = coalesce(?6, failed), code = ?7, cause = ?8,
        started_at = coalesce(started_at, ?9), finished_at = ?10,
        attempt = coalesce(attempt, ?11)";

/// The attempt in a job's row makes room for the one that followed it.
const ASIDE: &str = "INSERT OR IGNORE INTO attempts SELECT attempt, id, at_stage, number, worker,
        alternative, leased_at, ended_at, outcome, output, artifacts, warnings, failure, wall, cpu,
        memory, devices
    FROM jobs WHERE id = ?1 AND leased_at IS NOT NULL AND attempt <> ?2";

const EARLIER: &str = "INSERT OR REPLACE INTO attempts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
        ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

impl<'t> Rows<'t> {
    fn new(tables: &'t Connection) -> Result<Rows<'t>> {
        Ok(Rows {
            whole: tables.prepare_cached(WHOLE)?,
            alone: tables.prepare_cached(ALONE)?,
            aside: tables.prepare_cached(ASIDE)?,
            earlier: tables.prepare_cached(EARLIER)?,
        })
    }

    /// Writes a job with what a chunk told of it and its attempts, oldest first.
    fn store(&mut self, told: &[(JobId, Told<'_>)]) -> Result<()> {
        let job = told.iter().rev().find_map(|(_, told)| match told {
            Told::Job(job) => Some(*job),
            Told::Attempt(_) => None,
        });
        // An attempt never changes without its job.
        let Some(job) = job else { return Ok(()) };
        let attempts = told.iter().rev().filter_map(|(_, told)| match told {
            Told::Attempt(attempt) => Some(*attempt),
            Told::Job(_) => None,
        });
        let (mut last, mut written) = (None, None);
        for attempt in attempts {
            // Of one attempt the later change counts.
            if written == Some(attempt.id) {
                continue;
            }
            written = Some(attempt.id);
            if job.attempt() == Some(attempt.id) {
                last = Some(attempt);
            } else {
                let key = [attempt.id.0, attempt.job.0].map(u64::cast_signed);
                bind(&mut self.earlier, 1, &key)?;
                bind_attempt(&mut self.earlier, 3, attempt)?;
                self.earlier.raw_execute()?;
            }
        }
        match last {
            Some(attempt) => self.store_whole(job, attempt),
            None => {
                bind_job(&mut self.alone, job)?;
                let attempt = job.attempt().map(|id| id.0.cast_signed());
                self.alone.raw_bind_parameter(11, attempt)?;
                self.alone.raw_execute().map(drop)
            }
        }
    }

    fn store_whole(&mut self, job: &Job, attempt: &Attempt) -> Result<()> {
        let id = attempt.id.0.cast_signed();
        if job.attempts > 1 {
            self.aside.execute(params![job.id.0.cast_signed(), id])?;
        }
        bind_job(&mut self.whole, job)?;
        self.whole.raw_bind_parameter(11, id)?;
        bind_attempt(&mut self.whole, 12, attempt)?;
        self.whole.raw_execute().map(drop)
    }
}

/// Binds values to the parameters from `first` on.
fn bind(statement: &mut CachedStatement<'_>, first: usize, values: &[impl ToSql]) -> Result<()> {
    (first..).zip(values).try_for_each(|(at, value)| statement.raw_bind_parameter(at, value))
}

/// Binds a job's own columns, from `id` to `finished_at`.
fn bind_job(statement: &mut CachedStatement<'_>, job: &Job) -> Result<()> {
    let cause = job.cause();
    bind(statement, 1, &[job.id.0, job.batch.0].map(u64::cast_signed))?;
    statement.raw_bind_parameter(3, job.state.as_str())?;
    bind(statement, 4, &[u32::from(job.stage), job.attempts])?;
    statement.raw_bind_parameter(6, job.failed().map(|id| id.0.cast_signed()))?;
    statement.raw_bind_parameter(7, cause.and_then(Cause::code))?;
    statement.raw_bind_parameter(8, cause.map(|cause| to_json(&cause)).transpose()?)?;
    let times = [job.started_at(), job.finished_at()];
    bind(statement, 9, &times.map(|at| at.map(|at| at.0.cast_signed())))
}

/// Binds an attempt's columns, from `at_stage` to `devices`.
fn bind_attempt(statement: &mut CachedStatement<'_>, at: usize, attempt: &Attempt) -> Result<()> {
    let leased = [
        i64::from(attempt.stage),
        i64::from(attempt.number),
        attempt.worker.0.cast_signed(),
        i64::from(attempt.alternative),
        attempt.leased_at.0.cast_signed(),
    ];
    bind(statement, at, &leased)?;
    match &attempt.end {
        Some(end) => bind_end(statement, at + 5, end),
        None => bind(statement, at + 5, &[None::<i64>; 10]),
    }
}

/// Binds an end's columns, from `ended_at` to `devices`.
fn bind_end(statement: &mut CachedStatement<'_>, at: usize, end: &End) -> Result<()> {
    statement.raw_bind_parameter(at, end.at.0.cast_signed())?;
    let (mut outcome, mut left) = ("succeeded", [const { None }; 4]);
    match &end.outcome {
        Ok(success) => {
            left[0] = Some(to_json(&success.output)?);
            left[1] = listed(&success.artifacts)?;
            left[2] = listed(&success.warnings)?;
        }
        Err(failure) => {
            outcome = failure.kind.as_str();
            left[3] = Some(to_json(&**failure)?);
        }
    }
    statement.raw_bind_parameter(at + 1, outcome)?;
    bind(statement, at + 2, &left)?;
    let usage = [end.usage.wall.0, end.usage.cpu.0, end.usage.peak_memory];
    bind(statement, at + 6, &usage.map(u64::cast_signed))?;
    statement.raw_bind_parameter(at + 9, listed(&end.devices)?)
}

/// A list as JSON; nothing where it is empty.
fn listed<T: serde::Serialize>(list: &[T]) -> Result<Option<String>> {
    (!list.is_empty()).then(|| to_json(&list)).transpose()
}
