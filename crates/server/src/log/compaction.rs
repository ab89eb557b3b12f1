//! How old records give way to a base: written aside, put in force in one step, and only then is
//! the room of what it stands for used again. After a crash the log is as it was, or the new base
//! is in force; what is left over belongs to nobody and is cleared.

use gristmill_model::event::Record;

use super::LogError;

/// Records that stand in the place of all that was appended up to some number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// The last record that it stands for.
    pub through: u64,
    /// How many records it has.
    pub records: u64,
    /// Tells it from those before it.
    pub(super) generation: u64,
}

/// The hand that compacts. It may sit on any thread; there is one at a time.
///
/// Each step is short, so that an append that comes in between waits no longer than for any other
/// append.
pub trait Compaction: Send {
    /// Begins a new base, which is in force only when it is finished.
    ///
    /// # Errors
    /// The store cannot be read.
    fn begin(&mut self) -> Result<(), LogError>;

    /// Writes the next records of the base. A large piece takes several steps.
    ///
    /// # Errors
    /// The store cannot be written; what was begun is worth nothing then.
    fn write(&mut self, records: &[Record]) -> Result<(), LogError>;

    /// What was written, read back as by [`LogReader::read_base`](super::LogReader::read_base).
    ///
    /// # Errors
    /// The store cannot be read, or does not give back what was written.
    fn written(&self, after: u64, max_records: usize) -> Result<Vec<(u64, Record)>, LogError>;

    /// Puts what was written in the place of all records up to `through`, and returns it. Appends
    /// that are acknowledged later are durable only with it.
    ///
    /// # Errors
    /// The store cannot be written: then the base before it is still in force.
    fn finish(&mut self, through: u64) -> Result<Base, LogError>;

    /// Lets go of a piece of what no longer counts: records that the base stands for, bases that
    /// are not in force. Says whether there was any.
    ///
    /// # Errors
    /// The store cannot be written; what is left is cleared by a later call.
    fn clear(&mut self) -> Result<bool, LogError>;
}
