//! Jobs: submit one, list, look, wait, ask why, cancel, retry.

use std::future::Future;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream;
use gristmill_model::access::Actor;
use gristmill_model::api::{
    Accepted, Explanation, Job, Links, Page, Problem, SingleRequest, Unmet,
};
use gristmill_model::cause::Cause;
use gristmill_model::command::{Command, Reply, Submission, Submitted};
use gristmill_model::job::JobState;
use gristmill_model::problem::Code;
use gristmill_model::{JobId, limits};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::at::At;
use super::auth::Caller;
use super::batches::{ndjson, wait_for};
use super::body::Whole;
use super::intake;
use super::parts::{self, Query, Wait};
use super::problem::{Answer, Refusal};
use super::projects;
use crate::core::Goal;
use crate::read::{JobPage, Tables};

/// `?filter=&limit=&after=&order=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct JobsQuery {
    /// Which jobs, as in `state=failed,queued project=lab label.user=ada`.
    #[serde(default)]
    filter: String,
    /// How many rows; 1000 at most.
    limit: Option<usize>,
    /// The last row's id of the page before.
    after: Option<String>,
    /// Whether the oldest or the newest come first.
    #[serde(default)]
    #[param(inline)]
    order: Order,
}

/// An order of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// By their ids.
    #[default]
    Oldest,
    /// By their ids, backwards.
    Newest,
}

/// Lists jobs. With `Accept: application/x-ndjson` all pages, one job a line.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(JobsQuery),
    responses((status = 200, body = Page<Job>), (status = "4XX", body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    Query(query): Query<JobsQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let filter = projects::by_id(&api, query.filter.parse()?).await?;
    let page = JobPage {
        filter,
        after: query.after.as_deref().map(parts::id).transpose()?,
        limit: parts::limit(query.limit)?,
        newest_first: query.order == Order::Newest,
    };
    if !parts::wants_lines(&headers) {
        let mut jobs = api.ask(move |tables| tables.jobs(&page)).await?;
        api.handle.lists().show(&mut jobs.items).await;
        return Ok(Json(jobs).into_response());
    }
    let (start, whole) = (page.after, query.limit.is_none());
    let next = move |api: Api, after: Option<JobId>| {
        let limit = if whole { limits::PAGE } else { page.limit };
        let asked = JobPage { after, limit, ..page.clone() };
        async move {
            let mut page = api.ask(move |tables| tables.jobs(&asked)).await?;
            page.has_more &= whole;
            let after = page.items.last().map(|job| job.id);
            Ok((page, after))
        }
    };
    Ok(lines_of_jobs(api, start, next))
}

/// Submits one job, which becomes a batch of its own.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = SingleRequest, params(Wait,
        ("idempotency-key" = Option<String>, Header, description = "Makes the job once")),
    responses((status = 202, body = Accepted), (status = 200, body = Job,
        description = "With `wait`: the job. Without: as 202, the key was known"),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)))]
pub(super) async fn submit(
    State(api): State<Api>,
    Caller(actor): Caller,
    Query(wait): Query<Wait>,
    headers: HeaderMap,
    body: Whole,
) -> Answer<Response> {
    let key = parts::key(&headers, &[body.bytes()])?;
    let request: SingleRequest = body.json()?;
    let (job, submitted) = accept(&api, actor, intake::single(request, key)?).await?;
    match wait.wait {
        Some(span) => {
            wait_for(&api, Goal::Job(job), span).await?;
            Ok(Json(find(&api, job).await?).into_response())
        }
        None => Ok(accepted(job, submitted)),
    }
}

/// Takes in a submission of one job; which one it is, also where its key was known.
pub(super) async fn accept(
    api: &Api,
    actor: Actor,
    submission: Submission,
) -> Answer<(JobId, Submitted)> {
    match api.handle.request(actor, Command::Submit(Box::new(submission))).await {
        Ok(Reply::Batch(submitted)) => {
            let job = submitted.known.first().map_or(submitted.first, |(_, job)| *job);
            Ok((job, submitted))
        }
        Ok(other) => Err(Refusal::new(Code::Internal, format!("a batch was answered: {other:?}"))),
        Err(rejection) => Err(api.refusal(rejection).await),
    }
}

/// Shows a job, once it is final or after the time to wait.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, example = "j17"), Wait),
    responses((status = 200, body = Job), (status = "4XX", body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    At(job): At,
    Query(wait): Query<Wait>,
) -> Answer<Json<Job>> {
    if let Some(span) = wait.wait {
        wait_for(&api, Goal::Job(job), span).await?;
    }
    Ok(Json(find(&api, job).await?))
}

/// Says why a job is where it is, by the predicates of the scheduler itself.
#[utoipa::path(get, path = "/v1/jobs/{id}/explain", tag = "jobs",
    params(("id" = String, Path, example = "j17")),
    responses((status = 200, body = Explanation), (status = "4XX", body = Problem)))]
pub(super) async fn explain(State(api): State<Api>, At(job): At) -> Answer<Json<Explanation>> {
    let mut why = api.handle.explain(job).await?;
    if why.state == JobState::Cancelled
        && let Some(reason) = unmet(&api, job).await?
    {
        why.summary = format!("{reason}: retry it to run it after all");
    }
    Ok(Json(why))
}

