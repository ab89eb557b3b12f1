//! Jobs of ranges while a chunk of events is applied: runs of them that nothing has happened to
//! alone. What happens to a run moves it as it is; the first thing that happens to a single job
//! makes it a row like any other.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::job::JobState;
use gristmill_model::source::{Items, Source};
use gristmill_model::{BatchId, JobId, JobRun, Time};
use rusqlite::{Connection, Result, Row, params};

use super::JobRow;
use crate::read::column::{self, to_json};

/// Jobs with consecutive ids that stand alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fold {
    pub jobs: u64,
    pub batch: BatchId,
    /// The first job of the range to which they belong.
    pub range: JobId,
    pub state: JobState,
    pub since: Time,
}

/// What all jobs of a range have in common.
#[derive(Debug)]
struct Range {
    place: u64,
    priority: i32,
    created_at: Time,
    items: Items,
}

/// The folds that a chunk has touched.
#[derive(Debug, Default)]
pub(super) struct Folds {
    runs: BTreeMap<JobId, Fold>,
    /// What the table has instead of them, by the first of each.
    replaced: BTreeSet<JobId>,
    ranges: BTreeMap<JobId, Range>,
}

impl Folds {
    /// Writes down a range, all of which is folded.
    pub fn add(
        &mut self,
        tables: &Connection,
        run: JobRun,
        (batch, place, priority): (BatchId, u64, i32),
        source: &Source,
        at: Time,
    ) -> Result<()> {
        let whole = (run, JobState::Queued, at);
        self.restore(tables, run.first, (batch, place, priority), (source, at), &[whole])
    }

    /// Writes down a range of which only these are folded.
    pub fn restore(
        &mut self,
        tables: &Connection,
        range: JobId,
        (batch, place, priority): (BatchId, u64, i32),
        (source, at): (&Source, Time),
        folds: &[(JobRun, JobState, Time)],
    ) -> Result<()> {
        tables.prepare_cached("INSERT INTO ranges VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
            params![
                range.0.cast_signed(),
                batch.0.cast_signed(),
                place.cast_signed(),
                priority,
                to_json(source)?,
                at.0.cast_signed()
            ],
        )?;
        for (run, state, since) in folds {
            let (jobs, state, since) = (run.count, *state, *since);
            self.runs.insert(run.first, Fold { jobs, batch, range, state, since });
        }
        Ok(())
    }

    /// The folded jobs among these, run by run.
    pub fn among(&mut self, tables: &Connection, run: JobRun) -> Result<Vec<(JobRun, Fold)>> {
        self.load(tables, run)?;
        let before = self.runs.range(..=run.first).next_back().map_or(run.first, |(id, _)| *id);
        let found = self.runs.range(before..run.end()).filter_map(|(first, fold)| {
            let start = first.0.max(run.first.0);
            let end = (first.0 + fold.jobs).min(run.end().0);
            let count = end.checked_sub(start).filter(|count| *count > 0)?;
            Some((JobRun { first: JobId(start), count }, *fold))
        });
        Ok(found.collect())
    }

    /// Moves a part of a fold to another state.
    pub fn move_to(&mut self, part: JobRun, state: JobState, at: Time) {
        if let Some(fold) = self.cut(part) {
            self.runs.insert(part.first, Fold { jobs: part.count, state, since: at, ..fold });
        }
    }

    /// Makes a folded job a row, and writes what never moves of it.
    pub fn unfold(&mut self, tables: &Connection, id: JobId) -> Result<Option<JobRow>> {
        if self.among(tables, JobRun::one(id))?.is_empty() {
            return Ok(None);
        }
        let Some(fold) = self.cut(JobRun::one(id)) else { return Ok(None) };
        let range = self.range(tables, fold.range)?;
        let index = id.0 - fold.range.0;
        tables
            .prepare_cached("INSERT INTO specs VALUES (?1, ?2, NULL, NULL, ?3, NULL, ?4)")?
            .execute(params![
                id.0.cast_signed(),
                range.priority,
                to_json(&range.items.item(index))?,
                range.created_at.0.cast_signed()
            ])?;
        let mut row = JobRow::new(fold.batch, range.place + index);
        row.state = fold.state;
        row.counted = Some(fold.state);
        row.finished_at = fold.state.is_final().then_some(fold.since);
        Ok(Some(row))
    }

    /// Writes all that was touched.
    pub fn store(&self, tables: &Connection) -> Result<()> {
        for first in self.replaced.iter().filter(|first| !self.runs.contains_key(first)) {
            tables
                .prepare_cached("DELETE FROM folds WHERE first = ?1")?
                .execute([first.0.cast_signed()])?;
        }
        for (first, fold) in &self.runs {
            tables
                .prepare_cached("INSERT OR REPLACE INTO folds VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![
                    first.0.cast_signed(),
                    fold.jobs.cast_signed(),
                    fold.batch.0.cast_signed(),
                    fold.range.0.cast_signed(),
                    fold.state.as_str(),
                    fold.since.0.cast_signed()
                ])?;
        }
        Ok(())
    }

    /// Takes a part out of a fold, which may leave a fold on either side.
    fn cut(&mut self, part: JobRun) -> Option<Fold> {
        let (first, fold) = self.runs.range(..=part.first).next_back().map(|(id, f)| (*id, *f))?;
        self.runs.remove(&first);
        let before = part.first.0 - first.0;
        let after = (first.0 + fold.jobs).saturating_sub(part.end().0);
        if before > 0 {
            self.runs.insert(first, Fold { jobs: before, ..fold });
        }
        if after > 0 {
            self.runs.insert(part.end(), Fold { jobs: after, ..fold });
        }
        Some(fold)
    }

    /// Makes sure that what the table says of these jobs is here.
    fn load(&mut self, tables: &Connection, run: JobRun) -> Result<()> {
        let near = self.runs.range(..=run.first).next_back();
        if near.is_some_and(|(first, fold)| first.0 + fold.jobs >= run.end().0) {
            return Ok(());
        }
        let mut select = tables.prepare_cached(
            "SELECT * FROM folds WHERE first < ?2
             AND first >= coalesce((SELECT max(first) FROM folds WHERE first <= ?1), ?1)",
        )?;
        let found = select.query_map([run.first.0, run.end().0].map(u64::cast_signed), fold_of)?;
        for found in found {
            let (first, fold) = found?;
            if self.replaced.insert(first) {
                self.runs.insert(first, fold);
            }
        }
        Ok(())
    }

    fn range(&mut self, tables: &Connection, first: JobId) -> Result<&Range> {
        match self.ranges.entry(first) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(free) => {
                let mut select = tables.prepare_cached("SELECT * FROM ranges WHERE first = ?1")?;
                Ok(free.insert(select.query_row([first.0.cast_signed()], range_of)?))
            }
        }
    }
}

fn fold_of(row: &Row<'_>) -> Result<(JobId, Fold)> {
    let fold = Fold {
        jobs: column::number(row, "jobs")?,
        batch: BatchId(column::number(row, "batch")?),
        range: JobId(column::number(row, "range")?),
        state: column::word(row, "state")?,
        since: column::some_time(row, "since")?,
    };
    Ok((JobId(column::number(row, "first")?), fold))
}

fn range_of(row: &Row<'_>) -> Result<Range> {
    Ok(Range {
        place: column::number(row, "place")?,
        priority: row.get("priority")?,
        created_at: column::some_time(row, "created_at")?,
        items: column::items(row, "source")?,
    })
}
