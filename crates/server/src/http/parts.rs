//! What a request says in its path, its query and a few headers, with our refusals instead of
//! axum's.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use gristmill_model::command::BatchKey;
use gristmill_model::problem::Code;
use gristmill_model::{Span, limits};
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::{Answer, Refusal};

/// A part of the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Refusal))]
pub(super) struct Path<T>(pub(super) T);

/// The query.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Refusal))]
pub(super) struct Query<T>(pub(super) T);

impl From<axum::extract::rejection::PathRejection> for Refusal {
    fn from(rejection: axum::extract::rejection::PathRejection) -> Refusal {
        use axum::extract::path::ErrorKind;
        use axum::extract::rejection::PathRejection;
        let why = match &rejection {
            PathRejection::FailedToDeserializePathParams(failed) => match failed.kind() {
                ErrorKind::Message(why) | ErrorKind::DeserializeError { message: why, .. } => {
                    why.clone()
                }
                other => other.to_string(),
            },
            other => other.body_text(),
        };
        Refusal::new(Code::InvalidRequest, why)
    }
}

impl From<axum::extract::rejection::QueryRejection> for Refusal {
    fn from(rejection: axum::extract::rejection::QueryRejection) -> Refusal {
        use std::error::Error;
        let why = rejection.source().map_or_else(|| rejection.body_text(), |why| why.to_string());
        Refusal::new(Code::InvalidRequest, format!("the query cannot be read: {why}"))
    }
}

/// `?wait=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// Wait for the end at most this long, as in `10s`; a minute at most.
    #[param(value_type = Option<String>, example = "10s")]
    pub(super) wait: Option<Span>,
}

/// `?limit=&after=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// How many rows; 1000 at most.
    limit: Option<usize>,
    /// The last row's id of the page before.
    pub(super) after: Option<String>,
}

impl PageQuery {
    /// How many rows.
    pub(super) fn limit(&self) -> Answer<usize> {
        limit(self.limit)
    }

    /// The row after which the page begins.
    pub(super) fn after<T: std::str::FromStr<Err: ToString>>(&self) -> Answer<Option<T>> {
        self.after.as_deref().map(id).transpose()
    }
}

/// How many rows a page shall have.
pub(super) fn limit(asked: Option<usize>) -> Answer<usize> {
    match asked.unwrap_or(limits::PAGE_DEFAULT) {
        0 => Err(Refusal::new(Code::InvalidRequest, "limit=0: expected 1 or more")),
        asked => Ok(asked.min(limits::PAGE)),
    }
}

/// Reads an id.
pub(super) fn id<T: std::str::FromStr<Err: ToString>>(text: &str) -> Answer<T> {
    text.parse().map_err(|why: T::Err| Refusal::new(Code::InvalidRequest, why.to_string()))
}

/// Whether the client wants lines of JSON instead of one value.
pub(super) fn wants_lines(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("application/x-ndjson") || accept.contains("application/jsonl")
}

/// The idempotency key of a request, standing for a body of which these are the bytes.
pub(super) fn key(headers: &HeaderMap, body: &[&[u8]]) -> Answer<Option<BatchKey>> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().map_err(|_| {
        Refusal::new(Code::InvalidRequest, "an idempotency key is made of visible ASCII letters")
    })?;
    let mut hasher = blake3::Hasher::new();
    for bytes in body {
        hasher.update(bytes);
    }
    let digest = hasher.finalize();
    let fingerprint =
        digest.as_bytes()[..8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Ok(Some(BatchKey { key: key.to_owned(), fingerprint }))
}
