//! Bodies of requests: read whole, within a bound for each and a bound for all, and understood as
//! JSON with an error that names the place.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::BytesMut;
use futures::{Stream, StreamExt};
use gristmill_model::limits;
use gristmill_model::problem::Code;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::Api;
use super::problem::{Answer, Refusal};

/// Room for bodies is counted in these.
pub(super) const KIB: usize = 1024;

/// A request's whole body. Its room is kept until this is dropped, so keep it until the answer.
pub(super) struct Whole {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl FromRequest<Api> for Whole {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Answer<Whole> {
        let length = content_length(request.headers());
        if length.is_some_and(|length| length > limits::BODY_BYTES) {
            return Err(too_large());
        }
        let room = length.unwrap_or(limits::BODY_BYTES).div_ceil(KIB) as u32;
        let Ok(room) = api.bodies.clone().acquire_many_owned(room).await else {
            return Err(Refusal::new(Code::ShuttingDown, "the server is stopping"));
        };
        let mut pieces = pieces(request.into_body());
        let mut bytes = BytesMut::with_capacity(length.unwrap_or_default());
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            if bytes.len() + piece.len() > limits::BODY_BYTES {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Whole { bytes: bytes.freeze(), _room: room })
    }
}

impl Whole {
    /// The bytes.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Answer<T> {
        json(&self.bytes).map_err(|why| Refusal::new(Code::InvalidRequest, why))
    }
}

/// Reads JSON; an error says where it went wrong and what was expected there. Keeping track of the
/// place costs as much as the reading, so it is done for what turns out to be wrong only.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut from).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        format!("{place}{}", error.inner())
    })?;
    from.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// Reads one line of JSON among many.
pub(super) fn json_line<T: DeserializeOwned>(number: u64, line: &[u8]) -> Answer<T> {
    json(line).map_err(|why| {
        // Of the two lines that could be meant the one in the body is.
        let why = why.replace(" at line 1 column ", " at column ");
        Refusal::new(Code::InvalidRequest, format!("line {number}: {why}"))
    })
}

/// A body's bytes as they come; one that stands still for too long ends with an error.
pub(super) fn pieces(body: Body) -> impl Stream<Item = Answer<Bytes>> + Send + Unpin {
    let stall: Duration = limits::BODY_STALL.to_std();
    let next = move |mut bytes: axum::body::BodyDataStream| async move {
        match tokio::time::timeout(stall, bytes.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some((Ok(piece), bytes)),
            Ok(Some(Err(error))) => {
                Some((Err(Refusal::broken_off(format_args!("broke off: {error}"))), bytes))
            }
            Err(_) => {
                let why = format!("stood still for {}", limits::BODY_STALL);
                Some((Err(Refusal::broken_off(why)), bytes))
            }
        }
    };
    futures::stream::unfold(body.into_data_stream(), next).fuse().boxed()
}

/// Reads on without looking, so that a client that is still sending hears an answer that came
/// early: closing the connection on what it sends could cost it the answer. Up to a bound.
pub(super) async fn drain<E>(pieces: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) {
    let mut left = limits::DRAINED_BYTES;
    while let Some(Ok(piece)) = pieces.next().await {
        let Some(rest) = left.checked_sub(piece.len()) else { return };
        left = rest;
    }
}

/// Whether the request carries lines of JSON instead of one value.
pub(super) fn is_lines(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["application/x-ndjson", "application/jsonl", "application/x-jsonlines"]
        .iter()
        .any(|lines| kind.eq_ignore_ascii_case(lines))
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Refusal {
    let detail = format!(
        "a body of more than {} bytes: send jobs as lines (application/x-ndjson), bytes as blobs",
        limits::BODY_BYTES
    );
    Refusal::new(Code::TooLarge, detail)
}

#[cfg(test)]
mod tests {
    use gristmill_model::api::BatchRequest;

    use super::*;

    #[test]
    fn an_error_names_place_and_expectation() {
        let why = |text: &str| json::<BatchRequest>(text.as_bytes()).unwrap_err();
        let typo = why(r#"{"piepline": "x"}"#);
        assert!(typo.contains("unknown field `piepline`") && typo.contains("`pipeline`"), "{typo}");
        let deep = why(r#"{"jobs": [{}, {"priority": "high"}]}"#);
        assert!(deep.starts_with("jobs[1].priority: invalid type"), "{deep}");
        assert!(deep.contains("line 1 column"), "{deep}");
        assert!(why("{").contains("EOF"), "{}", why("{"));
        assert!(why("{} x").contains("trailing"), "{}", why("{} x"));
    }
}
