//! Callbacks: whoever asked for it is told over HTTP that a batch has finished.
//!
//! What is to be told stands in the read tables, announced and not settled, so a restart finds what
//! the server before it left. A call is tried a bounded number of times; what came of it is a
//! command like any other, and once that is in the log nobody is called again. A crash between the
//! two calls twice: the id in the headers stays the same, by which a receiver can tell.
//!
//! Headers are those of Standard Webhooks (<https://www.standardwebhooks.com>), without the
//! signature. There is no TLS here: an `https` URL is refused when the batch is submitted.

use std::collections::BTreeSet;

use gristmill_model::access::Actor;
use gristmill_model::api::Batch;
use gristmill_model::command::Command;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::terms::Terms;
use gristmill_model::{BatchId, Span, Time, limits};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::handle::Handle;
use crate::read::ReadError;
use crate::wall;

/// Judges the URL that a batch names, as far as this server can call it.
///
/// # Errors
/// `invalid_request`.
pub fn check(terms: &Terms) -> Result<(), Rejection> {
    let Some(url) = &terms.callback else { return Ok(()) };
    let bad = |why: String| {
        let detail = format!("callback `{url}`: {why}");
        Err(Rejection::new(Code::InvalidRequest, detail))
    };
    match reqwest::Url::parse(url) {
        Ok(parsed) if parsed.scheme() == "https" => bad("this server calls http URLs only: name \
             one, such as of a proxy on this machine that speaks TLS"
            .into()),
        Ok(parsed) if parsed.scheme() == "http" && parsed.has_host() => Ok(()),
        Ok(_) => bad("expected an http URL with a host".into()),
        Err(why) => bad(why.to_string()),
    }
}

/// Calls whoever is to be called, until the server stops. `ended` tells that a batch has finished.
pub(crate) async fn serve(handle: Handle, mut ended: watch::Receiver<u64>) {
    // Nobody is asked for the way to somebody who was named, and nobody is sent elsewhere.
    let client = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(limits::CALL.to_std())
        .user_agent(concat!("gristmill/", env!("CARGO_PKG_VERSION")))
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "nobody can be called back"),
    };
    let mut calls = JoinSet::new();
    let mut called = BTreeSet::new();
    loop {
        ended.mark_unchanged();
        match due(&handle, called.len() + limits::CALLS).await {
            Ok(due) => {
                for batch in
                    due.into_iter().filter(|batch| !called.contains(batch)).collect::<Vec<_>>()
                {
                    if called.len() < limits::CALLS {
                        called.insert(batch);
                        let (handle, client) = (handle.clone(), client.clone());
                        calls.spawn(async move {
                            settle(&handle, &client, batch).await;
                            batch
                        });
                    }
                }
            }
            Err(ReadError::Stopped) => return,
            Err(error) => tracing::warn!(%error, "who is to be called cannot be read"),
        }
        tokio::select! {
            changed = ended.changed() => if changed.is_err() { return },
            Some(done) = calls.join_next() => {
                // A call that panicked is tried again after the next start.
                if let Ok(batch) = done {
                    called.remove(&batch);
                }
            }
        }
    }
}

async fn due(handle: &Handle, limit: usize) -> Result<Vec<BatchId>, ReadError> {
    handle.read().ask(move |tables| tables.to_call(BatchId(0), limit)).await
}

/// Calls about one batch, and has it written down what came of that.
async fn settle(handle: &Handle, client: &Client, id: BatchId) {
    let Some((batch, url, announced)) = told(handle, id).await else { return };
    let message = message(&batch, announced);
    let (delivered, detail) = call(client, &url, id, announced, &message).await;
    // Retried and finished once more meanwhile: then the new end is told, not this one.
    if told(handle, id).await.is_none_or(|(_, _, again)| again != announced) {
        return;
    }
    let command = Command::SettleCallback { batch: id, delivered, detail: detail.clone() };
    match handle.request(Actor::SERVER, command).await {
        Ok(_) => tracing::info!(batch = %id, delivered, detail, "called back"),
        Err(why) => tracing::warn!(batch = %id, why = why.detail, "a callback was not settled"),
    }
}

/// The batch as it is, whom to call, and when its end was announced.
async fn told(handle: &Handle, id: BatchId) -> Option<(Batch, String, Time)> {
    let question = handle.read().ask(move |tables| Ok((tables.batch(id)?, tables.call_due(id)?)));
    let (batch, due) = question.await.ok()?;
    let due = due?;
    Some((batch?, due.url, due.announced_at))
}

fn message(batch: &Batch, announced: Time) -> Value {
    json!({
        "type": "batch.finished",
        "timestamp": announced,
        "data": {
            "batch": batch.id,
            "name": batch.name,
            "finished": batch.finished,
            "jobs": batch.jobs,
            "counts": batch.counts,
            "finished_at": batch.finished_at,
            "link": format!("/v1/batches/{}", batch.id),
        },
    })
}

/// Calls until somebody has heard, or it was tried often enough; says which, and what was last.
async fn call(
    client: &Client,
    url: &str,
    batch: BatchId,
    announced: Time,
    message: &Value,
) -> (bool, String) {
    let id = format!("msg_{batch}_{}", announced.0);
    let mut pause = limits::CALL_PAUSE;
    let mut last = String::new();
    for round in 1..=limits::CALL_TRIES {
        if round > 1 {
            tokio::time::sleep(pause.to_std()).await;
            pause = Span(pause.0 * 2);
        }
        let now = wall::clock().0 / 1_000_000;
        let request = client.post(url).header("webhook-id", &id);
        let request = request.header("webhook-timestamp", now.to_string());
        last = match request.json(message).send().await.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => return (true, format!("answered {status}")),
            Ok(status) if status.is_redirection() => {
                return (false, format!("answered {status}: nobody is called elsewhere"));
            }
            Ok(StatusCode::GONE) => return (false, format!("answered {}", StatusCode::GONE)),
            Ok(status) => format!("answered {status}, {round} times called"),
            Err(why) => format!("{}, {round} times called", cause(&why)),
        };
    }
    (false, last)
}

/// The innermost reason, without the URL, which may hold a secret.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {}", limits::CALL);
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_called_is_refused_with_a_way_out() {
        let told = |url: &str| {
            let terms = Terms { callback: Some(url.into()), ..Terms::default() };
            check(&terms).map_err(|rejection| rejection.detail)
        };
        assert_eq!(told("http://127.0.0.1:9/hook?x=1"), Ok(()));
        assert_eq!(check(&Terms::default()), Ok(()));
        assert!(told("https://example.org/").unwrap_err().contains("http URLs only"));
        assert!(told("ftp://example.org/").unwrap_err().contains("expected an http URL"));
        assert!(told("http://").unwrap_err().starts_with("callback `http://`"));
    }
}
