//! The OpenAPI 3.1 document, made from the handlers. It is checked in as
//! docs/reference/openapi.json, and a test holds the two together.

use std::sync::LazyLock;

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

/// The head of the document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "gristmill",
        description = "Pour in jobs, get results. Errors are application/problem+json with a \
                       stable `code`; each code is explained at `/problems/CODE`. On the \
                       loopback interface no token is needed.",
    ),
    security(("token" = [])),
    tags(
        (name = "batches", description = "The jobs of one submission"),
        (name = "jobs", description = "One input on its way through a pipeline's stages"),
        (name = "attempts", description = "One try of one stage of one job on one worker"),
        (name = "pipelines", description = "What is done to each job, stage by stage"),
        (name = "projects", description = "Lanes between which work is shared out"),
        (name = "limits", description = "Bounds and flows of a project's parts"),
        (name = "workers", description = "Processes that run attempts"),
        (name = "devices", description = "GPUs and the like, and the sessions on them"),
        (name = "blobs", description = "Bytes named by their BLAKE3 digest"),
        (name = "events", description = "What happens, as server-sent events"),
        (name = "server", description = "The server itself"),
    )
)]
struct Head;

/// The head of the document, to which the routes are added.
pub(super) fn head() -> utoipa::openapi::OpenApi {
    let mut head = Head::openapi();
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("gm_…").build();
    head.components
        .get_or_insert_default()
        .add_security_scheme("token", SecurityScheme::Http(token));
    head
}

/// The OpenAPI document of this version.
#[must_use]
pub fn document() -> &'static utoipa::openapi::OpenApi {
    static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(|| {
        let (_, mut document) = super::described().split_for_parts();
        document.paths.paths.values_mut().for_each(name_operations);
        document
    });
    &DOCUMENT
}

/// Handlers are called by their verbs, file by file; in the document a name stands alone.
fn name_operations(path: &mut PathItem) {
    let PathItem { get, put, post, head, delete, .. } = path;
    for operation in [get, put, post, head, delete].into_iter().flatten() {
        if let (Some(tags), Some(verb)) = (&operation.tags, &operation.operation_id) {
            operation.operation_id = Some(format!("{}_{verb}", tags.join("_")));
        }
    }
}

/// `GET /v1/openapi.json`
pub(super) async fn show() -> Json<&'static utoipa::openapi::OpenApi> {
    Json(document())
}
