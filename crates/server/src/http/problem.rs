//! Errors as problem+json (RFC 9457): one type by which every handler refuses, and the page that
//! explains a code.

use axum::Json;
use axum::extract::Path;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use gristmill_model::Span;
use gristmill_model::api::Problem;
use gristmill_model::problem::{Code, Rejection};

use crate::blobs::BlobError;
use crate::log::LogError;
use crate::logs::LogsError;
use crate::read::ReadError;

/// A refusal on its way to the client.
#[derive(Debug)]
pub(crate) struct Refusal {
    rejection: Rejection,
    pause: Option<Span>,
    broken_off: bool,
}

/// What a handler answers.
pub(super) type Answer<T> = Result<T, Refusal>;

/// When to try again, where nothing better is known.
const PAUSE: Span = Span::seconds(1);

impl Refusal {
    /// A refusal with its sentence.
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Refusal {
        Rejection::new(code, detail).into()
    }

    /// A refusal that says when to come back.
    pub(super) fn after(rejection: Rejection, pause: Option<Span>) -> Refusal {
        Refusal { rejection, pause, broken_off: false }
    }

    /// A request whose body did not come to its end.
    pub(super) fn broken_off(why: impl std::fmt::Display) -> Refusal {
        let rejection = Rejection::new(Code::InvalidRequest, format!("the body {why}"));
        Refusal { rejection, pause: None, broken_off: true }
    }

    /// Whether the request's body did not come to its end: the fault may lie with the connection.
    pub(super) fn is_broken_off(&self) -> bool {
        self.broken_off
    }

    /// Why.
    pub(super) fn rejection(&self) -> &Rejection {
        &self.rejection
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Refusal {
        Refusal::after(rejection, None)
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        let code = match &error {
            ReadError::Stopped => Code::ShuttingDown,
            ReadError::TooLong => Code::TooMany,
            _ => Code::StoreUnavailable,
        };
        Refusal::new(code, error.to_string())
    }
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Refusal {
        let code = match &error {
            BlobError::DigestMismatch { .. } => Code::DigestMismatch,
            BlobError::TooLarge { .. } => Code::TooLarge,
            BlobError::BrokenOff(_) => Code::InvalidRequest,
            BlobError::Full | BlobError::Unusable(_) => Code::StoreUnavailable,
        };
        Refusal::new(code, error.to_string())
    }
}

impl From<LogsError> for Refusal {
    fn from(error: LogsError) -> Refusal {
        Refusal::new(Code::StoreUnavailable, error.to_string())
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Refusal {
        Refusal::new(Code::StoreUnavailable, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal { rejection, pause, .. } = self;
        let code = rejection.code;
        if code == Code::Internal {
            tracing::error!(detail = rejection.detail, "a request met a bug");
        }
        let status = StatusCode::from_u16(code.status()).unwrap_or_default();
        let mut response = (status, Json(Problem::from(&rejection))).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(code.status(), 429 | 503) {
            let seconds = pause.unwrap_or(PAUSE).to_std().as_secs().max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if code == Code::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Answers where there is no route.
pub(super) async fn no_such_route(uri: Uri) -> Refusal {
    Refusal::new(Code::NoSuchRoute, format!("there is nothing at {}", uri.path()))
}

/// Answers where a route does not know the method.
pub(super) async fn no_such_method(method: Method, uri: Uri) -> Refusal {
    Refusal::new(Code::MethodNotAllowed, format!("{} cannot be asked with {method}", uri.path()))
}

/// `GET /problems/CODE`: what a code means and the way out.
pub(super) async fn explain(Path(name): Path<String>) -> Answer<String> {
    let code = Code::ALL.into_iter().find(|code| code.as_str() == name);
    let code = code.ok_or_else(|| {
        let all: Vec<String> = Code::ALL.into_iter().map(Code::as_str).collect();
        Refusal::new(
            Code::NoSuchRoute,
            format!("`{name}` is no problem code: expected one of {}", all.join(", ")),
        )
    })?;
    Ok(format!(
        "{name}: {}\n\nWay out: {}\nHTTP status: {}\nExit code of the command: {}\n",
        code.title(),
        code.advice(),
        code.status(),
        code.exit()
    ))
}
