//! Batches: submit, add to, look, wait, fetch results, cancel, retry.

use axum::Json;
use axum::body::Body;
use axum::extract::{self, FromRequest, Request};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use gristmill_model::access::Actor;
use gristmill_model::api::{
    Accepted, Affected, AppendRequest, Batch, BatchRequest, Job, JobRequest, KnownJob, Links, Page,
    Problem,
};
use gristmill_model::command::{Command, Reply, Submission, Submitted};
use gristmill_model::filter::{Field, Filter};
use gristmill_model::problem::Code;
use gristmill_model::{BatchId, JobId, Span, limits};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::auth::Caller;
use super::body::{self, Whole, json_line};
use super::bulk::{self, Source};
use super::intake;
use super::jobs::lines_of_jobs;
use super::lines::Lines;
use super::parts::{self, PageQuery, Path, Query, Wait};
use super::problem::{Answer, Refusal};
use super::{many, range};
use crate::core::Goal;

/// Lists batches, the newest first.
#[utoipa::path(get, path = "/v1/batches", tag = "batches", params(PageQuery),
    responses((status = 200, body = Page<Batch>), (status = "4XX", body = Problem)))]
pub(super) async fn list(
    extract::State(api): extract::State<Api>,
    Query(page): Query<PageQuery>,
) -> Answer<Json<Page<Batch>>> {
    let (limit, after) = (page.limit()?, page.after()?);
    Ok(Json(api.ask(move |tables| tables.batches(after, limit)).await?))
}

/// Submits jobs as one batch.
///
/// As `application/x-ndjson` the first line is the batch without its jobs, and each further line
/// is a job. Up to 10,000 jobs are taken in all or nothing. Of more the first may run while the
/// rest is on its way; a bad line cancels them, closes the batch and is named in the answer. With
/// an `Idempotency-Key` the same submission sent again makes nothing twice, and one that broke off
/// goes on where it was.
#[utoipa::path(post, path = "/v1/batches", tag = "batches", params(Wait,
        ("idempotency-key" = Option<String>, Header, description = "Makes the batch once")),
    request_body(content((BatchRequest = "application/json"),
                         (JobRequest = "application/x-ndjson"))),
    responses((status = 202, body = Accepted), (status = 200, body = Batch,
        description = "With `wait`: the batch. Without: as 202, the key was known"),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)))]
pub(super) async fn submit(
    extract::State(api): extract::State<Api>,
    Caller(actor): Caller,
    Query(wait): Query<Wait>,
    request: Request,
) -> Answer<Response> {
    let submitted = if body::is_lines(request.headers()) {
        submit_lines(&api, actor, request).await?
    } else {
        submit_whole(&api, actor, request).await?
    };
    match wait.wait {
        Some(span) => Ok(Json(find_final(&api, submitted.batch, span).await?).into_response()),
        None => Ok(accepted(submitted)),
    }
}

async fn submit_whole(api: &Api, actor: Actor, request: Request) -> Answer<Submitted> {
    let headers = request.headers().clone();
    let body = Whole::from_request(request, api).await?;
    let key = parts::key(&headers, &[body.bytes()])?;
    let mut request: BatchRequest = body.json()?;
    let range = range::settle(api, request.range.take()).await?;
    let (head, jobs) = intake::batch(request, key)?;
    let head = Submission { range, ..head };
    let mut source = Source::list(jobs)?;
    let first = source.piece().await?;
    bulk::submit(api, actor, head, first, source).await
}

