//! Rows of batches: what was said once when they were opened, and how they stand.

use std::collections::BTreeMap;

use gristmill_engine::change::{Batch, Opened};
use gristmill_model::job::JobState;
use gristmill_model::terms::{Target, Terms, When};
use gristmill_model::{BatchId, ProjectId, Time};
use rusqlite::types::Value;
use rusqlite::{Connection, Result, params, params_from_iter};

use crate::read::column::to_json;

/// Who submitted a batch of which only a base tells.
const NOT_KNOWN: &str = "unknown";

/// Batches that a chunk has touched.
#[derive(Debug, Default)]
pub(super) struct Batches<'r> {
    touched: BTreeMap<BatchId, Touched<'r>>,
}

/// What a chunk has told of a batch.
#[derive(Debug, Default)]
struct Touched<'r> {
    opened: Option<&'r Opened>,
    stands: Option<&'r Batch>,
    announced: Option<Time>,
    called: Option<(bool, &'r str, Time)>,
    forgotten: bool,
}

impl<'r> Batches<'r> {
    pub(super) fn open(&mut self, opened: &'r Opened) {
        self.of(opened.batch).opened = Some(opened);
    }

    pub(super) fn stands(&mut self, batch: &'r Batch) {
        self.of(batch.id).stands = Some(batch);
    }

    pub(super) fn announce(&mut self, batch: BatchId, at: Time) {
        let touched = self.of(batch);
        (touched.announced, touched.called) = (Some(at), None);
    }

    pub(super) fn called(&mut self, batch: BatchId, delivered: bool, detail: &'r str, at: Time) {
        self.of(batch).called = Some((delivered, detail, at));
    }

    pub(super) fn forget(&mut self, batch: BatchId) {
        self.of(batch).forgotten = true;
    }

    /// Whose work a batch is.
    pub(super) fn project(&self, tables: &Connection, batch: BatchId) -> Result<ProjectId> {
        if let Some(opened) = self.touched.get(&batch).and_then(|touched| touched.opened) {
            return Ok(opened.opening.project);
        }
        let mut select = tables.prepare_cached("SELECT project FROM batches WHERE id = ?1")?;
        let found: i64 = select.query_row([batch.0.cast_signed()], |row| row.get(0))?;
        Ok(ProjectId(found.cast_unsigned()))
    }

    fn of(&mut self, batch: BatchId) -> &mut Touched<'r> {
        self.touched.entry(batch).or_default()
    }

    /// Writes all rows.
    pub(super) fn store(&self, tables: &Connection) -> Result<()> {
        for (id, touched) in &self.touched {
            let key = id.0.cast_signed();
            if let Some(opened) = touched.opened {
                insert(tables, opened, touched.stands)?;
            } else if let Some(stands) = touched.stands {
                update(tables, stands)?;
            }
            if let Some(at) = touched.announced {
                tables
                    .prepare_cached(
                        "UPDATE batches SET announced_at = ?2, delivered = NULL,
                             call_detail = NULL, called_at = NULL WHERE id = ?1",
                    )?
                    .execute([key, at.0.cast_signed()])?;
            }
            if let Some((delivered, detail, at)) = touched.called {
                tables
                    .prepare_cached(
                        "UPDATE batches SET delivered = ?2, call_detail = ?3, called_at = ?4
                         WHERE id = ?1",
                    )?
                    .execute(params![key, delivered, detail, at.0.cast_signed()])?;
            }
            if touched.forgotten {
                tables
                    .prepare_cached("UPDATE batches SET forgotten = 1 WHERE id = ?1")?
                    .execute([key])?;
            }
        }
        Ok(())
    }
}

fn insert(tables: &Connection, opened: &Opened, stands: Option<&Batch>) -> Result<()> {
    let opening = &opened.opening;
    let terms = (opening.terms != Terms::default()).then(|| to_json(&opening.terms)).transpose()?;
    let actor = opened.actor.map_or_else(|| NOT_KNOWN.to_owned(), |actor| actor.to_string());
    let said = [
        opened.batch.0.cast_signed().into(),
        opening.project.0.cast_signed().into(),
        opened.project_name.to_string().into(),
        opening.pipeline.0.cast_signed().into(),
        actor.into(),
        opening.name.clone().into(),
        opening.priority.into(),
        to_json(&opening.labels)?.into(),
        terms.into(),
        opened.created_at.0.cast_signed().into(),
    ];
    let moving = moving(stands)?;
    tables
        .prepare_cached(
            "INSERT OR REPLACE INTO batches (id, project, project_name, pipeline, actor, name,
                 priority, labels, terms, created_at, open, counts, waits, held, start_at, pending,
                 finished_at, forgotten)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, 0)",
        )?
        .execute(params_from_iter(said.into_iter().chain(moving)))?;
    Ok(())
}

fn update(tables: &Connection, stands: &Batch) -> Result<()> {
    let key = stands.id.0.cast_signed();
    tables
        .prepare_cached(
            "UPDATE batches SET open = ?2, counts = ?3, waits = ?4, held = ?5, start_at = ?6,
                 pending = ?7, finished_at = ?8 WHERE id = ?1",
        )?
        .execute(params_from_iter([Value::from(key)].into_iter().chain(moving(Some(stands))?)))?;
    Ok(())
}

/// How a batch stands, as the columns from `open` to `finished_at` have it. One that was opened and
/// forgotten at once stands nowhere.
fn moving(stands: Option<&Batch>) -> Result<[Value; 7]> {
    let time = |at: Option<Time>| Value::from(at.map(|at| at.0.cast_signed()));
    let Some(stands) = stands else {
        let (none, queued) = ("{}".to_owned(), JobState::Queued.as_str().to_owned());
        return Ok([
            false.into(),
            none.into(),
            queued.into(),
            false.into(),
            time(None),
            Value::Null,
            time(None),
        ]);
    };
    let pending = (!stands.pending.is_empty()).then(|| to_json(&stands.pending)).transpose()?;
    let counted = JobState::ALL.into_iter().zip(stands.counts).filter(|(_, count)| *count > 0);
    let counts: BTreeMap<JobState, u64> = counted.collect();
    Ok([
        stands.open.into(),
        to_json(&counts)?.into(),
        stands.waits_as.as_str().to_owned().into(),
        stands.held.into(),
        time(stands.start_at),
        pending.into(),
        time(stands.finished_at),
    ])
}

/// What a batch waits for in vain.
pub(super) fn store_unmet(
    tables: &Connection,
    batch: BatchId,
    on: Target,
    when: When,
    at: Time,
) -> Result<()> {
    tables.prepare_cached("INSERT OR REPLACE INTO unmet VALUES (?1, ?2, ?3, ?4)")?.execute(
        params![batch.0.cast_signed(), at.0.cast_signed(), on.to_string(), when.to_string()],
    )?;
    Ok(())
}
