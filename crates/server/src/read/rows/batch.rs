//! A batch's row while a chunk of events is applied, with the runs of ids that its jobs have: what
//! is opened, filled and closed within one chunk is written once.

use std::collections::BTreeSet;

use gristmill_model::job::JobState;
use gristmill_model::terms::{Target, Terms};
use gristmill_model::{BatchId, JobId, PipelineId, ProjectId, Time};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Result, Row, params_from_iter};

use crate::read::column::{self, to_json};

/// What is said of a batch when it is opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub pipeline: PipelineId,
    pub actor: String,
    pub name: Option<String>,
    pub labels: String,
    pub terms: Terms,
    pub at: Time,
}

/// A batch.
#[derive(Debug)]
pub(crate) struct BatchRow {
    pub project: ProjectId,
    pub priority: i32,
    /// Of a batch that the table does not have yet.
    opened: Option<Opened>,
    /// The last run that the table has, and those after it.
    runs: Vec<Run>,
    moving: Moving,
    moved: bool,
}

/// What changes of a batch beside its jobs.
#[derive(Debug, Default)]
pub(crate) struct Moving {
    /// When it was closed.
    pub closed_at: Option<Time>,
    /// What keeps its waiting jobs from beginning.
    pub gate: Gate,
    /// When its end was announced to whoever is to be called, ...
    pub announced_at: Option<Time>,
    /// ... and what came of the call: delivered, in a few words, when.
    pub called: Option<(bool, String, Time)>,
    /// Whether the engine has forgotten it: its jobs cannot be retried.
    pub pruned: bool,
}

impl Moving {
    /// As the columns hold it, from `closed_at` to `pruned`.
    fn values(&self) -> Result<[Value; 10]> {
        let Moving { closed_at, gate, announced_at, called, pruned } = self;
        let time = |at: Option<Time>| Value::from(at.map(|at| at.0.cast_signed()));
        let pending = (!gate.pending.is_empty()).then(|| to_json(&gate.pending)).transpose()?;
        let called = called.as_ref();
        Ok([
            time(*closed_at),
            gate.shows().as_str().to_owned().into(),
            gate.held.into(),
            time(gate.start_at),
            pending.into(),
            time(*announced_at),
            called.map(|(delivered, ..)| *delivered).into(),
            called.map(|(_, detail, _)| detail.clone()).into(),
            time(called.map(|(_, _, at)| *at)),
            (*pruned).into(),
        ])
    }
}

/// What keeps a batch's waiting jobs from beginning.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    pub held: bool,
    /// Its start time, until that has come.
    pub start_at: Option<Time>,
    /// What must have ended first.
    pub pending: BTreeSet<Target>,
}

impl Gate {
    /// How a job that waits behind it is called.
    fn shows(&self) -> JobState {
        if self.held || !self.pending.is_empty() {
            JobState::Blocked
        } else if self.start_at.is_some() {
            JobState::Scheduled
        } else {
            JobState::Queued
        }
    }
}

/// Jobs of a batch that have consecutive ids.
#[derive(Debug)]
struct Run {
    place: u64,
    first: JobId,
    jobs: u64,
    /// How many of them the table shows; 0 for a run that it does not have.
    stored: u64,
}

impl BatchRow {
    pub(super) fn new(project: ProjectId, priority: i32, opened: Opened) -> BatchRow {
        let terms = &opened.terms;
        let gate = Gate {
            held: terms.held,
            start_at: terms.start_at,
            pending: terms.after.iter().map(|dependency| dependency.on).collect(),
        };
        let moving = Moving { gate, ..Moving::default() };
        let (opened, runs) = (Some(opened), Vec::new());
        BatchRow { project, priority, opened, runs, moving, moved: false }
    }

    pub(super) fn load(tables: &Connection, id: BatchId) -> Result<BatchRow> {
        let last = tables
            .prepare_cached("SELECT * FROM runs WHERE batch = ?1 ORDER BY place DESC LIMIT 1")?
            .query_row([id.0.cast_signed()], |row| {
                let jobs = column::number(row, "jobs")?;
                let (place, first) = (column::number(row, "place")?, column::number(row, "first")?);
                Ok(Run { place, first: JobId(first), jobs, stored: jobs })
            })
            .optional()?;
        let mut select = tables.prepare_cached("SELECT * FROM batches WHERE id = ?1")?;
        select.query_row([id.0.cast_signed()], |row| {
            let (project, priority) = (column::number(row, "project")?, row.get("priority")?);
            let (project, runs) = (ProjectId(project), last.into_iter().collect());
            let moving = moving_of(row)?;
            Ok(BatchRow { project, priority, opened: None, runs, moving, moved: false })
        })
    }

