//! Pipelines: define, list, show.

use axum::Json;
use axum::extract::State;
use gristmill_model::ProjectId;
use gristmill_model::api::{Page, Pipeline, Problem};
use gristmill_model::command::Command;
use gristmill_model::ids::DEFAULT_PROJECT;
use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::problem::Code;

use super::Api;
use super::auth::Caller;
use super::body::Whole;
use super::parts::{PageQuery, Path, Query};
use super::problem::{Answer, Refusal};

/// Defines a pipeline, or a new version of it; the same spec again changes nothing.
#[utoipa::path(put, path = "/v1/pipelines/{name}", tag = "pipelines",
    params(("name" = String, Path, example = "thumbnails")), request_body = PipelineSpec,
    responses((status = 200, body = Pipeline), (status = "4XX", body = Problem)))]
pub(super) async fn define(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    body: Whole,
) -> Answer<Json<Pipeline>> {
    let spec: PipelineSpec = body.json()?;
    if spec.name != name {
        let detail = format!("the path says `{name}` and the body `{}`", spec.name);
        return Err(Refusal::new(Code::InvalidRequest, detail));
    }
    let project = DEFAULT_PROJECT.to_owned();
    api.handle.request(actor, Command::DefinePipeline { project, spec }).await?;
    find(&api, name).await
}

/// Lists the newest version of each pipeline.
#[utoipa::path(get, path = "/v1/pipelines", tag = "pipelines", params(PageQuery),
    responses((status = 200, body = Page<Pipeline>), (status = "4XX", body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    Query(page): Query<PageQuery>,
) -> Answer<Json<Page<Pipeline>>> {
    let (limit, after) = (page.limit()?, page.after()?);
    Ok(Json(api.ask(move |tables| tables.pipelines(false, after, limit)).await?))
}

/// Shows the newest version of a pipeline.
#[utoipa::path(get, path = "/v1/pipelines/{name}", tag = "pipelines",
    params(("name" = String, Path, example = "thumbnails")),
    responses((status = 200, body = Pipeline), (status = "4XX", body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Answer<Json<Pipeline>> {
    find(&api, name).await
}

async fn find(api: &Api, name: String) -> Answer<Json<Pipeline>> {
    let asked = name.clone();
    let found = api.ask(move |tables| tables.newest_pipeline(ProjectId::DEFAULT, &asked)).await?;
    let missing = || Refusal::new(Code::NoSuchPipeline, format!("no pipeline `{name}`"));
    Ok(Json(found.ok_or_else(missing)?))
}
