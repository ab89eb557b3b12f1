//! The thread that fills the read tables with what is committed.
//!
//! What has gathered is one transaction, which also stores how far it came. It is not on the path
//! of an acknowledgement, so it takes what has piled up in one go. A failure is told to whoever
//! waits and tried again: the disk may have room later. What it had not taken in when the server
//! stopped is made up for by recovery, which makes the same changes from the log.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gristmill_engine::State;
use gristmill_engine::change::Made;
use rusqlite::Connection;
use tokio::sync::watch;

use crate::feed::{Committed, Tail};
use crate::log::LogReader;
use crate::read::{Read, ReadError, schema, sink};

/// Pause before a chunk that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How far the read tables have come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// The last event that they show.
    pub seq: u64,
    /// What holds them up, if something does.
    pub trouble: Option<String>,
}

/// The read tables, open for writing and not yet followed.
#[derive(Debug)]
pub(crate) struct Tables {
    connection: Connection,
    seq: u64,
}

impl Tables {
    /// Opens the read tables of a log that ends at `last`, or begins them anew.
    ///
    /// # Errors
    /// The tables cannot be opened.
    pub(crate) fn open(path: &Path, log: &dyn LogReader, last: u64) -> Result<Tables, ReadError> {
        let begins = log.base()?.map_or(0, |base| base.through);
        let (connection, seq) = schema::open(path, log.identity()?, last, begins)?;
        Ok(Tables { connection, seq })
    }

    /// The last event that they show.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Takes in what a replayed piece of the log has changed, up to an event.
    ///
    /// # Errors
    /// The tables cannot be written.
    pub(crate) fn take(&mut self, seq: u64, changes: &[Made]) -> Result<(), ReadError> {
        let transaction = self.connection.transaction()?;
        sink::chunk(&transaction, seq, changes.iter().map(|made| &made.change))?;
        transaction.commit()?;
        self.seq = seq;
        Ok(())
    }

    /// Takes in what a piece of the log's base has changed.
    ///
    /// # Errors
    /// The tables cannot be written.
    pub(crate) fn take_base(&mut self, changes: &[Made]) -> Result<(), ReadError> {
        let transaction = self.connection.transaction()?;
        sink::apply(&transaction, changes.iter().map(|made| &made.change))?;
        transaction.commit()?;
        Ok(())
    }

    /// Names the projects of batches of which older tables did not say it.
    ///
    /// # Errors
    /// The tables cannot be written.
    pub(crate) fn name_projects(&mut self, engine: &State) -> Result<(), ReadError> {
        let name = |project| engine.project(project).map(|project| project.name.to_string());
        Ok(sink::name_projects(&self.connection, name)?)
    }

    /// Notes that the base was taken in, and through which event it stands. Tables that are left
    /// half-way are begun anew at the next start.
    ///
    /// # Errors
    /// The tables cannot be written.
    pub(crate) fn base_ends(&mut self, through: u64) -> Result<(), ReadError> {
        sink::base_ends(&self.connection, through)?;
        self.seq = through;
        Ok(())
    }
}

/// The running thread. It ends when the tail is closed.
#[derive(Debug)]
pub struct Follower {
    thread: JoinHandle<()>,
}

impl Follower {
    /// Fills the tables with what the tail tells from now on.
    ///
    /// # Errors
    /// The tables cannot be read, or the system has no thread to give.
    pub(crate) fn start(
        path: &Path,
        tables: Tables,
        tail: Arc<Tail>,
    ) -> Result<(Follower, Read), ReadError> {
        let Tables { connection, seq } = tables;
        let (progress, shown) = watch::channel(Progress { seq, trouble: None });
        let read = Read::new(path.to_owned(), Arc::clone(&tail), shown);
        let mut following = Following { tables: connection, tail, progress };
        let thread = thread::Builder::new().name("tables".into()).spawn(move || following.run())?;
        Ok((Follower { thread }, read))
    }

    /// Waits until the thread has ended: close the tail first.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the thread that fills the read tables panicked; they stand still");
        }
    }
}

struct Following {
    tables: Connection,
    tail: Arc<Tail>,
    progress: watch::Sender<Progress>,
}

impl Following {
    fn run(&mut self) {
        loop {
            let after = self.progress.borrow().seq;
            let Some(rounds) = self.tail.next(after) else { return };
            match self.step(&rounds) {
                Ok(seq) => {
                    self.tail.took(seq);
                    self.progress.send_replace(Progress { seq, trouble: None });
                }
                Err(error) => {
                    tracing::warn!(%error, "the read tables cannot be filled; trying again");
                    self.progress.send_modify(|at| at.trouble = Some(error.to_string()));
                    thread::sleep(RETRY);
                }
            }
        }
    }

    /// Takes in rounds; returns where they end.
    fn step(&mut self, rounds: &[Arc<Committed>]) -> Result<u64, ReadError> {
        let Some(last) = rounds.last() else { return Ok(self.progress.borrow().seq) };
        let transaction = self.tables.transaction()?;
        let changes = rounds.iter().flat_map(|round| &round.changes).map(|made| &made.change);
        sink::chunk(&transaction, last.last, changes)?;
        transaction.commit()?;
        Ok(last.last)
    }
}
