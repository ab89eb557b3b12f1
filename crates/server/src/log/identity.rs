//! Which log a log is. Sequence numbers tell its events apart, but not two logs: a restored backup
//! goes on from the same number with other events.

use std::fmt;

/// Random, drawn when a log is made, and anew for each copy that a backup makes of it: the copy may
/// go its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogId(u128);

impl LogId {
    /// Draws a new one.
    ///
    /// # Errors
    /// The system has no random bytes to give.
    pub(super) fn draw() -> Result<LogId, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(LogId(u128::from_le_bytes(bytes)))
    }

    /// Where a log in memory lies tells it from all others that live.
    pub(super) fn of_address<T>(address: *const T) -> LogId {
        LogId(address.addr() as u128)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::str::FromStr for LogId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<LogId, Self::Err> {
        u128::from_str_radix(text, 16).map(LogId)
    }
}
