//! Attempts: the tries of a job.

use axum::Json;
use axum::extract::State;
use gristmill_model::AttemptId;
use gristmill_model::api::{Attempt, Page, Problem};
use gristmill_model::problem::Code;

use super::at::At;
use super::parts::Path;
use super::problem::{Answer, Refusal};
use super::{Api, jobs};

/// Lists a job's attempts over all its stages, the oldest first.
#[utoipa::path(get, path = "/v1/jobs/{id}/attempts", tag = "attempts",
    params(("id" = String, Path, example = "j17")),
    responses((status = 200, body = Page<Attempt>), (status = "4XX", body = Problem)))]
pub(super) async fn list(State(api): State<Api>, At(job): At) -> Answer<Json<Page<Attempt>>> {
    jobs::find(&api, job).await?;
    let items = api.ask(move |tables| tables.attempts(job)).await?;
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
    let found =
        found.ok_or_else(|| Refusal::new(Code::NoSuchAttempt, format!("no attempt {id}")))?;
    Ok(Json(found))
}
