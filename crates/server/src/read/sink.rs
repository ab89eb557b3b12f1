//! The sink that fills the read tables: changes to rows. It knows no rule: a change says how a
//! thing stands, and that is written down. Of several changes of one row within a chunk the last is
//! written.

mod batches;
mod inputs;
mod jobs;
mod runs;

use gristmill_engine::change::{Change, Pipeline, Worker};
use gristmill_model::ProjectId;
use rusqlite::{Connection, Result, params};

use super::column::{number, to_json};
use batches::Batches;
use jobs::Jobs;
use runs::Runs;

/// Applies changes and notes the event that they lead to. The caller's transaction makes it one
/// step.
///
/// # Errors
/// The tables cannot be written.
pub(crate) fn chunk<'r>(
    tables: &Connection,
    seq: u64,
    changes: impl IntoIterator<Item = &'r Change>,
) -> Result<()> {
    apply(tables, changes)?;
    tables.prepare_cached("UPDATE position SET seq = ?1")?.execute([seq.cast_signed()])?;
    Ok(())
}

/// Applies changes that a base led to. The position stays where it is: a base counts as a whole.
///
/// # Errors
/// As [`chunk`].
pub(crate) fn apply<'r>(
    tables: &Connection,
    changes: impl IntoIterator<Item = &'r Change>,
) -> Result<()> {
    let mut sink =
        Sink { tables, batches: Batches::default(), jobs: Jobs::default(), runs: Runs::default() };
    changes.into_iter().try_for_each(|change| sink.take(change))?;
    sink.jobs.store(tables, &mut sink.runs)?;
    sink.runs.store(tables)?;
    sink.batches.store(tables)
}

/// Notes that a base was applied to its end, and through which event it stands.
///
/// # Errors
/// The tables cannot be written.
pub(crate) fn base_ends(tables: &Connection, through: u64) -> Result<usize> {
    let update = "UPDATE position SET seq = ?1, complete_after = ?1";
    tables.execute(update, [through.cast_signed()])
}

/// Names the projects of batches of which that was not written down: tables of version 5 had none.
///
/// # Errors
/// The tables cannot be read or written.
pub(crate) fn name_projects(
    tables: &Connection,
    name: impl Fn(ProjectId) -> Option<String>,
) -> Result<()> {
    let mut select =
        tables.prepare("SELECT DISTINCT project FROM batches WHERE project_name IS NULL")?;
    let nameless = select.query_map([], |row| number(row, "project"))?;
    for project in nameless.collect::<Result<Vec<u64>>>()? {
        let update = "UPDATE batches SET project_name = ?2
            WHERE project = ?1 AND project_name IS NULL";
        let name = name(ProjectId(project));
        tables.execute(update, params![project.cast_signed(), name])?;
    }
    Ok(())
}

struct Sink<'t, 'r> {
    tables: &'t Connection,
    batches: Batches<'r>,
    jobs: Jobs<'r>,
    runs: Runs,
}

impl<'r> Sink<'_, 'r> {
    /// Sends each kind of change to its place; a kind that is new does not compile here.
    fn take(&mut self, change: &'r Change) -> Result<()> {
        match change {
            Change::Pipeline(pipeline) => store_pipeline(self.tables, pipeline),
            Change::Opened(opened) => {
                self.batches.open(opened);
                Ok(())
            }
            Change::Accepted(accepted) => {
                let project = self.batches.project(self.tables, accepted.batch)?;
                inputs::store(self.tables, accepted, project)
            }
            Change::Batch(batch) => {
                self.batches.stands(batch);
                Ok(())
            }
            Change::Unmet { batch, on, when, at } => {
                batches::store_unmet(self.tables, *batch, *on, *when, *at)
            }
            Change::Announced { batch, at } => {
                self.batches.announce(*batch, *at);
                Ok(())
            }
            Change::Called { batch, delivered, detail, at } => {
                self.batches.called(*batch, *delivered, detail, *at);
                Ok(())
            }
            Change::Forgotten(batch) => {
                self.batches.forget(*batch);
                Ok(())
            }
            Change::Run(run) => {
                // What was told of single ones before must not be written over it.
                if self.jobs.overlap(run.jobs) {
                    self.jobs.store(self.tables, &mut self.runs)?;
                }
                self.runs.set(self.tables, run)
            }
            Change::Job(job) => {
                self.jobs.job(job);
                Ok(())
            }
            Change::Attempt(attempt) => {
                self.jobs.attempt(attempt);
                Ok(())
            }
            Change::Worker(worker) => store_worker(self.tables, worker),
        }
    }
}

fn store_pipeline(tables: &Connection, pipeline: &Pipeline) -> Result<()> {
    let Pipeline { id, project, version, spec, created_at } = pipeline;
    tables
        .prepare_cached("INSERT OR REPLACE INTO pipelines VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            id.0.cast_signed(),
            project.0.cast_signed(),
            spec.name,
            version,
            to_json(spec)?,
            created_at.0.cast_signed()
        ])?;
    Ok(())
}

fn store_worker(tables: &Connection, worker: &Worker) -> Result<()> {
    tables
        .prepare_cached(
            "INSERT INTO workers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (id) DO UPDATE SET left_at = ?4, draining = ?5, paused = ?6,
                 succeeded = ?7, failed = ?8",
        )?
        .execute(params![
            worker.id.0.cast_signed(),
            to_json(&worker.description)?,
            worker.joined_at.0.cast_signed(),
            worker.left_at.map(|at| at.0.cast_signed()),
            worker.draining,
            worker.paused,
            worker.succeeded.cast_signed(),
            worker.failed.cast_signed()
        ])?;
    Ok(())
}
