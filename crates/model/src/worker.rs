//! Workers: what one says of itself, the same in its greeting, in the log, in the tables and in the
//! API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::resources::{Capacity, WorkerShape};

/// What a worker says of itself when it joins; it stays the same until it leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerDescription {
    /// Display name: by default the host's.
    pub name: String,
    /// Version of gristmill that it runs; empty where it is not known.
    pub version: String,
    /// What it has to give, and what stages may ask of it.
    pub shape: WorkerShape,
}

impl WorkerDescription {
    /// A worker of this version without labels, which does not see the submitters' disk.
    #[must_use]
    pub fn new(name: &str, handlers: &[&str], capacity: Capacity) -> WorkerDescription {
        let handlers = handlers.iter().map(|&kind| kind.to_owned()).collect();
        let shape = WorkerShape { capacity, handlers, labels: BTreeMap::new(), shared_disk: false };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        WorkerDescription { name: name.to_owned(), version, shape }
    }
}
