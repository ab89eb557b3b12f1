//! Events of projects: their weights, and the limits and flows of their scopes.

use serde::{Deserialize, Serialize};

use crate::ids::ProjectId;
use crate::scope::{Flow, Limit, Scope};

/// What happened to a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProjectEvent {
    /// A project was made, or its weight was changed.
    Defined {
        /// Its id.
        project: ProjectId,
        /// Its name.
        name: String,
        /// Its share beside the other projects'; at least 1.
        weight: u32,
    },
    /// A scope's limit was set; one that bounds nothing takes it away.
    LimitSet {
        /// Whose.
        project: ProjectId,
        /// What is bounded.
        scope: Scope,
        /// By how much.
        limit: Limit,
    },
    /// A scope was paused, drained or opened.
    FlowSet {
        /// Whose.
        project: ProjectId,
        /// Which part.
        scope: Scope,
        /// How it flows now.
        flow: Flow,
    },
}
