//! Pipelines: define, list, show, call.

pub(super) mod call;
pub(super) mod openapi;

use axum::Json;
use axum::extract::State;
use gristmill_model::api::{Page, Pipeline, Problem};
use gristmill_model::command::Command;
use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::problem::Code;
use gristmill_model::{PipelineId, ProjectId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::auth::Caller;
use super::body::Whole;
use super::parts::{self, Path, Query};
use super::problem::{Answer, Refusal};
use super::projects::{self, In};
use crate::read::Tables;

/// `?project=&limit=&after=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// The project's name; without one all projects' pipelines are listed.
    project: Option<String>,
    /// How many rows; 1000 at most.
    limit: Option<usize>,
    /// The last row's id of the page before.
    after: Option<String>,
}

/// Defines a pipeline, or a new version of it; the same spec again changes nothing.
#[utoipa::path(put, path = "/v1/pipelines/{name}", tag = "pipelines",
    params(("name" = String, Path, example = "thumbnails"), In), request_body = PipelineSpec,
    responses((status = 200, body = Pipeline), (status = "4XX", body = Problem)))]
pub(super) async fn define(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Query(project): Query<In>,
    body: Whole,
) -> Answer<Json<Pipeline>> {
    let spec: PipelineSpec = body.json()?;
    if spec.name != name {
        let detail = format!("the path says `{name}` and the body `{}`", spec.name);
        return Err(Refusal::new(Code::InvalidRequest, detail));
    }
    let project = project.name();
    let command = Command::DefinePipeline { project: project.clone(), spec };
    api.handle.request(actor, command).await?;
    find(&api, project, name).await
}

/// Lists the newest version of each pipeline.
#[utoipa::path(get, path = "/v1/pipelines", tag = "pipelines", params(ListQuery),
    responses((status = 200, body = Page<Pipeline>), (status = "4XX", body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    Query(query): Query<ListQuery>,
) -> Answer<Json<Page<Pipeline>>> {
    let limit = parts::limit(query.limit)?;
    let after: Option<PipelineId> = query.after.as_deref().map(parts::id).transpose()?;
    let project = match query.project {
        Some(name) => Some(projects::id(&api, name).await?),
        None => None,
    };
    Ok(Json(api.ask(move |tables| tables.pipelines(project, false, after, limit)).await?))
}

/// Shows the newest version of a pipeline: the project's own, or else that of the project
/// `default`, which all may use.
#[utoipa::path(get, path = "/v1/pipelines/{name}", tag = "pipelines",
    params(("name" = String, Path, example = "thumbnails"), In),
    responses((status = 200, body = Pipeline), (status = "4XX", body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(project): Query<In>,
) -> Answer<Json<Pipeline>> {
    find(&api, project.name(), name).await
}

async fn find(api: &Api, project: String, name: String) -> Answer<Json<Pipeline>> {
    let own = api.handle.look(move |state| state.project_named(&project)).await?;
    let asked = name.clone();
    let newest = move |tables: &Tables<'_>| {
        let homes = own.into_iter().chain([ProjectId::DEFAULT]);
        homes
            .map(|home| tables.newest_pipeline(home, &asked))
            .find_map(Result::transpose)
            .transpose()
    };
    let missing = || Refusal::new(Code::NoSuchPipeline, format!("no pipeline `{name}`"));
    Ok(Json(api.ask(newest).await?.ok_or_else(missing)?))
}
