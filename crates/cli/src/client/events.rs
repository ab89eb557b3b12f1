//! The event feed of a batch: server-sent events, taken up again where a connection broke.

mod blocks;

use std::time::{Duration, Instant};

use futures::StreamExt;
use gristmill_model::api::FeedEvent;
use gristmill_model::{BatchId, limits};
use reqwest::{Method, Response};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::Client;
use crate::error::{Error, Result};
use blocks::Blocks;

/// A server that restarts is waited for this long.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);

/// Events of one batch as they happen. The feed ends when this is dropped.
pub struct Events {
    heard: mpsc::Receiver<Result<FeedEvent>>,
    _reader: AbortOnDropHandle<()>,
}

impl Client {
    /// Subscribes to a batch. The feed stands when this returns: whatever happens from now on will
    /// be heard, though after a break some of it may be missing.
    pub async fn events(&self, batch: BatchId) -> Result<Events> {
        let path = format!("v1/batches/{batch}/events");
        let answer = self.subscribe(&path, None).await?;
        let (told, heard) = mpsc::channel(limits::FEED);
        let reader = tokio::spawn(keep(self.clone(), path, answer, told));
        Ok(Events { heard, _reader: AbortOnDropHandle::new(reader) })
    }

    async fn subscribe(&self, path: &str, last: Option<&str>) -> Result<Response> {
        let mut request = self.request(Method::GET, path).header("Accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        self.send(request).await
    }
}

impl Events {
    /// The next event; safe to drop half-way. An error means that the feed is gone for good.
    pub async fn next(&mut self) -> Result<FeedEvent> {
        let gone = || Err(Error::internal("the event feed ended"));
        self.heard.recv().await.unwrap_or_else(gone)
    }
}

/// Reads a feed, and connects again when it breaks, until nobody listens or patience ends.
async fn keep(
    client: Client,
    path: String,
    first: Response,
    told: mpsc::Sender<Result<FeedEvent>>,
) {
    let mut blocks = Blocks::default();
    let mut answer = Ok(first);
    let mut alive = Instant::now();
    loop {
        match answer {
            Ok(answer) => {
                let mut stream = answer.bytes_stream();
                while let Some(Ok(piece)) = stream.next().await {
                    alive = Instant::now();
                    for event in blocks.take(&piece) {
                        if told.send(Ok(event)).await.is_err() {
                            return;
                        }
                    }
                }
            }
            Err(error) if alive.elapsed() > PATIENCE => {
                // Nobody listens any more, or they are told why the feed ends.
                let _ = told.send(Err(error)).await;
                return;
            }
            Err(_) => {}
        }
        blocks.broken();
        tokio::time::sleep(PAUSE).await;
        answer = client.subscribe(&path, blocks.last()).await;
    }
}
