//! Rows of jobs that stand alike, as runs of ids, while a chunk of changes is applied. A run that
//! is told moves all its jobs: those with rows by one statement over a range of ids, the others as
//! the runs that they are. The first thing that happens to a job alone takes it out of its run.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_engine::change;
use gristmill_model::cause::Cause;
use gristmill_model::job::JobState;
use gristmill_model::{BatchId, JobId, JobRun, Time};
use rusqlite::{Connection, Result, Row, params};

use crate::read::column::{self, to_json};

/// Jobs with consecutive ids that stand alike and have no rows.
#[derive(Debug, Clone, Copy)]
struct Run {
    jobs: u64,
    batch: BatchId,
    state: JobState,
    at: Time,
    cause: Option<Cause>,
}

/// The runs that a chunk has touched.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: BTreeMap<JobId, Run>,
    /// What the table has instead of them, by the first of each.
    replaced: BTreeSet<JobId>,
}

impl Runs {
    /// Jobs stand alike from now on.
    pub(super) fn set(&mut self, tables: &Connection, told: &change::Run) -> Result<()> {
        let rows = update_rows(tables, told)?;
        if rows == told.jobs.count {
            return Ok(());
        }
        self.load(tables, told.jobs)?;
        let known = self.among(told.jobs);
        let run = Run {
            jobs: told.jobs.count,
            batch: told.batch,
            state: told.state,
            at: told.at,
            cause: told.cause,
        };
        if known.is_empty() {
            // Jobs that are new, apart from those that have rows.
            return self.insert_new(tables, told.jobs, run, rows);
        }
        for part in known {
            self.cut(part);
            self.insert(part, run);
        }
        Ok(())
    }

    fn insert_new(&mut self, tables: &Connection, jobs: JobRun, run: Run, rows: u64) -> Result<()> {
        if rows == 0 {
            self.insert(jobs, run);
            return Ok(());
        }
        let mut select = tables.prepare_cached("SELECT id FROM jobs WHERE id >= ?1 AND id < ?2")?;
        let bounds = [jobs.first.0, jobs.end().0].map(u64::cast_signed);
        let ids: BTreeSet<JobId> = select
            .query_map(bounds, |row| column::number(row, "id").map(JobId))?
            .collect::<Result<_>>()?;
        let without = JobRun::gather(jobs.jobs().filter(|id| !ids.contains(id)));
        without.into_iter().for_each(|part| self.insert(part, run));
        Ok(())
    }

    /// Puts jobs into a run of their own.
    fn insert(&mut self, part: JobRun, run: Run) {
        self.runs.insert(part.first, Run { jobs: part.count, ..run });
    }

    /// Jobs have rows of their own from now on.
    pub(super) fn remove(&mut self, tables: &Connection, jobs: JobRun) -> Result<()> {
        self.load(tables, jobs)?;
        self.among(jobs).into_iter().for_each(|part| self.cut(part));
        Ok(())
    }

    /// The jobs among these that lie in runs.
    fn among(&self, jobs: JobRun) -> Vec<JobRun> {
        let before = self.runs.range(..=jobs.first).next_back().map_or(jobs.first, |(id, _)| *id);
        let found = self.runs.range(before..jobs.end()).filter_map(|(first, run)| {
            let start = first.0.max(jobs.first.0);
            let end = (first.0 + run.jobs).min(jobs.end().0);
            let count = end.checked_sub(start).filter(|count| *count > 0)?;
            Some(JobRun { first: JobId(start), count })
        });
        found.collect()
    }

    /// Takes a part out of a run, which may leave one on either side.
    fn cut(&mut self, part: JobRun) {
        let Some((first, run)) =
            self.runs.range(..=part.first).next_back().map(|(id, r)| (*id, *r))
        else {
            return;
        };
        self.runs.remove(&first);
        let before = part.first.0 - first.0;
        let after = (first.0 + run.jobs).saturating_sub(part.end().0);
        if before > 0 {
            self.runs.insert(first, Run { jobs: before, ..run });
        }
        if after > 0 {
            self.runs.insert(part.end(), Run { jobs: after, ..run });
        }
    }

    /// Makes sure that what the table has of these jobs is here.
    fn load(&mut self, tables: &Connection, jobs: JobRun) -> Result<()> {
        let near = self.runs.range(..=jobs.first).next_back();
        if near.is_some_and(|(first, run)| first.0 + run.jobs >= jobs.end().0) {
            return Ok(());
        }
        let mut select = tables.prepare_cached(
            "SELECT * FROM runs WHERE first < ?2
             AND first >= coalesce((SELECT max(first) FROM runs WHERE first <= ?1), ?1)",
        )?;
        let found = select.query_map([jobs.first.0, jobs.end().0].map(u64::cast_signed), run_of)?;
        for found in found {
            let (first, run) = found?;
            if self.replaced.insert(first) {
                self.runs.insert(first, run);
            }
        }
        Ok(())
    }

    /// Writes all that was touched.
    pub(super) fn store(&mut self, tables: &Connection) -> Result<()> {
        for first in self.replaced.iter().filter(|first| !self.runs.contains_key(first)) {
            tables
                .prepare_cached("DELETE FROM runs WHERE first = ?1")?
                .execute([first.0.cast_signed()])?;
        }
        for (first, run) in &self.runs {
            tables
                .prepare_cached("INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
                .execute(params![
                    first.0.cast_signed(),
                    run.jobs.cast_signed(),
                    run.batch.0.cast_signed(),
                    run.state.as_str(),
                    run.at.0.cast_signed(),
                    run.cause.and_then(Cause::code),
                    run.cause.map(|cause| to_json(&cause)).transpose()?
                ])?;
        }
        Ok(())
    }
}

/// Moves those of the jobs that have rows; returns how many.
fn update_rows(tables: &Connection, told: &change::Run) -> Result<u64> {
    let finished = told.state.is_final().then_some(told.at.0.cast_signed());
    let moved = tables
        .prepare_cached(
            "UPDATE jobs SET state = ?3, finished_at = ?4, code = ?5, cause = ?6
             WHERE id >= ?1 AND id < ?2",
        )?
        .execute(params![
            told.jobs.first.0.cast_signed(),
            told.jobs.end().0.cast_signed(),
            told.state.as_str(),
            finished,
            told.cause.and_then(Cause::code),
            told.cause.map(|cause| to_json(&cause)).transpose()?
        ])?;
    Ok(moved as u64)
}

fn run_of(row: &Row<'_>) -> Result<(JobId, Run)> {
    let run = Run {
        jobs: column::number(row, "jobs")?,
        batch: BatchId(column::number(row, "batch")?),
        state: column::word(row, "state")?,
        at: column::some_time(row, "at")?,
        cause: column::json(row, "cause")?,
    };
    Ok((JobId(column::number(row, "first")?), run))
}
