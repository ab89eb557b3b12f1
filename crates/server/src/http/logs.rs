//! What a job printed: its attempts' streams in the order in which they came, and where an attempt
//! failed. How that is written stands in `printer`; the output of many jobs together in `joint`.

pub(super) mod joint;
mod lines;
mod printer;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use gristmill_model::api::{Attempt, AttemptState, FeedEvent, Job, LogLine, LogStream, Problem};
use gristmill_model::problem::Code;
use gristmill_model::{AttemptId, JobId};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

use super::at::At;
use super::parts::{self, Query};
use super::problem::{Answer, Refusal};
use super::{Api, jobs};
use crate::feed::{Subscription, Topic};
use crate::logs::Captured;
use lines::{Origin, Wish};
use printer::Printer;

/// Pieces on their way to a client that reads slowly.
const PIECES: usize = 16;

/// `?attempt=&follow=&stream=&grep=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogsQuery {
    /// Which attempt, as in `a21`; otherwise the last.
    attempt: Option<String>,
    /// Whether to go on until the job is final, attempt after attempt.
    #[serde(default)]
    follow: bool,
    /// Only this stream.
    #[param(inline)]
    stream: Option<LogStream>,
    /// Only lines with this text in them.
    grep: Option<String>,
}

/// What a job printed: as text, or with `Accept: application/x-ndjson` as a `LogLine` a line.
#[utoipa::path(get, path = "/v1/jobs/{id}/logs", tag = "jobs",
    params(("id" = String, Path, example = "j17"), LogsQuery),
    responses((status = 200, content(
            (String = "text/plain"), (LogLine = "application/x-ndjson"))),
        (status = "4XX", body = Problem)))]
pub(super) async fn output(
    State(api): State<Api>,
    At(job): At,
    Query(query): Query<LogsQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let wish = Wish { stream: query.stream, grep: query.grep };
    let mut printer = Printer::new(parts::wants_lines(&headers), wish);
    // Before the first look: whatever happens after it is heard.
    let events = api.handle.feed().subscribe(Topic::job(job), None);
    let of = jobs::find(&api, job).await?;
    let attempts = api.ask(move |tables| tables.attempts(job)).await?;
    let wanted: Option<AttemptId> = query.attempt.as_deref().map(parts::id).transpose()?;
    let found = match wanted {
        Some(id) => attempts.iter().find(|attempt| attempt.id == id),
        None => attempts.last(),
    };
    if let (Some(id), None) = (wanted, found) {
        return Err(Refusal::new(Code::NoSuchAttempt, format!("job {job} has no attempt {id}")));
    }
    if query.follow {
        let (pieces, follows) = mpsc::channel(PIECES);
        let answer = printer.clone();
        let follow = Following { api: api.clone(), job, wanted, printer, pieces };
        tokio::spawn(follow.run(events));
        let bytes = futures::StreamExt::map(ReceiverStream::new(follows), Ok::<_, std::io::Error>);
        return Ok(answer.response(Body::from_stream(bytes)));
    }
    let mut printed = Vec::new();
    if let Some(attempt) = found {
        let captured = api.handle.logs().read(job, attempt.id, 0).await?;
        let from = origin(&of, attempt);
        let failed = lines::traceback(attempt.failure.as_ref(), &captured).map(str::to_owned);
        printed = printer.print(&from, captured);
        printed.extend(printer.finish(&from, failed.as_deref()));
    }
    Ok(printer.response(Body::from(printed)))
}

fn origin(job: &Job, attempt: &Attempt) -> Origin {
    let Job { id, batch, index, .. } = *job;
    Origin { job: id, batch, index, attempt: attempt.id, worker: attempt.worker }
}

/// Somebody follows a job.
struct Following {
    api: Api,
    job: JobId,
    wanted: Option<AttemptId>,
    printer: Printer,
    pieces: mpsc::Sender<Bytes>,
}

/// Nobody reads any more, or nothing more can be read.
struct Over;