/// In a task of its own, which goes on when the client hangs up and then cancels what is half made.
async fn submit_lines(api: &Api, actor: Actor, request: Request) -> Answer<Submitted> {
    let (api, headers) = (api.clone(), request.headers().clone());
    let task = tokio::spawn(async move {
        let mut lines = Lines::of(request.into_body());
        let Some((number, head)) = lines.next().await? else {
            return Err(Refusal::new(Code::InvalidRequest, "no line came: expected a batch first"));
        };
        let mut request: BatchRequest = json_line(number, &head)?;
        if !request.jobs.is_empty() {
            let why = format!("line {number}: expected no jobs here, but one in each further line");
            return Err(Refusal::new(Code::InvalidRequest, why));
        }
        let mut source = Source::Lines(lines);
        let first = source.piece().await?;
        let mut fingerprinted: Vec<&[u8]> = vec![&head];
        fingerprinted.extend(first.raw.iter().map(|line| &line[..]));
        let key = parts::key(&headers, &fingerprinted)?;
        let range = range::settle(&api, request.range.take()).await?;
        let (head, _) = intake::batch(request, key)?;
        let head = Submission { range, ..head };
        bulk::submit(&api, actor, head, first, source).await
    });
    task.await.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "a submission panicked")))
}

/// `?close=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Close {
    /// Whether these are the last jobs.
    #[serde(default)]
    close: bool,
}

/// Adds jobs to an open batch.
///
/// As `application/x-ndjson` each line is a job; after a bad line the lines before it, in steps of
/// 10,000, have been added.
#[utoipa::path(post, path = "/v1/batches/{id}/jobs", tag = "batches",
    params(("id" = String, Path, example = "b3"), Close),
    request_body(content((AppendRequest = "application/json"),
                         (JobRequest = "application/x-ndjson"))),
    responses((status = 202, body = Accepted), (status = "4XX", body = Problem)))]
pub(super) async fn append(
    extract::State(api): extract::State<Api>,
    Caller(actor): Caller,
    Path(batch): Path<BatchId>,
    Query(close): Query<Close>,
    request: Request,
) -> Answer<Response> {
    if body::is_lines(request.headers()) {
        let source = Source::Lines(Lines::of(request.into_body()));
        return Ok(accepted(bulk::append(&api, actor, batch, source, None, close.close).await?));
    }
    let body = Whole::from_request(request, &api).await?;
    let request = if body.bytes().trim_ascii_start().starts_with(b"[") {
        AppendRequest { jobs: body.json()?, ..AppendRequest::default() }
    } else {
        body.json()?
    };
    let range = range::settle(&api, request.range).await?;
    let (source, close) = (Source::list(request.jobs)?, close.close || request.close);
    Ok(accepted(bulk::append(&api, actor, batch, source, range, close).await?))
}

/// Closes an open batch: no more jobs can be added.
#[utoipa::path(post, path = "/v1/batches/{id}/close", tag = "batches",
    params(("id" = String, Path, example = "b3")),
    responses((status = 200, body = Batch), (status = "4XX", body = Problem)))]
pub(super) async fn close(
    extract::State(api): extract::State<Api>,
    Caller(actor): Caller,
    Path(batch): Path<BatchId>,
) -> Answer<Json<Batch>> {
    let command = Command::Append { batch, jobs: Vec::new(), range: None, close: true };
    api.handle.request(actor, command).await?;
    Ok(Json(find(&api, batch).await?))
}

/// Shows a batch, once it is finished or after the time to wait.
#[utoipa::path(get, path = "/v1/batches/{id}", tag = "batches",
    params(("id" = String, Path, example = "b3"), Wait),
    responses((status = 200, body = Batch), (status = "4XX", body = Problem)))]
pub(super) async fn show(
    extract::State(api): extract::State<Api>,
    Path(batch): Path<BatchId>,
    Query(wait): Query<Wait>,
) -> Answer<Json<Batch>> {
    match wait.wait {
        Some(span) => Ok(Json(find_final(&api, batch, span).await?)),
        None => Ok(Json(find(&api, batch).await?)),
    }
}

/// The jobs of a batch in the order of submission, one a line.
#[utoipa::path(get, path = "/v1/batches/{id}/results", tag = "batches",
    params(("id" = String, Path, example = "b3")),
    responses((status = 200, content_type = "application/x-ndjson", body = Job),
        (status = "4XX", body = Problem)))]
