//! The follower: reads committed events and fills the read tables, on a thread of its own.
//!
//! Each chunk of events is one transaction, which also stores how far it came; a follower that
//! stops goes on where it was and never takes an event twice. It is not on the path of an
//! acknowledgement, so it takes what has piled up in one go. A failure is told to whoever waits
//! and tried again: the disk may have room later.

use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures::executor::block_on;
use gristmill_model::limits;
use rusqlite::Connection;
use tokio::sync::watch;

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

/// The running follower. It ends when the sender of `committed` is dropped.
#[derive(Debug)]
pub struct Follower {
    thread: JoinHandle<()>,
}

impl Follower {
    /// Opens the read tables, or begins them anew, and follows the log. `committed` carries the
    /// last event that is durable, from the start on.
    ///
    /// # Errors
    /// The tables cannot be opened, or the system has no thread to give.
    pub fn start(
        path: &Path,
        log: Box<dyn LogReader>,
        committed: watch::Receiver<u64>,
    ) -> Result<(Follower, Read), ReadError> {
        let (tables, seq) = schema::open(path, log.identity()?, *committed.borrow())?;
        let (progress, shown) = watch::channel(Progress { seq, trouble: None });
        let read = Read::new(path.to_owned(), committed.clone(), shown);
        let mut following = Following { tables, log, committed, progress };
        let thread =
            thread::Builder::new().name("follower".into()).spawn(move || following.run())?;
        Ok((Follower { thread }, read))
    }

    /// Waits until the follower has ended: drop the sender of `committed` first. What it has not
    /// taken in yet it takes in after the next start.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the follower of the log panicked; the read tables stand still");
        }
    }
}

struct Following {
    tables: Connection,
    log: Box<dyn LogReader>,
    committed: watch::Receiver<u64>,
    progress: watch::Sender<Progress>,
}

impl Following {
    fn run(&mut self) {
        loop {
            let target = *self.committed.borrow_and_update();
            if self.progress.borrow().seq >= target {
                match block_on(self.committed.changed()) {
                    Ok(()) => continue,
                    Err(_) => return,
                }
            }
            // Behind or not, a server that stops does not wait for its read tables.
            if self.committed.has_changed().is_err() {
                return;
            }
            if let Err(error) = self.step() {
                tracing::warn!(%error, "the read tables cannot be filled; trying again");
                self.progress.send_modify(|at| at.trouble = Some(error.to_string()));
                thread::sleep(RETRY);
            }
        }
    }

    /// Takes in one chunk.
    fn step(&mut self) -> Result<(), ReadError> {
        let after = self.progress.borrow().seq;
        let records = self.log.read(after, limits::EVENTS_PER_READ)?;
        let Some((seq, _)) = records.last() else { return Err(ReadError::Missing { after }) };
        let transaction = self.tables.transaction()?;
        apply::chunk(&transaction, &records)?;
        transaction.commit()?;
        self.progress.send_replace(Progress { seq: *seq, trouble: None });
        Ok(())
    }
}
