//! Pipelines: list, show, define.

use gristmill_model::api::Pipeline;
use gristmill_model::pipeline::PipelineSpec;

use super::Client;
use super::steer::{named, of};
use crate::error::Result;

impl Client {
    pub async fn pipelines(&self, project: &str, limit: usize) -> Result<Vec<Pipeline>> {
        let query = [("project", project.to_owned())];
        let id = |pipeline: &Pipeline| pipeline.id.to_string();
        self.pages("v1/pipelines", &query, limit, id).await
    }

    pub async fn pipeline(&self, project: &str, name: &str) -> Result<Pipeline> {
        self.get(&of(named("v1/pipelines", name), Some(project))).await
    }

    pub async fn define_pipeline(&self, project: &str, spec: &PipelineSpec) -> Result<Pipeline> {
        self.put(&of(named("v1/pipelines", &spec.name), Some(project)), spec).await
    }
}
