//! A log in memory, for tests: it encodes and decodes like the real one, and forgets at the end.
//!
//! A clone is the same log opened once more, so a test can restart a server over it.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use gristmill_model::event::Record;

use super::row::{self, Gathering, Row};
use super::{Log, LogError, LogId, LogReader};

/// A log that lives as long as its last clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    rows: Arc<RwLock<Vec<Row>>>,
}

impl MemoryLog {
    fn rows(&self) -> RwLockReadGuard<'_, Vec<Row>> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for MemoryLog {
    fn append(&mut self, records: &[Record]) -> Result<u64, LogError> {
        let new = row::encode(self.last() + 1, records)?;
        self.rows.write().unwrap_or_else(PoisonError::into_inner).extend(new);
        Ok(self.last())
    }

    fn last(&self) -> u64 {
        self.rows().last().map_or(0, Row::last)
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(self.clone()))
    }
}

impl LogReader for MemoryLog {
    fn read(&self, after: u64, max_records: usize) -> Result<Vec<(u64, Record)>, LogError> {
        let rows = self.rows();
        let mut gathering = Gathering::new(after, max_records);
        let from = rows.partition_point(|row| row.last() <= after);
        for row in &rows[from..] {
            if !gathering.wants_more() {
                break;
            }
            gathering.add(row).map_err(|why| LogError::Damaged {
                path: "memory".into(),
                after: gathering.end(),
                why,
            })?;
        }
        Ok(gathering.finish())
    }

    fn identity(&self) -> Result<LogId, LogError> {
        Ok(LogId::of_address(Arc::as_ptr(&self.rows)))
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
