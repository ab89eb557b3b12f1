//! Limits of scopes: how many attempts may be leased at once, and how often one may begin.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use gristmill_model::api::{Limited, Page, Problem};
use gristmill_model::command::Command;
use gristmill_model::scope::{Limit, Scope};

use super::Api;
use super::auth::Caller;
use super::body::Whole;
use super::parts::{Path, Query};
use super::problem::Answer;
use super::projects::{self, In};

/// Lists the limits of a project.
#[utoipa::path(get, path = "/v1/limits", tag = "limits", params(In),
    responses((status = 200, body = Page<Limited>), (status = "4XX", body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    Query(project): Query<In>,
) -> Answer<Json<Page<Limited>>> {
    Ok(Json(Page { items: all(&api, project.name()).await?, has_more: false }))
}

/// Shows a scope's limit.
#[utoipa::path(get, path = "/v1/limits/{scope}", tag = "limits",
    params(("scope" = String, Path, example = "pipeline:thumbs"), In),
    responses((status = 200, body = Limited), (status = "4XX", body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    Path(scope): Path<Scope>,
    Query(project): Query<In>,
) -> Answer<Json<Limited>> {
    find(&api, project.name(), scope).await
}

/// Bounds a scope; a limit that was there before is replaced.
#[utoipa::path(put, path = "/v1/limits/{scope}", tag = "limits", request_body = Limit,
    params(("scope" = String, Path, example = "pipeline:thumbs"), In),
    responses((status = 200, body = Limited), (status = "4XX", body = Problem)))]
pub(super) async fn set(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(scope): Path<Scope>,
    Query(project): Query<In>,
    body: Whole,
) -> Answer<Json<Limited>> {
    let (project, limit) = (project.name(), body.json()?);
    let command = Command::SetLimit { project: project.clone(), scope: scope.clone(), limit };
    api.handle.request(actor, command).await?;
    find(&api, project, scope).await
}

/// Takes a scope's limit away.
#[utoipa::path(delete, path = "/v1/limits/{scope}", tag = "limits",
    params(("scope" = String, Path, example = "pipeline:thumbs"), In),
    responses((status = 204), (status = "4XX", body = Problem)))]
pub(super) async fn remove(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(scope): Path<Scope>,
    Query(project): Query<In>,
) -> Answer<StatusCode> {
    let command = Command::SetLimit { project: project.name(), scope, limit: Limit::default() };
    api.handle.request(actor, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// There are at most `limits::SCOPES` of them.
async fn all(api: &Api, project: String) -> Answer<Vec<Limited>> {
    let id = projects::id(api, project.clone()).await?;
    let look = move |state: &gristmill_engine::State| {
        let of_project = state.bounds().filter(|(owner, ..)| *owner == id);
        let shown = of_project.map(|(_, scope, bound)| Limited {
            project: project.clone(),
            scope: scope.clone(),
            concurrency: bound.limit.concurrency,
            rate: bound.limit.rate,
            in_use: Some(bound.in_use),
        });
        shown.collect()
    };
    Ok(api.handle.look(look).await?)
}

async fn find(api: &Api, project: String, scope: Scope) -> Answer<Json<Limited>> {
    let found = all(api, project.clone()).await?.into_iter().find(|found| found.scope == scope);
    let none = Limited { project, scope, concurrency: None, rate: None, in_use: None };
    Ok(Json(found.unwrap_or(none)))
}
