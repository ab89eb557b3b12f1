//! Workers, those that are gone included.
//!
//! The tables know who joined, drains and left, and what came of the attempts. Whether a worker is
//! connected and how many attempts run and wait there is the engine's to say: such a worker is
//! shown as ready with nothing running, for the caller to overlay.

use gristmill_model::api::{self, Page, WorkerState};
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{WorkerId, limits};
use rusqlite::{OptionalExtension, Result, Row};

use super::column::{number, some_json, some_time, time};
use super::{ReadError, Tables, page};

impl Tables<'_> {
    /// A worker by its id.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn worker(&self, id: WorkerId) -> Result<Option<api::Worker>, ReadError> {
        let mut select = self.connection.prepare_cached("SELECT * FROM workers WHERE id = ?1")?;
        Ok(select.query_row([id.0.cast_signed()], worker_of).optional()?)
    }

    /// A page of the workers in the order in which they joined: those after `after`.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn workers(
        &self,
        gone_too: bool,
        after: Option<WorkerId>,
        limit: usize,
    ) -> Result<Page<api::Worker>, ReadError> {
        let limit = limit.min(limits::PAGE);
        let mut select = self.connection.prepare_cached(
            "SELECT * FROM workers WHERE id > ?1 AND (?2 OR left_at IS NULL) ORDER BY id LIMIT ?3",
        )?;
        let after = after.map_or(-1, |id| id.0.cast_signed());
        let items: Vec<api::Worker> = select
            .query_map((after, gone_too, limit as i64 + 1), worker_of)?
            .collect::<Result<_>>()?;
        Ok(page(items, limit))
    }
}

fn worker_of(row: &Row<'_>) -> Result<api::Worker> {
    let left_at = time(row, "left_at")?;
    let state = match (left_at, row.get("draining")?, row.get("paused")?) {
        (Some(_), ..) => WorkerState::Gone,
        (None, true, _) => WorkerState::Draining,
        (None, false, true) => WorkerState::Paused,
        (None, false, false) => WorkerState::Ready,
    };
    let WorkerDescription { name, version, shape } = some_json(row, "description")?;
    Ok(api::Worker {
        id: WorkerId(number(row, "id")?),
        name,
        version,
        state,
        shape,
        running: 0,
        waiting: 0,
        succeeded: number(row, "succeeded")?,
        failed: number(row, "failed")?,
        devices: Vec::new(),
        joined_at: some_time(row, "joined_at")?,
        left_at,
    })
}
