//! The follower: takes in committed events and fills the read tables, on a thread of its own.
//!
//! Each chunk of events is one transaction, which also stores how far it came; a follower that
//! stops goes on where it was and never takes an event twice. It is not on the path of an
//! acknowledgement, so it takes what has piled up in one go: from the [`Tail`], which says when, or
//! from the log where it has fallen behind. A failure is told to whoever waits and tried again: the
//! disk may have room later.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gristmill_model::limits;
use rusqlite::Connection;
use tokio::sync::watch;

use crate::feed::{Next, Piece, Tail};
use crate::log::LogReader;
use crate::read::{Read, ReadError, apply, schema};

/// Pause before a chunk that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How far the read tables have come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// The last event that they show.
    pub seq: u64,
    /// What holds the follower up, if something does.
    pub trouble: Option<String>,
}

/// The running follower. It ends when the tail is closed.
#[derive(Debug)]
pub struct Follower {
    thread: JoinHandle<()>,
}

impl Follower {
    /// Opens the read tables, or begins them anew, and follows the log, which ends at `last`; what
    /// is committed later the tail tells.
    ///
    /// # Errors
    /// The tables cannot be opened, or the system has no thread to give.
    pub(crate) fn start(
        path: &Path,
        log: Box<dyn LogReader>,
        last: u64,
        tail: Arc<Tail>,
    ) -> Result<(Follower, Read), ReadError> {
        let (tables, seq) = schema::open(path, log.identity()?, last)?;
        let (progress, shown) = watch::channel(Progress { seq, trouble: None });
        let read = Read::new(path.to_owned(), Arc::clone(&tail), shown)?;
        let mut following = Following { tables, log, tail, progress };
        let thread =
            thread::Builder::new().name("follower".into()).spawn(move || following.run())?;
        Ok((Follower { thread }, read))
    }

    /// Waits until the follower has ended: close the tail first. What it has not taken in yet it
    /// takes in after the next start.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the follower of the log panicked; the read tables stand still");
        }
    }
}

struct Following {
    tables: Connection,
    log: Box<dyn LogReader>,
    tail: Arc<Tail>,
    progress: watch::Sender<Progress>,
}

impl Following {
    fn run(&mut self) {
        loop {
            let after = self.progress.borrow().seq;
            let Some(next) = self.tail.next(after) else { return };
            match self.step(after, &next) {
                Ok(seq) => {
                    self.progress.send_replace(Progress { seq, trouble: None });
                    self.tail.took(seq);
                }
                Err(error) => {
                    tracing::warn!(%error, "the read tables cannot be filled; trying again");
                    self.progress.send_modify(|at| at.trouble = Some(error.to_string()));
                    thread::sleep(RETRY);
                }
            }
        }
    }

    /// Takes in one chunk; returns where it ends.
    fn step(&mut self, after: u64, next: &Next) -> Result<u64, ReadError> {
        let transaction = self.tables.transaction()?;
        let seq = match next {
            Next::Pieces(pieces) => {
                apply::chunk(&transaction, pieces.iter().flat_map(Piece::events))?
            }
            Next::Log => {
                let records = self.log.read(after, limits::EVENTS_PER_READ)?;
                apply::chunk(&transaction, records.iter().map(|(seq, record)| (*seq, record)))?
            }
        };
        let Some(seq) = seq else { return Err(ReadError::Missing { after }) };
        transaction.commit()?;
        Ok(seq)
    }
}
