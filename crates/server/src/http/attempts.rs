//! Attempts: the tries of a job.

use axum::Json;
use axum::extract::State;
use gristmill_engine::State as Engine;
use gristmill_model::AttemptId;
use gristmill_model::api::{Attempt, AttemptState, Page, Problem};
use gristmill_model::problem::Code;

use super::at::At;
use super::parts::Path;
use super::problem::{Answer, Refusal};
use super::{Api, devices, jobs};

/// Lists a job's attempts over all its stages, the oldest first.
#[utoipa::path(get, path = "/v1/jobs/{id}/attempts", tag = "attempts",
    params(("id" = String, Path, example = "j17")),
    responses((status = 200, body = Page<Attempt>), (status = "4XX", body = Problem)))]
pub(super) async fn list(State(api): State<Api>, At(job): At) -> Answer<Json<Page<Attempt>>> {
    jobs::find(&api, job).await?;
    let items = api.ask(move |tables| tables.attempts(job)).await?;
    let items = with_devices(&api, items).await?;
    Ok(Json(Page { items, has_more: false }))
}

/// Shows an attempt.
#[utoipa::path(get, path = "/v1/attempts/{id}", tag = "attempts",
    params(("id" = String, Path, example = "a21")),
    responses((status = 200, body = Attempt), (status = "4XX", body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    Path(id): Path<AttemptId>,
) -> Answer<Json<Attempt>> {
    let found = api.ask(move |tables| tables.attempt(id)).await?;
    let missing = || Refusal::new(Code::NoSuchAttempt, format!("no attempt {id}"));
    let found = with_devices(&api, vec![found.ok_or_else(missing)?]).await?;
    Ok(Json(found.into_iter().next().ok_or_else(missing)?))
}

/// Of those that run only the engine knows which devices they have.
async fn with_devices(api: &Api, mut attempts: Vec<Attempt>) -> Answer<Vec<Attempt>> {
    if !attempts.iter().any(|attempt| attempt.state == AttemptState::Running) {
        return Ok(attempts);
    }
    let look = move |state: &Engine| {
        let running = attempts.iter_mut().filter(|it| it.state == AttemptState::Running);
        running.for_each(|attempt| attempt.devices = devices::of_attempt(state, attempt.id));
        attempts
    };
    Ok(api.handle.look(look).await?)
}
