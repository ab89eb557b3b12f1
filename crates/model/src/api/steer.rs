//! What steers work from outside: terms, limits, flows, projects, workers that may join.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pipeline::BUILT_IN;
use crate::resources::{Capacity, Device, MilliCpus, WorkerShape};
use crate::scope::{Flow, Rate, Scope};
use crate::terms::{Dependency, Target, When};
use crate::time::Time;

/// Under what terms a batch's jobs run, as far as they are not fulfilled yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Terms {
    /// No job begins before this time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_at: Option<Time>,
    /// A job that has not begun by then expires.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Time>,
    /// A job that is not final by then expires.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deadline: Option<Time>,
    /// Whether somebody holds it.
    pub held: bool,
    /// What must still end first.
    pub after: Vec<Dependency>,
    /// The free key that limits may speak of.
    pub limit_key: Option<String>,
    /// Where somebody wants to be called at its end.
    pub callback: Option<String>,
}

/// What a batch waited for and what ended otherwise: its jobs that waited were cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unmet {
    /// What was waited for.
    #[schema(value_type = String, example = "b3")]
    pub on: Target,
    /// How it was to end.
    pub when: When,
    /// When it had ended otherwise.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
}

/// A scope's limit, with what is used of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Limited {
    /// Whose.
    pub project: String,
    /// What is bounded.
    #[schema(value_type = String, example = "pipeline:thumbs")]
    pub scope: Scope,
    /// Attempts leased at a time.
    pub concurrency: Option<u32>,
    /// How often attempts begin: on average so many in a span, and up to that many at once.
    #[schema(value_type = Option<String>, example = "100/1m")]
    pub rate: Option<Rate>,
    /// Attempts that are leased under it now; not counted where there is no limit.
    pub in_use: Option<u32>,
}

/// Whether a scope's work flows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flowing {
    /// Whose.
    pub project: String,
    /// Which part.
    #[schema(value_type = String, example = "pipeline:thumbs")]
    pub scope: Scope,
    /// How it flows.
    pub flow: Flow,
}

/// Body of `PUT /v1/flows/SCOPE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowRequest {
    /// How it shall flow.
    pub flow: Flow,
}

/// A project as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Its share beside the other projects'.
    pub weight: u32,
    /// Jobs in the queue.
    pub queued: u64,
    /// Attempts that are leased.
    pub leased: u64,
}

/// Body of `PUT /v1/projects/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectRequest {
    /// Its share beside the other projects'; at least 1.
    pub weight: u32,
}

/// A worker that was declared: it may join, so work that fits it is taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Declared {
    /// A name for people.
    pub name: String,
    /// What it would have to give.
    pub capacity: Capacity,
    /// Kinds of handler that it would run.
    pub handlers: Vec<String>,
    /// What stages may require or prefer of it.
    pub labels: BTreeMap<String, String>,
    /// Whether it would see the submitters' disk.
    pub shared_disk: bool,
}

/// Body of `PUT /v1/declared-workers/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareRequest {
    /// Thousandths of a CPU.
    pub cpus: MilliCpus,
    /// Memory in bytes; 0 means not known, and then memory is not counted.
    #[serde(default)]
    pub memory: u64,
    /// Devices by name.
    #[serde(default)]
    pub devices: Vec<Device>,
    /// Generic resources in thousandths.
    #[serde(default)]
    pub named: BTreeMap<String, u32>,
    /// Kinds of handler that it would run; without any those that are built in.
    #[serde(default)]
    pub handlers: Vec<String>,
    /// What stages may require or prefer of it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether it would see the submitters' disk.
    #[serde(default)]
    pub shared_disk: bool,
}

impl From<DeclareRequest> for WorkerShape {
    fn from(request: DeclareRequest) -> WorkerShape {
        let DeclareRequest { cpus, memory, devices, named, handlers, labels, shared_disk } =
            request;
        let all = || BUILT_IN.map(str::to_owned).to_vec();
        let handlers = if handlers.is_empty() { all() } else { handlers };
        let capacity = Capacity { cpus, memory, devices, named };
        WorkerShape { capacity, handlers, labels, shared_disk }
    }
}

impl Declared {
    /// A worker by its name and what was said of it.
    #[must_use]
    pub fn new(name: &str, shape: &WorkerShape) -> Declared {
        let WorkerShape { capacity, handlers, labels, shared_disk } = shape.clone();
        Declared { name: name.to_owned(), capacity, handlers, labels, shared_disk }
    }
}
