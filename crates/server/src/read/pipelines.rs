//! Pipelines: every version that was ever defined.

use gristmill_model::api::{self, Page};
use gristmill_model::{PipelineId, ProjectId, limits};
use rusqlite::{OptionalExtension, Result, Row};

use super::column::{number, some_json, some_time};
use super::{ReadError, Tables, page};

impl Tables<'_> {
    /// A version of a pipeline.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn pipeline(&self, id: PipelineId) -> Result<Option<api::Pipeline>, ReadError> {
        let mut select = self.connection.prepare_cached("SELECT * FROM pipelines WHERE id = ?1")?;
        Ok(select.query_row([id.0.cast_signed()], pipeline_of).optional()?)
    }

    /// The newest version of a pipeline, by its name.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn newest_pipeline(
        &self,
        project: ProjectId,
        name: &str,
    ) -> Result<Option<api::Pipeline>, ReadError> {
        let mut select = self.connection.prepare_cached(
            "SELECT * FROM pipelines WHERE project = ?1 AND name = ?2
             ORDER BY version DESC LIMIT 1",
        )?;
        Ok(select.query_row((project.0.cast_signed(), name), pipeline_of).optional()?)
    }

    /// A page of the pipelines of a project, or of all, from the newest to the oldest: those before
    /// `after`. Each name once, or every version.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn pipelines(
        &self,
        project: Option<ProjectId>,
        every_version: bool,
        after: Option<PipelineId>,
        limit: usize,
    ) -> Result<Page<api::Pipeline>, ReadError> {
        let limit = limit.min(limits::PAGE);
        let mut select = self.connection.prepare_cached(
            "SELECT * FROM pipelines p WHERE id < ?1 AND coalesce(project = ?4, TRUE) AND (?2 OR NOT EXISTS (
                 SELECT 1 FROM pipelines n
                 WHERE n.project = p.project AND n.name = p.name AND n.version > p.version))
             ORDER BY id DESC LIMIT ?3",
        )?;
        let before = after.map_or(i64::MAX, |id| id.0.cast_signed());
        let project = project.map(|id| id.0.cast_signed());
        let items: Vec<api::Pipeline> = select
            .query_map((before, every_version, limit as i64 + 1, project), pipeline_of)?
            .collect::<Result<_>>()?;
        Ok(page(items, limit))
    }
}

fn pipeline_of(row: &Row<'_>) -> Result<api::Pipeline> {
    Ok(api::Pipeline {
        id: PipelineId(number(row, "id")?),
        version: row.get("version")?,
        spec: some_json(row, "spec")?,
        created_at: some_time(row, "created_at")?,
    })
}
