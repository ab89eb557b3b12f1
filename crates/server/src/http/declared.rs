//! Workers that may join: declare, change, strike off. Where some are declared, what could run on
//! none that is known is refused.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use gristmill_model::api::{DeclareRequest, Declared, Page, Problem};
use gristmill_model::command::Command;
use gristmill_model::problem::Code;

use super::Api;
use super::auth::Caller;
use super::body::Whole;
use super::parts::Path;
use super::problem::{Answer, Refusal};

/// Lists the workers that were declared, by name.
#[utoipa::path(get, path = "/v1/declared-workers", tag = "workers",
    operation_id = "list_declared",
    responses((status = 200, body = Page<Declared>), (status = "4XX", body = Problem)))]
pub(super) async fn list(State(api): State<Api>) -> Answer<Json<Page<Declared>>> {
    let look = |state: &gristmill_engine::State| {
        state.declared().map(|(name, shape)| Declared::new(name, shape)).collect()
    };
    Ok(Json(Page { items: api.handle.look(look).await?, has_more: false }))
}

/// Shows a worker that was declared.
#[utoipa::path(get, path = "/v1/declared-workers/{name}", tag = "workers",
    operation_id = "show_declared", params(("name" = String, Path, example = "big-1")),
    responses((status = 200, body = Declared), (status = "4XX", body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Answer<Json<Declared>> {
    find(&api, name).await
}

/// Declares a worker that may join, or changes what was said of it.
#[utoipa::path(put, path = "/v1/declared-workers/{name}", tag = "workers",
    operation_id = "declare", params(("name" = String, Path, example = "big-1")),
    request_body = DeclareRequest,
    responses((status = 200, body = Declared), (status = "4XX", body = Problem)))]
pub(super) async fn declare(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    body: Whole,
) -> Answer<Json<Declared>> {
    let request: DeclareRequest = body.json()?;
    let shape = Some(request.into());
    api.handle.request(actor, Command::DeclareWorker { name: name.clone(), shape }).await?;
    find(&api, name).await
}

/// Strikes a worker off that was declared.
#[utoipa::path(delete, path = "/v1/declared-workers/{name}", tag = "workers",
    operation_id = "forget_declared", params(("name" = String, Path, example = "big-1")),
    responses((status = 204), (status = "4XX", body = Problem)))]
pub(super) async fn forget(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    drop(find(&api, name.clone()).await?);
    api.handle.request(actor, Command::DeclareWorker { name, shape: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(api: &Api, name: String) -> Answer<Json<Declared>> {
    let asked = name.clone();
    let look = move |state: &gristmill_engine::State| {
        let found = state.declared().find(|(known, _)| *known == asked);
        found.map(|(name, shape)| Declared::new(name, shape))
    };
    let missing = || Refusal::new(Code::NoSuchWorker, format!("no worker `{name}` is declared"));
    Ok(Json(api.handle.look(look).await?.ok_or_else(missing)?))
}
