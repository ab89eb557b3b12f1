//! `GET /healthz`: whether the server takes and acknowledges work. Open to everybody.

use axum::Json;
use axum::extract::State;
use gristmill_model::api::{Health, Problem};

use super::Api;
use super::problem::Answer;

/// How the server is; 503 once its store has failed.
#[utoipa::path(get, path = "/healthz", tag = "server", security(()),
    responses((status = 200, body = Health), (status = 503, body = Problem)))]
pub(super) async fn show(State(api): State<Api>) -> Answer<Json<Health>> {
    let snapshot = api.handle.snapshot().await?;
    let workers = snapshot.workers.values().filter(|worker| worker.connected).count();
    Ok(Json(Health {
        status: "ok".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        uptime: gristmill_model::Span::seconds(api.handle.uptime().to_std().as_secs()),
        jobs: snapshot.jobs.into_iter().filter(|(state, _)| !state.is_final()).collect(),
        workers: u32::try_from(workers).unwrap_or(u32::MAX),
        events: api.handle.feed().committed(),
        kept_after: api.handle.kept_after(),
    }))
}
