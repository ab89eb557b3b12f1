//! Single submissions over submission links: many clients, each with some jobs on their way.

use std::time::Instant;

use futures::future::try_join_all;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use gristmill_model::api::SingleRequest;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::Figure;
use super::measure::{self, CLIENTS};
use super::stage::Stage;
use crate::error::{Error, Result};

/// Jobs that a client has on their way at a time.
const UNDERWAY: usize = 64;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// As many jobs, each submitted and acknowledged alone, over 64 links.
pub async fn links(stage: &Stage, count: u32) -> Result<Figure> {
    let stages = measure::batch(measure::NO_OP(), Vec::new()).stages;
    let request = SingleRequest { stages, input: Some("one".into()), ..SingleRequest::default() };
    let request = serde_json::to_string(&request)
        .map_err(|error| Error::internal(format!("cannot write JSON: {error}")))?;
    let request = Utf8Bytes::from(request);
    let url = format!("ws://{}/v1/submissions", stage.address());
    let turns = (count as usize).div_ceil(CLIENTS * UNDERWAY);
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let (socket, _) =
            connect_async_with_config(url.as_str(), None, true).await.map_err(broke)?;
        clients.push(socket.split());
    }
    let started = Instant::now();
    try_join_all(clients.into_iter().map(|both| client(both, &request, turns))).await?;
    let submitted = (turns * CLIENTS * UNDERWAY) as u64;
    Ok(measure::rate("submit one by one, 64 links", submitted, started))
}

async fn client(
    (mut says, mut hears): (SplitSink<Socket, Message>, SplitStream<Socket>),
    request: &Utf8Bytes,
    turns: usize,
) -> Result<()> {
    for _ in 0..turns {
        for _ in 0..UNDERWAY {
            says.feed(Message::Text(request.clone())).await.map_err(broke)?;
        }
        says.flush().await.map_err(broke)?;
        for _ in 0..UNDERWAY {
            match hears.next().await {
                Some(Ok(Message::Text(text))) if text.starts_with("{\"job\"") => {}
                Some(Err(error)) => return Err(broke(error)),
                other => return Err(Error::internal(format!("not the answer: {other:?}"))),
            }
        }
    }
    Ok(())
}

fn broke(error: WebSocketError) -> Error {
    Error::internal(format!("a submission link broke: {error}"))
}