impl Following {
    async fn run(mut self, mut events: Subscription) {
        let stopping = self.api.stopping.clone();
        let hung_up = self.pieces.clone();
        tokio::select! {
            // Errors have no other way to be told than that the text ends.
            _ = self.attempts(&mut events) => {}
            () = hung_up.closed() => {}
            () = stopping.cancelled() => {}
        }
    }

    /// Follows attempt after attempt until the job is final.
    async fn attempts(&mut self, events: &mut Subscription) -> Result<(), Over> {
        let mut done: Option<AttemptId> = None;
        loop {
            let job = jobs::find(&self.api, self.job).await.map_err(|_| Over)?;
            let id = self.job;
            let attempts = self.api.ask(move |tables| tables.attempts(id)).await;
            let mut attempts = attempts.map_err(|_| Over)?;
            match self.wanted {
                Some(wanted) => attempts.retain(|attempt| attempt.id == wanted),
                // The first look shows the last attempt only, as without following.
                None if done.is_none() => drop(attempts.drain(..attempts.len().saturating_sub(1))),
                None => {}
            }
            let new: Vec<Attempt> = attempts
                .into_iter()
                .filter(|attempt| done.is_none_or(|done| done < attempt.id))
                .collect();
            for attempt in &new {
                self.attempt(&origin(&job, attempt), attempt, events).await?;
                done = Some(attempt.id);
            }
            if done.is_some() && done == self.wanted {
                return Ok(());
            }
            // While an attempt was followed the job has gone on: then it is looked at again at
            // once.
            if new.is_empty() {
                if job.state.is_final() {
                    return Ok(());
                }
                events.next().await.ok().flatten().ok_or(Over)?;
            }
        }
    }

    async fn attempt(
        &mut self,
        from: &Origin,
        attempt: &Attempt,
        events: &mut Subscription,
    ) -> Result<(), Over> {
        let mut follow = self.api.handle.logs().follow(self.job, attempt.id, 0);
        if attempt.state == AttemptState::Running {
            let mut ended = Box::pin(until_ended(events, attempt.id));
            loop {
                let captured = tokio::select! {
                    captured = follow.next() => captured,
                    ended = &mut ended => {
                        ended?;
                        break;
                    }
                };
                self.print(from, captured.map_err(|_| Over)?.ok_or(Over)?).await?;
            }
        }
        follow.finish();
        while let Some(captured) = follow.next().await.map_err(|_| Over)? {
            self.print(from, captured).await?;
        }
        let failed = self.traceback(attempt.id).await?;
        let rest = self.printer.finish(from, failed.as_deref());
        self.pieces.send(rest.into()).await.map_err(|_| Over)
    }

    /// Where an attempt that has ended failed, unless that was printed.
    async fn traceback(&self, id: AttemptId) -> Result<Option<String>, Over> {
        let attempt = self.api.ask(move |tables| tables.attempt(id)).await.map_err(|_| Over)?;
        let failure = attempt.and_then(|attempt| attempt.failure);
        if failure.as_ref().is_none_or(|failure| failure.traceback.is_none()) {
            return Ok(None);
        }
        let all = self.api.handle.logs().read(self.job, id, 0).await.map_err(|_| Over)?;
        Ok(lines::traceback(failure.as_ref(), &all).map(str::to_owned))
    }

    async fn print(&mut self, from: &Origin, captured: Captured) -> Result<(), Over> {
        let bytes = self.printer.print(from, captured);
        self.pieces.send(bytes.into()).await.map_err(|_| Over)
    }
}

async fn until_ended(events: &mut Subscription, attempt: AttemptId) -> Result<(), Over> {
    let name = attempt.to_string();
    let ends = |event: &FeedEvent| {
        matches!(event.event.as_str(), "attempt_succeeded" | "attempt_failed")
            && event.data["attempt"] == name
    };
    loop {
        match events.next().await {
            Ok(Some(event)) if ends(&event) => return Ok(()),
            Ok(Some(_)) => {}
            _ => return Err(Over),
        }
    }
}
