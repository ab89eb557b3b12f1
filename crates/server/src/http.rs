//! The HTTP API under `/v1`, the worker link, the status page. One file a resource; each handler
//! turns a request into a command or a question and the answer into JSON. No rule about jobs lives
//! here.
//!
//! Every error, axum's own included, leaves as problem+json with a stable code.

mod at;
mod attempts;
mod auth;
mod batches;
mod blobs;
mod body;
mod bulk;
mod declared;
mod devices;
mod events;
mod flows;
mod health;
mod hold;
mod intake;
mod jobs;
mod limits;
mod lines;
mod link;
mod listener;
mod logs;
mod many;
mod openapi;
mod pace;
mod page;
mod parts;
mod pipelines;
mod problem;
mod projects;
mod range;
mod submissions;
mod terms;
mod workers;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use gristmill_model::problem::{Code, Rejection};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::handle::Handle;
use auth::Guard;
use bulk::Uploads;
pub use listener::{Listen, Listener};
pub use openapi::document;
use pace::Pace;
use problem::{Answer, Refusal};

/// What every handler can reach; a clone reaches the same.
#[derive(Clone)]
pub(crate) struct Api {
    shared: Arc<Shared>,
}

/// See [`Api`].
pub(crate) struct Shared {
    /// The server.
    handle: Handle,
    /// Who may ask.
    guard: Guard,
    /// Room for request bodies, in KiB.
    bodies: Arc<Semaphore>,
    /// Bulk submissions that are on their way.
    uploads: Uploads,
    /// How fast jobs end, for `Retry-After`.
    pace: Pace,
    /// Turns to read joint logs.
    joint_logs: Arc<Semaphore>,
    /// Cancelled when the listener closes: whoever waits is let go.
    stopping: CancellationToken,
}

impl Deref for Api {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Api {
    fn new(handle: Handle, guard: Guard, stopping: CancellationToken) -> Api {
        let shared = Shared {
            handle,
            guard,
            bodies: Arc::new(Semaphore::new(gristmill_model::limits::BODIES_BYTES / body::KIB)),
            uploads: Uploads::default(),
            pace: Pace::default(),
            joint_logs: Arc::new(Semaphore::new(gristmill_model::limits::JOINT_LOGS)),
            stopping,
        };
        Api { shared: Arc::new(shared) }
    }

    /// A refusal, with the time to wait where that would help.
    async fn refusal(&self, rejection: Rejection) -> Refusal {
        let pause = match rejection.code {
            Code::QueueFull => Some(self.pace.pause(&self.handle).await),
            _ => None,
        };
        Refusal::after(rejection, pause)
    }

    /// Asks the read tables, which first catch up with what was acknowledged.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&crate::read::Tables<'_>) -> Result<T, crate::read::ReadError>
        + Send
        + 'static,
    ) -> Answer<T> {
        Ok(self.handle.read().ask(question).await?)
    }
}

/// Everything under one roof, with what stands before each handler.
fn router(api: Api) -> Router {
    let (router, _) = described().split_for_parts();
    router
        .route("/", get(page::show))
        .route("/v1/link", get(link::connect))
        .route("/v1/submissions", get(submissions::connect))
        .route("/v1/openapi.json", get(openapi::show))
        .route("/problems/{code}", get(problem::explain))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn_with_state(api.clone(), auth::check))
        .with_state(api)
}

/// The routes that the OpenAPI document describes.
fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(pipelines::list))
        .routes(routes!(pipelines::define, pipelines::show))
        .routes(routes!(pipelines::call::call))
        .routes(routes!(pipelines::openapi::openapi))
        .routes(routes!(batches::list, batches::submit))
        .routes(routes!(batches::show))
        .routes(routes!(batches::append))
        .routes(routes!(batches::results))
        .routes(routes!(batches::cancel))
        .routes(routes!(batches::retry))
        .routes(routes!(batches::close))
        .routes(routes!(hold::hold))
        .routes(routes!(hold::release))
        .routes(routes!(events::of_batch))
        .routes(routes!(jobs::list, jobs::submit))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::explain))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(hold::hold_job))
        .routes(routes!(hold::release_job))
        .routes(routes!(many::cancel))
        .routes(routes!(many::retry))
        .routes(routes!(attempts::list))
        .routes(routes!(attempts::show))
        .routes(routes!(logs::output))
        .routes(routes!(logs::joint::joint))
        .routes(routes!(workers::list))
        .routes(routes!(workers::show))
        .routes(routes!(workers::pause))
        .routes(routes!(workers::resume))
        .routes(routes!(workers::drain))
        .routes(routes!(devices::list))
        .routes(routes!(devices::sessions))
        .routes(routes!(devices::quarantine))
        .routes(routes!(devices::give_back))
        .routes(routes!(declared::list))
        .routes(routes!(declared::show, declared::declare, declared::forget))
        .routes(routes!(projects::list))
        .routes(routes!(projects::show, projects::define))
        .routes(routes!(limits::list))
        .routes(routes!(limits::show, limits::set, limits::remove))
        .routes(routes!(flows::list))
        .routes(routes!(flows::show, flows::set))
        .routes(routes!(blobs::post))
        .routes(routes!(blobs::put, blobs::get, blobs::head))
        .routes(routes!(events::all))
        .routes(routes!(health::show))
}
