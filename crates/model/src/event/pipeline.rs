//! Events of pipelines.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{PipelineId, ProjectId};
use crate::pipeline::PipelineSpec;

/// What happened to a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PipelineEvent {
    /// A pipeline, or a new version of one, was defined.
    Defined {
        /// Its id.
        pipeline: PipelineId,
        /// Whose it is.
        project: ProjectId,
        /// 1 for the first of its name.
        version: u32,
        /// What it does.
        spec: Arc<PipelineSpec>,
    },
}
