//! What a job printed: its attempts' streams in the order in which they came. How that is written
//! stands in `printer`.

mod printer;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use gristmill_model::api::{Attempt, AttemptState, FeedEvent, LogLine, Problem};
use gristmill_model::problem::Code;
use gristmill_model::wire::Stream;
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
use printer::Printer;

/// Pieces on their way to a client that reads slowly.
const PIECES: usize = 16;

/// `?attempt=&follow=&stream=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogsQuery {
    /// Which attempt, as in `a21`; otherwise the last.
    attempt: Option<String>,
    /// Whether to go on until the job is final, attempt after attempt.
    #[serde(default)]
    follow: bool,
    /// Only this stream: `stdout`, `stderr` or `worker`.
    #[param(value_type = Option<String>)]
    stream: Option<Stream>,
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
    let mut printer = Printer::new(parts::wants_lines(&headers), query.stream);
    // Before the first look: whatever happens after it is heard.
    let events = api.handle.feed().subscribe(Topic::job(job), None);
    jobs::find(&api, job).await?;
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
        printed = printer.print(attempt.id, captured);
        printed.extend(printer.finish(attempt.id));
    }
    Ok(printer.response(Body::from(printed)))
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
                self.attempt(attempt, events).await?;
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

    async fn attempt(&mut self, attempt: &Attempt, events: &mut Subscription) -> Result<(), Over> {
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
                self.print(attempt.id, captured.map_err(|_| Over)?.ok_or(Over)?).await?;
            }
        }
        follow.finish();
        while let Some(captured) = follow.next().await.map_err(|_| Over)? {
            self.print(attempt.id, captured).await?;
        }
        let rest = self.printer.finish(attempt.id);
        self.pieces.send(rest.into()).await.map_err(|_| Over)
    }

    async fn print(&mut self, attempt: AttemptId, captured: Captured) -> Result<(), Over> {
        let bytes = self.printer.print(attempt, captured);
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
