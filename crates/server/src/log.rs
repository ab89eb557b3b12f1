//! The log of events: the database. An append is one group commit, and what it returned for is
//! on disk.
//!
//! Records get consecutive sequence numbers from 1. The log knows neither the engine nor what its
//! events mean; it keeps them in order and gives them back whole. Whoever appends is alone (the
//! core loop); whoever reads has a [`LogReader`] of its own and may sit on any thread.
//!
//! A *base* may stand in place of the oldest records: others that lead to the same. Whoever
//! compacts (one thread, beside the core loop) writes it aside with a [`Compaction`], puts it in
//! force, and only then lets go of what it stands for. Numbers go on as if nothing had happened.

mod compaction;
mod error;
mod identity;
mod memory;
mod row;
mod sqlite;

#[cfg(test)]
pub(crate) mod conformance;

use gristmill_model::event::Record;
use gristmill_model::limits;

pub use compaction::{Base, Compaction};
pub use error::LogError;
pub use identity::LogId;
pub use memory::MemoryLog;
pub use sqlite::{Durability, SqliteLog};
pub(crate) use sqlite::{look, renew_identity};

/// The writing side. What stands here, in [`LogReader`] and in [`Compaction`] is all that a store
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

    /// What puts a base in the place of old records, while appends go on.
    ///
    /// # Errors
    /// The store cannot be opened once more.
    fn compaction(&self) -> Result<Box<dyn Compaction>, LogError>;
}

/// The reading side: recovery, the follower and the feed's replay all read here.
pub trait LogReader: Send + Sync {
    /// Records after a sequence number, in order and without gaps. An empty answer means that
    /// there are none yet. A shorter one means nothing: it holds at most `max_records`, and stops
    /// earlier where it would grow beyond `limits::EVENT_BYTES_PER_READ`.
    ///
    /// # Errors
    /// The store cannot be read, what it holds is damaged, or a base stands in the place of what
    /// was asked for ([`LogError::Compacted`]).
    fn read(&self, after: u64, max_records: usize) -> Result<Vec<(u64, Record)>, LogError>;

    /// The base in force, if there is one: the records begin after it.
    ///
    /// # Errors
    /// The store cannot be read.
    fn base(&self) -> Result<Option<Base>, LogError>;

    /// Records of a base after the first `after` of them, numbered from 1, within the bounds of
    /// [`read`](LogReader::read). An empty answer means that these were all.
    ///
    /// # Errors
    /// The store cannot be read, the base is damaged, or another one is in force by now.
    fn read_base(
        &self,
        base: &Base,
        after: u64,
        max_records: usize,
    ) -> Result<Vec<(u64, Record)>, LogError>;

    /// Which log this is: what was filled from one log must not be continued from another.
    ///
    /// # Errors
    /// The store cannot be read.
    fn identity(&self) -> Result<LogId, LogError>;
}

/// Tells all that leads to the state after the event `through`, or to the last one: the base, and
/// the records after it. `take` gets it piece by piece, each with the number of the event that it
/// follows; pieces of the base follow none.
///
/// # Errors
/// The log cannot be read, or what `take` says.
pub(crate) fn replay<E: From<LogError>>(
    log: &dyn LogReader,
    through: u64,
    mut take: impl FnMut(u64, &[(u64, Record)]) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = 0;
    if let Some(base) = log.base()? {
        loop {
            let records = log.read_base(&base, after, limits::EVENTS_PER_READ)?;
            let Some((last, _)) = records.last() else { break };
            after = *last;
            take(0, &records)?;
        }
        after = base.through;
    }
    while after < through {
        let most = (through - after).min(limits::EVENTS_PER_READ as u64);
        let records = log.read(after, most as usize)?;
        let Some((last, _)) = records.last() else { break };
        let last = *last;
        take(after, &records)?;
        after = last;
    }
    Ok(())
}
