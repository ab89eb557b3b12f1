//! The follower: takes in committed events and fills the read tables, on a thread of its own.
//!
//! Each chunk of events is one transaction, which also stores how far it came; a follower that
//! stops goes on where it was and never takes an event twice. It is not on the path of an
//! acknowledgement, so it takes what has piled up in one go: from the tail, which says when, or
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
use crate::log::{Base, LogReader};
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
        let base = log.base()?;
        let begins = base.map_or(0, |base| base.through);
        let (tables, seq) = schema::open(path, log.identity()?, last, begins)?;
        let (progress, shown) = watch::channel(Progress { seq, trouble: None });
        let read = Read::new(path.to_owned(), Arc::clone(&tail), shown)?;
        let base = base.filter(|base| seq < base.through);
        let mut following = Following { tables, log, tail, progress, base, restored: 0 };
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
    /// The base that the tables must be made from first, ...
    base: Option<Base>,
    /// ... and how many of its records they have.
    restored: u64,
}

impl Following {
    fn run(&mut self) {
        while let Some(base) = self.base {
            if !self.tail.rest(Duration::ZERO) {
                return;
            }
            match self.restore(&base) {
                Ok(false) => {}
                Ok(true) => {
                    self.base = None;
                    self.took(base.through);
                }
                Err(error) => self.trouble(&error),
            }
        }
        loop {
            let after = self.progress.borrow().seq;
            let Some(next) = self.tail.next(after) else { return };
            match self.step(after, &next) {
                Ok(seq) => self.took(seq),
                Err(error) => self.trouble(&error),
            }
        }
    }

    fn took(&self, seq: u64) {
        self.progress.send_replace(Progress { seq, trouble: None });
        self.tail.took(seq);
    }

    fn trouble(&self, error: &ReadError) {
        tracing::warn!(%error, "the read tables cannot be filled; trying again");
        self.progress.send_modify(|at| at.trouble = Some(error.to_string()));
        thread::sleep(RETRY);
    }

    /// Takes in a piece of the base; says whether that was all. Tables that are left half-way are
    /// begun anew at the next start.
    fn restore(&mut self, base: &Base) -> Result<bool, ReadError> {
        let records = self.log.read_base(base, self.restored, limits::EVENTS_PER_READ)?;
        let transaction = self.tables.transaction()?;
        apply::base(&transaction, &records)?;
        if records.is_empty() {
            apply::base_ends(&transaction, base.through)?;
        }
        transaction.commit()?;
        self.restored += records.len() as u64;
        Ok(records.is_empty())
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
