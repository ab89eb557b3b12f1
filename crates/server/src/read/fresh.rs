//! Tables of what has just happened: filled with the few events of one young batch, asked, and
//! emptied again. They live in memory and are filled and asked by the very code that the read
//! tables are, so the answers are the same; but nobody waits for the follower, or for a thread.
//!
//! Only the pipelines stay from one question to the next, for events name them by their ids.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use gristmill_model::{PipelineId, limits};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::{ReadError, Tables, apply, schema};
use crate::feed::Story;

/// See the module.
#[derive(Debug)]
pub(super) struct Fresh {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    pipelines: HashSet<PipelineId>,
}

/// A pipeline's row, as it lies in the read tables.
pub(super) type PipelineRow = Vec<Value>;

impl Fresh {
    pub(super) fn new() -> Result<Fresh, ReadError> {
        let connection = schema::in_memory()?;
        Ok(Fresh { inner: Mutex::new(Inner { connection, pipelines: HashSet::new() }) })
    }

    /// Whether a story about this pipeline can be told.
    pub(super) fn knows(&self, pipeline: PipelineId) -> bool {
        self.lock().pipelines.contains(&pipeline)
    }

    /// Remembers a pipeline.
    pub(super) fn learn(&self, pipeline: PipelineId, row: PipelineRow) -> Result<(), ReadError> {
        let mut inner = self.lock();
        if inner.pipelines.len() >= limits::FRESH_PIPELINES {
            inner.connection.execute("DELETE FROM pipelines", [])?;
            inner.pipelines.clear();
        }
        if inner.pipelines.insert(pipeline) {
            let values = rusqlite::params_from_iter(row);
            let insert = "INSERT OR REPLACE INTO pipelines VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            inner.connection.execute(insert, values)?;
        }
        Ok(())
    }

    /// Answers a question from a story alone; gives it back where the story is not whole.
    pub(super) fn answer<T, Q>(&self, story: &Story, question: Q) -> Result<Result<T, ReadError>, Q>
    where
        Q: FnOnce(&Tables<'_>) -> Result<T, ReadError>,
    {
        let inner = self.lock();
        // Dropped at the end, and with it all that was written.
        let told = inner.connection.unchecked_transaction().and_then(|moment| {
            apply::chunk(&moment, story.events())?;
            Ok(moment)
        });
        match told {
            Ok(moment) => Ok(question(&Tables { connection: &moment })),
            Err(error) => {
                tracing::debug!(%error, "the tables are asked instead");
                Err(question)
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
