//! Workers: list, show, drain. What lies in the read tables is laid over with what only the engine
//! knows: who is connected, and what runs there.

use axum::Json;
use axum::extract::State;
use gristmill_model::WorkerId;
use gristmill_model::api::{Page, Problem, Worker, WorkerState};
use gristmill_model::command::Command;
use gristmill_model::problem::Code;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::auth::Caller;
use super::parts::{self, Path, Query};
use super::problem::{Answer, Refusal};
use crate::core::Snapshot;

/// `?limit=&after=&gone=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WorkersQuery {
    /// How many rows; 1000 at most.
    limit: Option<usize>,
    /// The last row's id of the page before.
    after: Option<String>,
    /// Whether workers that have left are listed too.
    #[serde(default)]
    gone: bool,
}

/// Lists workers in the order in which they joined.
#[utoipa::path(get, path = "/v1/workers", tag = "workers", params(WorkersQuery),
    responses((status = 200, body = Page<Worker>), (status = "4XX", body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    Query(query): Query<WorkersQuery>,
) -> Answer<Json<Page<Worker>>> {
    let after = query.after.as_deref().map(parts::id).transpose()?;
    let limit = parts::limit(query.limit)?;
    Ok(Json(page(&api, query.gone, after, limit).await?))
}

/// Shows a worker.
#[utoipa::path(get, path = "/v1/workers/{id}", tag = "workers",
    params(("id" = String, Path, example = "w2")),
    responses((status = 200, body = Worker), (status = "4XX", body = Problem)))]
pub(super) async fn show(State(api): State<Api>, Path(id): Path<WorkerId>) -> Answer<Json<Worker>> {
    find(&api, id).await
}

/// Gives a worker no more work; it leaves when it has finished what it holds.
#[utoipa::path(post, path = "/v1/workers/{id}/drain", tag = "workers",
    params(("id" = String, Path, example = "w2")),
    responses((status = 200, body = Worker), (status = "4XX", body = Problem)))]
pub(super) async fn drain(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(id): Path<WorkerId>,
) -> Answer<Json<Worker>> {
    api.handle.request(actor, Command::Drain(id)).await?;
    find(&api, id).await
}

/// A page of workers as they stand right now.
pub(super) async fn page(
    api: &Api,
    gone_too: bool,
    after: Option<WorkerId>,
    limit: usize,
) -> Answer<Page<Worker>> {
    let snapshot = api.handle.snapshot().await?;
    let mut page = api.ask(move |tables| tables.workers(gone_too, after, limit)).await?;
    page.items.iter_mut().for_each(|worker| overlay(worker, &snapshot));
    Ok(page)
}

async fn find(api: &Api, id: WorkerId) -> Answer<Json<Worker>> {
    let snapshot = api.handle.snapshot().await?;
    let found = api.ask(move |tables| tables.worker(id)).await?;
    let missing = || Refusal::new(Code::NoSuchWorker, format!("no worker {id}"));
    let mut worker = found.ok_or_else(missing)?;
    overlay(&mut worker, &snapshot);
    Ok(Json(worker))
}

fn overlay(worker: &mut Worker, snapshot: &Snapshot) {
    let Some(standing) = snapshot.workers.get(&worker.id) else { return };
    if worker.state == WorkerState::Gone {
        return;
    }
    (worker.running, worker.waiting) = (standing.running, standing.waiting);
    worker.state = match (standing.connected, standing.draining) {
        (false, _) => WorkerState::Disconnected,
        (true, true) => WorkerState::Draining,
        (true, false) => WorkerState::Ready,
    };
}