    /// Adds jobs; returns the place of the first.
    pub(crate) fn add_jobs(&mut self, first: JobId, jobs: u64) -> u64 {
        match self.runs.last_mut() {
            Some(run) if run.first.0 + run.jobs == first.0 => {
                run.jobs += jobs;
                run.place + run.jobs - jobs
            }
            last => {
                let place = last.map_or(0, |run| run.place + run.jobs);
                if jobs > 0 {
                    self.runs.push(Run { place, first, jobs, stored: 0 });
                }
                place
            }
        }
    }

    /// Where in the batch a job is, if its run is here.
    pub(crate) fn place_of(&self, job: JobId) -> Option<u64> {
        let run =
            self.runs.iter().find(|run| (run.first.0..run.first.0 + run.jobs).contains(&job.0));
        run.map(|run| run.place + (job.0 - run.first.0))
    }

    /// What changes of it, to be changed.
    pub(crate) fn moving(&mut self) -> &mut Moving {
        self.moved = true;
        &mut self.moving
    }

    /// Writes the row. `settled` is when a job of the batch last became final within the chunk.
    pub(super) fn store(
        &self,
        tables: &Connection,
        id: BatchId,
        settled: Option<Time>,
    ) -> Result<()> {
        let key = id.0.cast_signed();
        if let Some(opened) = &self.opened {
            self.insert(tables, key, opened, settled)?;
        } else {
            if self.moved {
                self.update(tables, key)?;
            }
            if let Some(at) = settled {
                super::settle_batch(tables, id, at)?;
            }
        }
        self.store_runs(tables, key)
    }

    fn insert(
        &self,
        tables: &Connection,
        key: i64,
        opened: &Opened,
        settled: Option<Time>,
    ) -> Result<usize> {
        let terms = &opened.terms;
        let told = (*terms != Terms::default()).then(|| to_json(terms)).transpose()?;
        let said = [
            key.into(),
            self.project.0.cast_signed().into(),
            opened.pipeline.0.cast_signed().into(),
            opened.actor.clone().into(),
            opened.name.clone().into(),
            self.priority.into(),
            opened.labels.clone().into(),
            told.into(),
            opened.at.0.cast_signed().into(),
            settled.map(|at| at.0.cast_signed()).into(),
        ];
        tables
            .prepare_cached(
                "INSERT INTO batches (id, project, pipeline, actor, name, priority, labels, terms,
                     created_at, settled_at, closed_at, waits, held, start_at, pending,
                     announced_at, delivered, call_detail, called_at, pruned)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                     ?17, ?18, ?19, ?20)",
            )?
            .execute(params_from_iter(said.into_iter().chain(self.moving.values()?)))
    }

    fn update(&self, tables: &Connection, key: i64) -> Result<usize> {
        tables
            .prepare_cached(
                "UPDATE batches SET closed_at = ?2, waits = ?3, held = ?4, start_at = ?5,
                     pending = ?6, announced_at = ?7, delivered = ?8, call_detail = ?9,
                     called_at = ?10, pruned = ?11
                 WHERE id = ?1",
            )?
            .execute(params_from_iter([key.into()].into_iter().chain(self.moving.values()?)))
    }

    fn store_runs(&self, tables: &Connection, key: i64) -> Result<()> {
        for run in self.runs.iter().filter(|run| run.jobs > run.stored) {
            let (place, jobs) = (run.place.cast_signed(), run.jobs.cast_signed());
            if run.stored > 0 {
                tables
                    .prepare_cached("UPDATE runs SET jobs = ?3 WHERE batch = ?1 AND place = ?2")?
                    .execute([key, place, jobs])?;
            } else {
                tables.prepare_cached("INSERT INTO runs VALUES (?1, ?2, ?3, ?4)")?.execute([
                    key,
                    place,
                    run.first.0.cast_signed(),
                    jobs,
                ])?;
            }
        }
        Ok(())
    }
}

/// Where in its batch a job is, as the table has it.
pub(super) fn stored_place(tables: &Connection, batch: BatchId, job: JobId) -> Result<u64> {
    let mut select = tables.prepare_cached(
        "SELECT place + (?2 - first) FROM runs WHERE batch = ?1 AND first <= ?2
         ORDER BY place DESC LIMIT 1",
    )?;
    let place = select.query_row([batch.0, job.0].map(u64::cast_signed), |row| row.get(0));
    place.map(i64::cast_unsigned)
}

fn moving_of(row: &Row<'_>) -> Result<Moving> {
    let delivered: Option<bool> = row.get("delivered")?;
    let (detail, at) = (row.get("call_detail")?, column::time(row, "called_at")?);
    Ok(Moving {
        closed_at: column::time(row, "closed_at")?,
        gate: Gate {
            held: row.get("held")?,
            start_at: column::time(row, "start_at")?,
            pending: column::json(row, "pending")?.unwrap_or_default(),
        },
        announced_at: column::time(row, "announced_at")?,
        called: delivered.zip(detail).zip(at).map(|((done, detail), at)| (done, detail, at)),
        pruned: row.get("pruned")?,
    })
}
