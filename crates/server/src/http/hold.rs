//! Hold batches and jobs, so that they do not begin; let go of them.

use axum::Json;
use axum::extract::State;
use gristmill_model::BatchId;
use gristmill_model::api::{Batch, Job, Problem};
use gristmill_model::command::Command;
use gristmill_model::terms::Target;

use super::at::At;
use super::auth::Caller;
use super::parts::Path;
use super::problem::Answer;
use super::{Api, batches, jobs};

/// Holds a batch: none of its waiting jobs begins until it is released.
#[utoipa::path(post, path = "/v1/batches/{id}/hold", tag = "batches",
    params(("id" = String, Path, example = "b3")),
    responses((status = 200, body = Batch), (status = "4XX", body = Problem)))]
pub(super) async fn hold(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(batch): Path<BatchId>,
) -> Answer<Json<Batch>> {
    api.handle.request(actor, Command::Hold(Target::Batch(batch))).await?;
    Ok(Json(batches::find(&api, batch).await?))
}

/// Lets go of a batch that is held.
#[utoipa::path(post, path = "/v1/batches/{id}/release", tag = "batches",
    params(("id" = String, Path, example = "b3")),
    responses((status = 200, body = Batch), (status = "4XX", body = Problem)))]
pub(super) async fn release(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(batch): Path<BatchId>,
) -> Answer<Json<Batch>> {
    api.handle.request(actor, Command::Release(Target::Batch(batch))).await?;
    Ok(Json(batches::find(&api, batch).await?))
}

/// Holds a job that waits: it does not begin until it is released.
#[utoipa::path(post, path = "/v1/jobs/{id}/hold", tag = "jobs", operation_id = "hold",
    params(("id" = String, Path, example = "j17")),
    responses((status = 200, body = Job), (status = "4XX", body = Problem)))]
pub(super) async fn hold_job(
    State(api): State<Api>,
    Caller(actor): Caller,
    At(job): At,
) -> Answer<Json<Job>> {
    api.handle.request(actor, Command::Hold(Target::Job(job))).await?;
    Ok(Json(jobs::find(&api, job).await?))
}

/// Lets go of a job that is held.
#[utoipa::path(post, path = "/v1/jobs/{id}/release", tag = "jobs", operation_id = "release",
    params(("id" = String, Path, example = "j17")),
    responses((status = 200, body = Job), (status = "4XX", body = Problem)))]
pub(super) async fn release_job(
    State(api): State<Api>,
    Caller(actor): Caller,
    At(job): At,
) -> Answer<Json<Job>> {
    api.handle.request(actor, Command::Release(Target::Job(job))).await?;
    Ok(Json(jobs::find(&api, job).await?))
}
