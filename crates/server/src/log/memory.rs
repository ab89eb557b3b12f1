//! A log in memory, for tests: it encodes and decodes like the real one, and forgets at the end.
//!
//! A clone is the same log opened once more, so a test can restart a server over it.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use gristmill_model::event::Record;

use super::row::{self, Gathering, Row};
use super::{Base, Compaction, Log, LogError, LogId, LogReader};

/// A log that lives as long as its last clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    store: Arc<RwLock<Store>>,
}

#[derive(Debug, Default)]
struct Store {
    /// The records after the base.
    rows: Vec<Row>,
    base: Option<Base>,
    base_rows: Vec<Row>,
}

impl MemoryLog {
    fn store(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn store_mut(&self) -> RwLockWriteGuard<'_, Store> {
        self.store.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    fn through(&self) -> u64 {
        self.base.map_or(0, |base| base.through)
    }
}

impl Log for MemoryLog {
    fn append(&mut self, records: &[Record]) -> Result<u64, LogError> {
        let new = row::rows(self.last() + 1, records)?;
        self.store_mut().rows.extend(new);
        Ok(self.last())
    }

    fn last(&self) -> u64 {
        let store = self.store();
        store.rows.last().map_or(0, Row::last).max(store.through())
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(self.clone()))
    }

    fn compaction(&self) -> Result<Box<dyn Compaction>, LogError> {
        Ok(Box::new(MemoryCompaction { log: self.clone(), rows: Vec::new() }))
    }
}

impl LogReader for MemoryLog {
    fn read(&self, after: u64, max_records: usize) -> Result<Vec<(u64, Record)>, LogError> {
        let store = self.store();
        if after < store.through() {
            return Err(LogError::Compacted { through: store.through() });
        }
        gather(&store.rows, after, max_records).map_err(|(after, why)| LogError::Damaged {
            path: "memory".into(),
            after,
            why,
        })
    }

    fn base(&self) -> Result<Option<Base>, LogError> {
        Ok(self.store().base)
    }

    fn read_base(
        &self,
        base: &Base,
        after: u64,
        max_records: usize,
    ) -> Result<Vec<(u64, Record)>, LogError> {
        let store = self.store();
        if store.base != Some(*base) {
            return Err(LogError::Compacted { through: store.through() });
        }
        gather(&store.base_rows, after, max_records).map_err(in_base)
    }

    fn identity(&self) -> Result<LogId, LogError> {
        Ok(LogId::of_address(Arc::as_ptr(&self.store)))
    }
}

/// Records out of rows, or where they end and why.
fn gather(rows: &[Row], after: u64, max: usize) -> Result<Vec<(u64, Record)>, (u64, String)> {
    let mut gathering = Gathering::new(after, max);
    let from = rows.partition_point(|row| row.last() <= after);
    for row in &rows[from..] {
        if !gathering.wants_more() {
            break;
        }
        gathering.add(row).map_err(|why| (gathering.end(), why))?;
    }
    Ok(gathering.finish())
}

fn in_base((after, why): (u64, String)) -> LogError {
    LogError::DamagedBase { path: "memory".into(), after, why }
}

/// A base that is being written.
struct MemoryCompaction {
    log: MemoryLog,
    rows: Vec<Row>,
}

impl Compaction for MemoryCompaction {
    fn begin(&mut self) -> Result<(), LogError> {
        self.rows.clear();
        Ok(())
    }

    fn write(&mut self, records: &[Record]) -> Result<(), LogError> {
        let first = self.rows.last().map_or(0, Row::last) + 1;
        self.rows.extend(row::rows(first, records)?);
        Ok(())
    }

    fn written(&self, after: u64, max_records: usize) -> Result<Vec<(u64, Record)>, LogError> {
        gather(&self.rows, after, max_records).map_err(in_base)
    }

    fn finish(&mut self, through: u64) -> Result<Base, LogError> {
        let mut store = self.log.store_mut();
        let generation = store.base.map_or(0, |base| base.generation) + 1;
        let records = self.rows.last().map_or(0, Row::last);
        let base = Base { through, records, generation };
        (store.base, store.base_rows) = (Some(base), std::mem::take(&mut self.rows));
        Ok(base)
    }

    fn clear(&mut self) -> Result<bool, LogError> {
        let mut store = self.log.store_mut();
        let (through, before) = (store.through(), store.rows.len());
        store.rows.retain(|row| row.last() > through);
        Ok(store.rows.len() < before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Site(MemoryLog);

    impl Site {
        fn open(&self) -> Box<dyn Log> {
            Box::new(self.0.clone())
        }
    }

    crate::log::conformance::log_conformance!(Site::default);
}
