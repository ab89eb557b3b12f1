//! Workers: list, show, pause, resume, drain. What lies in the read tables is laid over with what
//! only the engine knows: who is connected, and what runs there.

use axum::Json;
use axum::extract::State;
use gristmill_engine::State as Engine;
use gristmill_model::WorkerId;
use gristmill_model::api::{Page, Problem, Worker, WorkerState};
use gristmill_model::command::Command;
use gristmill_model::problem::Code;
use serde::Deserialize;
use utoipa::IntoParams;

use super::auth::Caller;
use super::parts::{self, Path, Query};
use super::problem::{Answer, Refusal};
use super::{Api, devices};

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

/// Gives a worker no more work until it is resumed; what it holds it finishes.
#[utoipa::path(post, path = "/v1/workers/{id}/pause", tag = "workers",
    params(("id" = String, Path, example = "w2")),
    responses((status = 200, body = Worker), (status = "4XX", body = Problem)))]
pub(super) async fn pause(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(id): Path<WorkerId>,
) -> Answer<Json<Worker>> {
    api.handle.request(actor, Command::PauseWorker { worker: id, paused: true }).await?;
    find(&api, id).await
}

/// Gives a worker work again that was paused.
#[utoipa::path(post, path = "/v1/workers/{id}/resume", tag = "workers",
    params(("id" = String, Path, example = "w2")),
    responses((status = 200, body = Worker), (status = "4XX", body = Problem)))]
pub(super) async fn resume(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(id): Path<WorkerId>,
) -> Answer<Json<Worker>> {
    api.handle.request(actor, Command::PauseWorker { worker: id, paused: false }).await?;
    find(&api, id).await
}

/// A page of workers as they stand right now.
pub(super) async fn page(
    api: &Api,
    gone_too: bool,
    after: Option<WorkerId>,
    limit: usize,
) -> Answer<Page<Worker>> {
    let mut page = api.ask(move |tables| tables.workers(gone_too, after, limit)).await?;
    page.items = overlaid(api, page.items).await?;
    Ok(page)
}

pub(super) async fn find(api: &Api, id: WorkerId) -> Answer<Json<Worker>> {
    let found = api.ask(move |tables| tables.worker(id)).await?;
    let missing = || Refusal::new(Code::NoSuchWorker, format!("no worker {id}"));
    let found = overlaid(api, vec![found.ok_or_else(missing)?]).await?;
    Ok(Json(found.into_iter().next().ok_or_else(missing)?))
}

async fn overlaid(api: &Api, mut workers: Vec<Worker>) -> Answer<Vec<Worker>> {
    let overlay = move |state: &Engine| {
        workers.iter_mut().for_each(|worker| overlay(worker, state));
        workers
    };
    Ok(api.handle.look(overlay).await?)
}

fn overlay(worker: &mut Worker, state: &Engine) {
    let Some(here) = state.worker(worker.id).filter(|_| worker.state != WorkerState::Gone) else {
        return;
    };
    let waiting = here.booking.backlog_len();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (worker.running, worker.waiting) = (number(here.booking.held() - waiting), number(waiting));
    worker.devices = devices::of_worker(state, worker.id, here);
    worker.state = match (state.is_connected(worker.id), here.draining, here.paused) {
        (false, ..) => WorkerState::Disconnected,
        (true, true, _) => WorkerState::Draining,
        (true, false, true) => WorkerState::Paused,
        (true, false, false) => WorkerState::Ready,
    };
}
