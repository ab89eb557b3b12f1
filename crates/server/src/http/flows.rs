//! Flows of scopes: pause, drain, open.

use axum::Json;
use axum::extract::State;
use gristmill_model::api::{FlowRequest, Flowing, Page, Problem};
use gristmill_model::command::Command;
use gristmill_model::scope::{Flow, Scope};

use super::Api;
use super::auth::Caller;
use super::body::Whole;
use super::parts::{Path, Query};
use super::problem::Answer;
use super::projects::{self, In};

/// Lists the scopes of a project that are paused or draining.
#[utoipa::path(get, path = "/v1/flows", tag = "limits", params(In), operation_id = "list_flows",
    responses((status = 200, body = Page<Flowing>), (status = "4XX", body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    Query(project): Query<In>,
) -> Answer<Json<Page<Flowing>>> {
    Ok(Json(Page { items: all(&api, project.name()).await?, has_more: false }))
}

/// Shows whether a scope flows.
#[utoipa::path(get, path = "/v1/flows/{scope}", tag = "limits", operation_id = "show_flow",
    params(("scope" = String, Path, example = "pipeline:thumbs"), In),
    responses((status = 200, body = Flowing), (status = "4XX", body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    Path(scope): Path<Scope>,
    Query(project): Query<In>,
) -> Answer<Json<Flowing>> {
    find(&api, project.name(), scope).await
}

/// Pauses, drains or opens a scope. Of what is paused nothing new begins; what drains takes nothing
/// in, and what is there is finished.
#[utoipa::path(put, path = "/v1/flows/{scope}", tag = "limits", request_body = FlowRequest,
    params(("scope" = String, Path, example = "pipeline:thumbs"), In), operation_id = "set_flow",
    responses((status = 200, body = Flowing), (status = "4XX", body = Problem)))]
pub(super) async fn set(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(scope): Path<Scope>,
    Query(project): Query<In>,
    body: Whole,
) -> Answer<Json<Flowing>> {
    let FlowRequest { flow } = body.json()?;
    let project = project.name();
    let command = Command::SetFlow { project: project.clone(), scope: scope.clone(), flow };
    api.handle.request(actor, command).await?;
    find(&api, project, scope).await
}

/// There are at most `limits::SCOPES` of them.
async fn all(api: &Api, project: String) -> Answer<Vec<Flowing>> {
    let id = projects::id(api, project.clone()).await?;
    let look = move |state: &gristmill_engine::State| {
        let of_project = state.flows().filter(|(owner, ..)| *owner == id);
        let shown = of_project.map(|(_, scope, flow)| Flowing {
            project: project.clone(),
            scope: scope.clone(),
            flow,
        });
        shown.collect()
    };
    Ok(api.handle.look(look).await?)
}

async fn find(api: &Api, project: String, scope: Scope) -> Answer<Json<Flowing>> {
    let found = all(api, project.clone()).await?.into_iter().find(|found| found.scope == scope);
    Ok(Json(found.unwrap_or(Flowing { project, scope, flow: Flow::Open })))
}
