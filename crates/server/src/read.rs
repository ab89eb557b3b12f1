//! Questions to the read tables: lists, searches, histories and counts; and how one thing stands
//! that the tables do not show yet.
//!
//! The tables are filled with the engine's changes and hold nothing that the log does not. A
//! question first waits until they show all that was acknowledged before it was asked, so clients
//! read their own writes. What is true only while the server runs (whether a worker is connected,
//! what runs and waits there, progress) is left for the caller to add.

mod attempts;
mod batches;
mod column;
mod error;
mod filter;
mod inputs;
mod jobs;
mod logged;
mod pending;
mod pipelines;
mod runs;
pub(crate) mod schema;
mod shown;
pub(crate) mod sink;
mod version5;
mod workers;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gristmill_model::api::Page;
use gristmill_model::{Span, limits};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::feed::Tail;
use crate::follower::Progress;
pub use batches::CallDue;
pub use error::ReadError;
pub use jobs::JobPage;
pub use logged::{Logged, Whose};

/// Where questions are asked; a clone asks at the same place.
#[derive(Debug, Clone)]
pub struct Read {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// The newest events; it is told when the tables are waited for.
    tail: Arc<Tail>,
    /// How far the tables have come.
    progress: watch::Receiver<Progress>,
    turns: Arc<Semaphore>,
    /// Connections that nobody uses right now; at most one for each turn.
    idle: Mutex<Vec<Connection>>,
    pipelines: pending::Pipelines,
}

/// The tables as they were at one moment. What can be asked stands beside each kind of thing: in
/// `jobs`, `batches`, `attempts`, `workers` and `pipelines`.
#[derive(Debug)]
pub struct Tables<'c> {
    connection: &'c Connection,
}

impl Read {
    pub(crate) fn new(path: PathBuf, tail: Arc<Tail>, progress: watch::Receiver<Progress>) -> Read {
        let turns = Arc::new(Semaphore::new(limits::READERS));
        let (idle, pipelines) = (Mutex::default(), pending::Pipelines::default());
        Read { inner: Arc::new(Inner { path, tail, progress, turns, idle, pipelines }) }
    }

    /// Asks, on a thread that may block. All that one question looks at is of one moment.
    ///
    /// # Errors
    /// The tables are behind or cannot be read, or the answer took too long.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Tables<'_>) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.caught_up(self.inner.tail.committed(), limits::CATCH_UP).await?;
        // Held by the work, not by whoever waits for it: they may go away before it ends.
        let turn = Arc::clone(&self.inner.turns).acquire_owned().await;
        let Ok(turn) = turn else { return Err(ReadError::Stopped) };
        let connection = self.inner.connection()?;
        let interrupt = connection.get_interrupt_handle();
        let inner = Arc::clone(&self.inner);
        let mut answer = spawn_blocking(move || {
            let answer = answer(&connection, question);
            inner.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(turn);
            answer
        });
        let answered = match timeout(limits::QUESTION.to_std(), &mut answer).await {
            Ok(answered) => answered,
            // Interrupted, it ends at once with an error of its own.
            Err(_) => {
                interrupt.interrupt();
                answer.await
            }
        };
        answered.unwrap_or(Err(ReadError::Stopped))
    }

    /// Waits until the tables show this event.
    ///
    /// # Errors
    /// They do not get there in time, or never will.
    pub async fn caught_up(&self, seq: u64, wait: Span) -> Result<(), ReadError> {
        if self.inner.progress.borrow().seq >= seq {
            return Ok(());
        }
        self.inner.tail.want(seq);
        let mut progress = self.inner.progress.clone();
        let arrival = progress.wait_for(|at| at.seq >= seq);
        match timeout(wait.to_std(), arrival).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(ReadError::Stopped),
            Err(_) => {
                let Progress { seq: at, trouble } = self.inner.progress.borrow().clone();
                Err(ReadError::Behind { at, wanted: seq, why: trouble })
            }
        }
    }

    /// The last event that the tables show.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.inner.progress.borrow().seq
    }
}

impl Inner {
    fn connection(&self) -> Result<Connection, ReadError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(limits::QUESTION.to_std())?;
        schema::plan_once(&connection)?;
        Ok(connection)
    }
}

fn answer<T>(
    connection: &Connection,
    question: impl FnOnce(&Tables<'_>) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let _moment = connection.unchecked_transaction()?;
    question(&Tables { connection })
}

/// The page of `limit` rows, out of one row more if there are more.
fn page<T>(mut rows: Vec<T>, limit: usize) -> Page<T> {
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Page { items: rows, has_more }
}
