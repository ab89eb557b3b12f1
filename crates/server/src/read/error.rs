//! What can go wrong with the read tables. None of it loses work: they can be built again, as far
//! as the log goes back.

use gristmill_model::limits;

use crate::log::LogError;

/// Why a question has no answer, or the tables cannot be filled.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The follower has not come so far.
    #[error("the read tables are behind: at event {at} of {wanted}{}: try again in a moment", because(.why.as_deref()))]
    Behind {
        /// Where they are.
        at: u64,
        /// Where they should be.
        wanted: u64,
        /// What holds the follower up, if something does.
        why: Option<String>,
    },
    /// The answer took too long.
    #[error("the answer took longer than {}: narrow the filter", limits::QUESTION)]
    TooLong,
    /// The server is stopping.
    #[error("the read tables are closed: the server is stopping")]
    Stopped,
    /// The event log, which fills the tables, cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log has lost events that it had.
    #[error(
        "the log has no event after {after}, but should: restore the data folder from a backup"
    )]
    Missing {
        /// The last event that is there.
        after: u64,
    },
    /// The tables' file cannot be used.
    #[error(
        "read.db cannot be used: {0}; stop the server and move it away: it is built again, without jobs that the log has let go of"
    )]
    Unusable(Box<dyn std::error::Error + Send + Sync>),
}

fn because(why: Option<&str>) -> String {
    why.map(|why| format!(" ({why})")).unwrap_or_default()
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> ReadError {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => ReadError::TooLong,
            _ => ReadError::Unusable(error.into()),
        }
    }
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> ReadError {
        ReadError::Unusable(error.into())
    }
}
