//! The feed as server-sent events. A client that comes back with `Last-Event-ID` hears what it
//! missed, within a bound, and then what happens, with neither gap nor doubling. Where the bound
//! cut something off, or the log no longer keeps it, an event `gap` says so first.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use gristmill_model::BatchId;
use gristmill_model::api::{FeedEvent, Problem};
use gristmill_model::problem::Code;
use serde::Deserialize;
use utoipa::IntoParams;

use super::parts::{Path, Query};
use super::problem::{Answer, Refusal};
use super::{Api, batches};
use crate::feed::{Missed, Subscription, Topic};

/// `?filter=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Which events: `batch=b3`, `id=j17`, `worker=w2`.
    #[serde(default)]
    filter: String,
}

/// What happens, as it happens.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(EventsQuery,
        ("last-event-id" = Option<u64>, Header, description = "The last event that was heard")),
    responses((status = 200, content_type = "text/event-stream", body = FeedEvent),
        (status = "4XX", body = Problem)))]
pub(super) async fn all(
    State(api): State<Api>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let topic: Topic = query.filter.parse()?;
    follow(&api, topic, &headers)
}

/// What happens to a batch and its jobs, as it happens.
#[utoipa::path(get, path = "/v1/batches/{id}/events", tag = "events",
    params(("id" = String, Path, example = "b3"),
        ("last-event-id" = Option<u64>, Header, description = "The last event that was heard")),
    responses((status = 200, content_type = "text/event-stream", body = FeedEvent),
        (status = "4XX", body = Problem)))]
pub(super) async fn of_batch(
    State(api): State<Api>,
    Path(batch): Path<BatchId>,
    headers: HeaderMap,
) -> Answer<Response> {
    batches::find(&api, batch).await?;
    follow(&api, Topic::batch(batch), &headers)
}

fn follow(api: &Api, topic: Topic, headers: &HeaderMap) -> Answer<Response> {
    let last = last_event(headers)?;
    let events = stream_of(api.handle.feed().subscribe(topic, last));
    let events = events.take_until(api.stopping.clone().cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

fn stream_of(
    subscription: Subscription,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    stream::unfold(subscription, |mut subscription| async {
        match subscription.next().await {
            Ok(Some(event)) => Some((Ok(shown(&event)), subscription)),
            Ok(None) => None,
            Err(Missed { events, through }) => Some((Ok(gap(events, through)), subscription)),
        }
    })
}

/// Says that events were passed over, and which was the last of them.
fn gap(missed: u64, last: u64) -> Event {
    let data = format!("{{\"missed\":{missed}}}");
    Event::default().event("gap").id(last.to_string()).data(data)
}

fn shown(event: &FeedEvent) -> Event {
    let named = Event::default().event(&event.event).id(event.seq.to_string());
    // An event is made of words and numbers, which have a JSON form.
    named.json_data(event).unwrap_or_default()
}

fn last_event(headers: &HeaderMap) -> Answer<Option<u64>> {
    let Some(last) = headers.get("last-event-id") else { return Ok(None) };
    let number = last.to_str().ok().and_then(|last| last.parse().ok());
    number.map(Some).ok_or_else(|| {
        Refusal::new(Code::InvalidRequest, "Last-Event-ID is not a number of an event")
    })
}