pub(super) async fn results(
    extract::State(api): extract::State<Api>,
    Path(batch): Path<BatchId>,
) -> Answer<Response> {
    find(&api, batch).await?;
    let next = move |api: Api, from: u64| async move {
        let page = api.ask(move |tables| tables.results(batch, from, limits::PAGE)).await?;
        // Not every place need have a row: see `complete_after` in the tables.
        let next = page.items.last().map_or(from, |last| last.index + 1);
        Ok((page, next))
    };
    Ok(lines_of_jobs(api, 0, next))
}

/// Cancels every job of a batch that is not final, and closes it.
#[utoipa::path(post, path = "/v1/batches/{id}/cancel", tag = "batches",
    params(("id" = String, Path, example = "b3")),
    responses((status = 200, body = Affected), (status = "4XX", body = Problem)))]
pub(super) async fn cancel(
    extract::State(api): extract::State<Api>,
    Caller(actor): Caller,
    Path(batch): Path<BatchId>,
) -> Answer<Json<Affected>> {
    match api.handle.request(actor, Command::CancelBatch(batch)).await? {
        Reply::Count(jobs) => Ok(Json(Affected { jobs, forgotten: 0 })),
        other => Err(Refusal::new(Code::Internal, format!("a cancel was answered: {other:?}"))),
    }
}

/// Queues the failed, cancelled and expired jobs of a batch again.
#[utoipa::path(post, path = "/v1/batches/{id}/retry", tag = "batches",
    params(("id" = String, Path, example = "b3")),
    responses((status = 200, body = Affected), (status = "4XX", body = Problem)))]
pub(super) async fn retry(
    extract::State(api): extract::State<Api>,
    Caller(actor): Caller,
    Path(batch): Path<BatchId>,
) -> Answer<Json<Affected>> {
    find(&api, batch).await?;
    many::check_kept(&api, batch).await?;
    let filter = Filter::default().and(Field::Batch, batch.to_string());
    Ok(Json(many::change(&api, actor, &many::RETRY, filter).await?))
}

/// Waits, at most for a while, until something is final or the server stops.
pub(super) async fn wait_for(api: &Api, goal: Goal, span: Span) -> Answer<()> {
    tokio::select! {
        reached = api.handle.wait(goal, span) => reached.map(drop)?,
        () = api.stopping.cancelled() => {}
    }
    Ok(())
}

pub(super) async fn find(api: &Api, id: BatchId) -> Answer<Batch> {
    let found = api.handle.read().batch(id).await?;
    found.ok_or_else(|| Refusal::new(Code::NoSuchBatch, format!("no batch {id}")))
}

/// Finds a batch once it is final, or as it is after a while.
async fn find_final(api: &Api, id: BatchId, span: Span) -> Answer<Batch> {
    wait_for(api, Goal::Batch(id), span).await?;
    find(api, id).await
}

fn accepted(submitted: Submitted) -> Response {
    let Submitted { batch, first, count, known, replayed, warnings } = submitted;
    let status = format!("/v1/batches/{batch}");
    let links = Links {
        results: format!("{status}/results"),
        cancel: format!("{status}/cancel"),
        events: format!("{status}/events"),
        status: status.clone(),
    };
    let code = if replayed { StatusCode::OK } else { StatusCode::ACCEPTED };
    let known = known.into_iter().map(|(index, job): (u64, JobId)| KnownJob { index, job });
    let (first_job, known) = (first, known.collect());
    let accepted = Accepted { batch, first_job, jobs: count, known, replayed, warnings, links };
    (code, [(LOCATION, status)], Json(accepted)).into_response()
}

/// An answer of lines of JSON.
pub(super) fn ndjson(body: Body) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, axum::http::HeaderValue::from_static("application/x-ndjson"));
    (headers, body).into_response()
}
