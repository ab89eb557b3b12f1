//! Blobs: bytes by digest, streamed both ways.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use gristmill_model::api::{Blob, Problem};
use gristmill_model::digest::Digest;
use gristmill_model::problem::Code;

use super::Api;
use super::body::{Whole, drain, pieces};
use super::parts::Path;
use super::problem::{Answer, Refusal};

/// Stores bytes under their digest, of any size up to the bound.
#[utoipa::path(put, path = "/v1/blobs/{digest}", tag = "blobs",
    params(("digest" = String, Path, example = "b3-af13…")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Blob), (status = "4XX", body = Problem),
        (status = "5XX", body = Problem)))]
pub(super) async fn put(
    State(api): State<Api>,
    Path(digest): Path<Digest>,
    request: Request,
) -> Answer<Json<Blob>> {
    let mut bytes = pieces(request.into_body()).map(|piece| {
        piece.map_err(|refusal| std::io::Error::other(refusal.rejection().detail.clone()))
    });
    let stored = api.handle.blobs().put(digest, &mut bytes).await;
    if stored.is_err() {
        drain(&mut bytes).await;
    }
    Ok(Json(stored?))
}

/// Stores bytes and says their digest. For small ones: whoever sends large ones computes the digest
/// and puts them.
#[utoipa::path(post, path = "/v1/blobs", tag = "blobs",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Blob), (status = "4XX", body = Problem),
        (status = "5XX", body = Problem)))]
pub(super) async fn post(State(api): State<Api>, body: Whole) -> Answer<Response> {
    let digest = Digest(*blake3::hash(body.bytes()).as_bytes());
    let bytes = stream::iter([Ok(body.bytes().clone())]);
    let blob = api.handle.blobs().put(digest, bytes).await?;
    let location = format!("/v1/blobs/{digest}");
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(blob)).into_response())
}

/// The bytes of a blob.
#[utoipa::path(get, path = "/v1/blobs/{digest}", tag = "blobs",
    params(("digest" = String, Path, example = "b3-af13…")),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = "4XX", body = Problem)))]
pub(super) async fn get(State(api): State<Api>, Path(digest): Path<Digest>) -> Answer<Response> {
    match api.handle.blobs().get(digest).await? {
        Some((size, bytes)) => Ok(answer(digest, size, Body::from_stream(bytes))),
        None => Err(missing(digest)),
    }
}

/// The bytes of a file that a job made, under its name. What is called `.json` says that it is.
pub(super) async fn file(api: &Api, digest: Digest, name: &str) -> Answer<Response> {
    let Some((size, bytes)) = api.handle.blobs().get(digest).await? else {
        return Err(missing(digest));
    };
    let mut answer = answer(digest, size, Body::from_stream(bytes));
    let headers = answer.headers_mut();
    // The name is the handler's: nothing that could end the quotation gets through.
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
    let plain: String = name.chars().filter(plain).collect();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    if name.ends_with(".json") {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(answer)
}

/// Whether a blob is known, and its size.
#[utoipa::path(head, path = "/v1/blobs/{digest}", tag = "blobs",
    params(("digest" = String, Path, example = "b3-af13…")),
    responses((status = 200), (status = "4XX")))]
pub(super) async fn head(State(api): State<Api>, Path(digest): Path<Digest>) -> Answer<Response> {
    match api.handle.blobs().head(digest).await? {
        Some(blob) => Ok(answer(digest, blob.size, Body::empty())),
        None => Err(missing(digest)),
    }
}

/// A blob is whatever somebody sent: a browser must not take it for a page of this server.
fn answer(digest: Digest, size: u64, body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, size.to_string()),
        (CONTENT_DISPOSITION, "attachment".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (ETAG, format!("\"{digest}\"")),
        (CACHE_CONTROL, "private, immutable, max-age=31536000".to_owned()),
    ];
    (headers, body).into_response()
}

fn missing(digest: Digest) -> Refusal {
    Refusal::new(Code::NoSuchBlob, format!("no blob {digest}"))
}
