//! The log of events: the database. An append is one group commit, and what it returned for is
//! on disk.
//!
//! Records get consecutive sequence numbers from 1. The log knows neither the engine nor what its
//! events mean; it keeps them in order and gives them back whole. Whoever appends is alone (the
//! core loop); whoever reads has a [`LogReader`] of its own and may sit on any thread.

mod error;
mod identity;
mod memory;
mod row;
mod sqlite;

#[cfg(test)]
pub(crate) mod conformance;

use gristmill_model::event::Record;

pub use error::LogError;
pub use identity::LogId;
pub use memory::MemoryLog;
pub use sqlite::{Durability, SqliteLog};
pub(crate) use sqlite::{look, renew_identity};

/// The writing side. `append`, `last` and a reader's `read` and `identity` are all that a store
/// must be able to do; the conformance suite says how.
pub trait Log: Send {
    /// Writes the records after all others and returns the sequence number of the last; with
    /// nothing to write, that of the last one so far. All or none of them are in the log, and
    /// after `Ok` they survive a power cut.
    ///
    /// Pulse records are passed over: they are never written and get no number.
    ///
    /// # Errors
    /// After an error it is not known what a restart will find: the caller ends.
    fn append(&mut self, records: &[Record]) -> Result<u64, LogError>;

    /// Sequence number of the last record; 0 for an empty log.
    fn last(&self) -> u64;

    /// A reading side of its own, which sees what is committed and never blocks the writer.
    ///
    /// # Errors
    /// The store cannot be opened once more.
    fn reader(&self) -> Result<Box<dyn LogReader>, LogError>;
}

/// The reading side: recovery, the follower and the feed's replay all read here.
pub trait LogReader: Send + Sync {
    /// Records after a sequence number, in order and without gaps. An empty answer means that
    /// there are none yet. A shorter one means nothing: it holds at most `max_records`, and stops
    /// earlier where it would grow beyond `limits::EVENT_BYTES_PER_READ`.
    ///
    /// # Errors
    /// The store cannot be read, or what it holds is damaged.
    fn read(&self, after: u64, max_records: usize) -> Result<Vec<(u64, Record)>, LogError>;

    /// Which log this is: what was filled from one log must not be continued from another.
    ///
    /// # Errors
    /// The store cannot be read.
    fn identity(&self) -> Result<LogId, LogError>;
}
