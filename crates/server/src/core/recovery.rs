//! Recovery: every record of the log goes through `apply`, the same way as when it happened; where
//! the log begins with a base, its records first. It makes the same changes as when it happened,
//! and with those the read tables are brought up to date.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use gristmill_engine::Engine;
use gristmill_engine::change::Made;
use gristmill_model::event::Record;
use gristmill_model::limits;

use crate::feed::{Committed, Tail};
use crate::follower::Tables;
use crate::log::{self, LogError, LogReader};
use crate::read::ReadError;

/// Why the log's events cannot be brought back to life.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// It cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The read tables cannot be filled.
    #[error(transparent)]
    Tables(#[from] ReadError),
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
/// What this changes goes to the tables as far as they lack it, and the newest of it to the tail.
///
/// # Errors
/// The log cannot be read, what it says cannot have happened, or the tables cannot be filled.
pub(crate) fn recover(
    engine: &mut Engine,
    log: &dyn LogReader,
    last: u64,
    tables: &mut Tables,
    tail: &Tail,
) -> Result<(), RecoveryError> {
    let through = log.base()?.map_or(0, |base| base.through);
    let mut base_open = tables.seq() < through;
    log::replay(log, u64::MAX, |after, records| {
        if after == 0 && through > 0 {
            let changes = apply(engine, after, records, base_open)?;
            if base_open {
                tables.take_base(&changes)?;
            }
            return Ok(());
        }
        if std::mem::take(&mut base_open) {
            tables.base_ends(through)?;
        }
        piece(engine, after, records, last, tables, tail)
    })?;
    if base_open {
        tables.base_ends(through)?;
    }
    tables.name_projects(engine.state())?;
    engine.make_changes(true);
    catch_unwind(AssertUnwindSafe(|| engine.check()))
        .map_err(|_| RecoveryError::Contradiction { after: 0 })
}

/// Replays a piece of the log: what the tables show already, and what they do not, apart.
fn piece(
    engine: &mut Engine,
    after: u64,
    records: &[(u64, Record)],
    last: u64,
    tables: &mut Tables,
    tail: &Tail,
) -> Result<(), RecoveryError> {
    let shown = records.partition_point(|(seq, _)| *seq <= tables.seq());
    for part in [&records[..shown], &records[shown..]] {
        let Some((end, _)) = part.last() else { continue };
        let lacks = *end > tables.seq();
        let recent = last - *end < limits::FEED_KEPT;
        let changes = apply(engine, after, part, lacks || recent)?;
        if lacks {
            tables.take(*end, &changes)?;
        }
        if recent {
            let records = part.iter().map(|(_, record)| record.clone()).collect();
            tail.recall(Arc::new(Committed::new(*end, records, changes)));
        }
    }
    Ok(())
}

/// Applies records and returns what they change, if that is wanted. The engine asserts its
/// invariants; after a panic it is thrown away.
fn apply(
    engine: &mut Engine,
    after: u64,
    records: &[(u64, Record)],
    wanted: bool,
) -> Result<Vec<Made>, RecoveryError> {
    let applied = catch_unwind(AssertUnwindSafe(|| {
        engine.make_changes(wanted);
        records.iter().for_each(|(_, record)| engine.apply(record));
        engine.take_changes()
    }));
    applied.map_err(|_| RecoveryError::Contradiction { after })
}
