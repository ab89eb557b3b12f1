//! Events of the server itself.

use serde::{Deserialize, Serialize};

/// What happened to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerEvent {
    /// The server started and has replayed its log; every live lease begins its restart grace.
    Started {
        /// The version of gristmill that started.
        version: String,
    },
}