/// Cancels a job, queued or running.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs",
    params(("id" = String, Path, example = "j17")),
    responses((status = 200, body = Job), (status = "4XX", body = Problem)))]
pub(super) async fn cancel(
    State(api): State<Api>,
    Caller(actor): Caller,
    At(job): At,
) -> Answer<Json<Job>> {
    api.handle.request(actor, Command::CancelJob(job)).await?;
    Ok(Json(find(&api, job).await?))
}

/// Queues a failed or cancelled job again, at the stage where it stopped.
#[utoipa::path(post, path = "/v1/jobs/{id}/retry", tag = "jobs",
    params(("id" = String, Path, example = "j17")),
    responses((status = 200, body = Job), (status = "4XX", body = Problem)))]
pub(super) async fn retry(
    State(api): State<Api>,
    Caller(actor): Caller,
    At(job): At,
) -> Answer<Json<Job>> {
    api.handle.request(actor, Command::RetryJob(job)).await?;
    Ok(Json(find(&api, job).await?))
}

/// What a job's batch waited for in vain, if that is why the job was cancelled, and how that
/// stands. The engine keeps no note of it; the tables do.
async fn unmet(api: &Api, id: JobId) -> Answer<Option<String>> {
    let question = move |tables: &Tables<'_>| {
        let Some(job) = tables.job(id)? else { return Ok(None) };
        let batch = tables.batch(job.batch)?;
        let mut unmet = batch.into_iter().flat_map(|batch| batch.unmet);
        let Some(Unmet { on, when, at }) = unmet.find(|one| job.finished_at == Some(one.at)) else {
            return Ok(None);
        };
        let mut told = format!("it was cancelled at {at} because {}", Cause::Dependency(on, when));
        let stands = tables.standing_of(on)?;
        let stands: Vec<String> =
            stands.iter().map(|(state, jobs)| format!("{jobs} {state}")).collect();
        if !stands.is_empty() {
            told += &format!(" ({on}: {})", stands.join(", "));
        }
        Ok(Some(told))
    };
    api.ask(question).await
}

pub(super) async fn find(api: &Api, id: JobId) -> Answer<Job> {
    let found = api.handle.read().job(id).await?;
    let Some(mut job) = found else { return Err(no_such(api, id).await?) };
    api.handle.lists().show(std::slice::from_mut(&mut job)).await;
    Ok(job)
}

/// Says that there is no such job, and where it may be if there was one.
async fn no_such(api: &Api, id: JobId) -> Answer<Refusal> {
    let lost = api.ask(|tables| tables.complete_after()).await?;
    let mut detail = format!("no job {id}");
    if lost > 0 {
        detail += &format!(
            " is known; read.db was made anew from a log that was compacted, and knows nothing of \
             jobs that had ended by event {lost}: look into the old read.db, or a backup"
        );
    }
    Ok(Refusal::new(Code::NoSuchJob, detail))
}

/// Jobs one a line, page by page as the client reads. `next` fetches the page at a place, with the
/// place of the one after it.
pub(super) fn lines_of_jobs<P, F>(
    api: Api,
    start: P,
    next: impl Fn(Api, P) -> F + Send + 'static,
) -> Response
where
    P: Send + 'static,
    F: Future<Output = Answer<(Page<Job>, P)>> + Send,
{
    let pages = stream::try_unfold(Some((api, start, next)), |at| async {
        let Some((api, place, next)) = at else { return Ok(None) };
        // A stream that has begun has no other way to say that it failed than to break off.
        let (mut page, place) = next(api.clone(), place)
            .await
            .map_err(|refusal| std::io::Error::other(refusal.rejection().detail.clone()))?;
        api.handle.lists().show(&mut page.items).await;
        let mut bytes = Vec::new();
        for job in &page.items {
            serde_json::to_writer(&mut bytes, job)?;
            bytes.push(b'\n');
        }
        let at = page.has_more.then_some((api, place, next));
        Ok::<_, std::io::Error>(Some((Bytes::from(bytes), at)))
    });
    ndjson(Body::from_stream(pages))
}

fn accepted(job: JobId, submitted: Submitted) -> Response {
    let Submitted { batch, count, known, replayed, warnings, .. } = submitted;
    let status = format!("/v1/jobs/{job}");
    let links = Links {
        results: format!("/v1/batches/{batch}/results"),
        cancel: format!("{status}/cancel"),
        events: format!("/v1/events?filter=id={job}"),
        status: status.clone(),
    };
    let was_known = replayed || !known.is_empty();
    let code = if was_known { StatusCode::OK } else { StatusCode::ACCEPTED };
    let known = known.into_iter();
    let accepted = Accepted {
        batch,
        first_job: job,
        jobs: count,
        known: known.map(|(index, job)| gristmill_model::api::KnownJob { index, job }).collect(),
        replayed,
        warnings,
        links,
    };
    (code, [(LOCATION, status)], Json(accepted)).into_response()
}
