//! Recovery: every record of the log goes through `apply`, the same way as when it happened; where
//! the log begins with a base, its records first.

use std::panic::{AssertUnwindSafe, catch_unwind};

use gristmill_engine::Engine;
use gristmill_model::event::Record;

use crate::feed::Runs;
use crate::log::{self, LogError, LogReader};

/// Why the log's events cannot be brought back to life.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// It cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The events contradict each other: somebody changed the log, or we have a bug.
    #[error(
        "the events after number {after} contradict those before: restore the data folder from a \
         backup, and report this"
    )]
    Contradiction {
        /// The last event before the piece that does not fit.
        after: u64,
    },
}

/// Replays the log into an engine to which nothing has happened: its base, and what came after.
///
/// # Errors
/// The log cannot be read, or what it says cannot have happened.
pub(crate) fn recover(engine: &mut Engine, log: &dyn LogReader) -> Result<Runs, RecoveryError> {
    let mut runs = Runs::default();
    log::replay(log, u64::MAX, |after, records| apply(engine, &mut runs, after, records))?;
    catch_unwind(AssertUnwindSafe(|| engine.check()))
        .map_err(|_| RecoveryError::Contradiction { after: 0 })?;
    Ok(runs)
}

/// Applies a piece. The engine asserts its invariants; after a panic it is thrown away.
fn apply(
    engine: &mut Engine,
    runs: &mut Runs,
    after: u64,
    records: &[(u64, Record)],
) -> Result<(), RecoveryError> {
    let applied = catch_unwind(AssertUnwindSafe(|| {
        for (_, record) in records {
            engine.apply(record);
            runs.learn(&record.event);
        }
    }));
    applied.map_err(|_| RecoveryError::Contradiction { after })
}
