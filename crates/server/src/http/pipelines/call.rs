//! A pipeline called like a function: the body is the input, the answer is the result. What runs
//! is a job like any other, whose id is told in a header.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use gristmill_model::api::{Job, Problem, SingleRequest};
use gristmill_model::job::JobState;
use gristmill_model::payload::{Artifact, Payload, Place};
use gristmill_model::problem::Code;
use gristmill_model::{JobId, Span, limits};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::super::Api;
use super::super::auth::Caller;
use super::super::batches::wait_for;
use super::super::body::Whole;
use super::super::parts::{self, Path, Query};
use super::super::problem::{Answer, Refusal};
use super::super::{blobs, intake, jobs};
use crate::core::Goal;

/// Names the job that a call made.
const JOB: HeaderName = HeaderName::from_static("gristmill-job");

/// `?project=&wait=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct CallQuery {
    /// The project's name; without one `default`.
    project: Option<String>,
    /// Wait for the result at most this long, as in `10s`; a minute at most, and without a word.
    #[param(value_type = Option<String>, example = "10s")]
    wait: Option<Span>,
}

/// Calls a pipeline: the body is the input, the answer is the result.
///
/// Nothing is lost when the connection is: the header `gristmill-job` names the job, and with an
/// `Idempotency-Key` the same call sent again finds it.
#[utoipa::path(post, path = "/v1/pipelines/{name}/call", tag = "pipelines",
    params(("name" = String, Path, example = "generate"), CallQuery,
        ("idempotency-key" = Option<String>, Header, description = "Makes the job once")),
    request_body(content = Value, description = "The input: an object with the parameters"),
    responses((status = 200, body = Value, description = "The result. A file that is all \
            of it comes as its bytes; files within are {\"$blob\": …}, to be fetched from `/v1/blobs`"),
        (status = 202, body = Job, description = "It is not done yet: look at the job"),
        (status = "4XX", body = Problem), (status = 502, body = Problem,
            description = "`call_failed`: the job has no result")))]
pub(in super::super) async fn call(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Query(query): Query<CallQuery>,
    headers: HeaderMap,
    body: Whole,
) -> Answer<Response> {
    let key = parts::key(&headers, &[name.as_bytes(), body.bytes()])?;
    let input: Option<Value> = if body.bytes().is_empty() { None } else { Some(body.json()?) };
    let CallQuery { project, wait } = query;
    let request =
        SingleRequest { project, pipeline: Some(name), input, ..SingleRequest::default() };
    let (job, _) = jobs::accept(&api, actor, intake::single(request, key)?).await?;
    wait_for(&api, Goal::Job(job), wait.unwrap_or(limits::WAIT)).await?;
    let found = jobs::find(&api, job).await?;
    let answer = answer(&api, found).await.unwrap_or_else(IntoResponse::into_response);
    Ok(with_job(answer, job))
}

async fn answer(api: &Api, job: Job) -> Answer<Response> {
    match (job.state, &job.result) {
        // Also a value that was too long to travel within the job.
        (
            JobState::Succeeded,
            Some(Payload::File(Artifact { name, place: Place::Blob(digest), .. })),
        ) => blobs::file(api, *digest, name).await,
        (JobState::Succeeded, _) => Ok(Json(value(job.result)?).into_response()),
        (state, _) if state.is_final() => {
            let why =
                job.failure.map_or_else(String::new, |failure| format!(": {}", failure.message));
            Err(Refusal::new(Code::CallFailed, format!("{} is {state}{why}", job.id)))
        }
        _ => Ok((StatusCode::ACCEPTED, Json(job)).into_response()),
    }
}

/// What a job gave, as the handler gave it.
fn value(result: Option<Payload>) -> Answer<Value> {
    let value = match result {
        None => Ok(Value::Null),
        Some(Payload::Text(text)) => Ok(Value::String(text)),
        Some(Payload::Json(text)) => serde_json::from_str(&text),
        Some(other) => serde_json::to_value(other),
    };
    value.map_err(|why| Refusal::new(Code::Internal, format!("a result cannot be shown: {why}")))
}

fn with_job(mut answer: Response, job: JobId) -> Response {
    if let Ok(id) = HeaderValue::from_str(&job.to_string()) {
        answer.headers_mut().insert(JOB, id);
    }
    answer
}
