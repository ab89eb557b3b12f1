//! The worker link as a WebSocket: one message a frame, MessagePack. What a session is stands in
//! `session`; here frames only become bytes and bytes frames.

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures::stream::SplitSink;
use futures::{SinkExt, Stream, StreamExt};
use gristmill_model::limits;
use gristmill_model::problem::Code;
use gristmill_model::wire::{FromWorker, ToWorker};
use tokio::sync::mpsc;

use super::Api;
use super::problem::{Answer, Refusal};
use crate::lists::Fill;
use crate::session;

/// `GET /v1/link`
pub(super) async fn connect(
    State(api): State<Api>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Response> {
    let upgrade = upgrade.map_err(|why| {
        let detail = format!("the worker link is a WebSocket: {}", why.body_text());
        Refusal::new(Code::InvalidRequest, detail)
    })?;
    let upgrade = upgrade
        .read_buffer_size(limits::LINK_READ_BYTES)
        .max_message_size(limits::FRAME_BYTES)
        .max_frame_size(limits::FRAME_BYTES);
    Ok(upgrade.on_upgrade(|socket| serve(api, socket)))
}

async fn serve(api: Api, socket: WebSocket) {
    let (sink, stream) = socket.split();
    let (tell, hears) = mpsc::channel(limits::FRAMES_PER_WORKER);
    let said = Box::pin(frames(stream));
    let fill = Fill::new(api.handle.clone());
    let session = session::serve(api.handle.clone(), said, tell, write(sink, hears, fill));
    tokio::select! {
        () = session => {}
        // The worker finds that the connection broke, keeps what it runs and comes back.
        () = api.stopping.cancelled() => {}
    }
}

/// What the worker says; ends with the connection, or with something that is no frame.
fn frames(
    stream: impl Stream<Item = Result<Message, axum::Error>> + Unpin,
) -> impl Stream<Item = FromWorker> {
    stream
        .filter_map(async |message| decode(message))
        .take_while(|frame| {
            let goes_on = frame.is_some();
            async move { goes_on }
        })
        .filter_map(async |frame| frame)
}

/// A frame; `Some(None)` where the conversation ends, nothing for what is no part of it.
fn decode(message: Result<Message, axum::Error>) -> Option<Option<FromWorker>> {
    match message {
        Ok(Message::Binary(bytes)) => match rmp_serde::from_slice(&bytes) {
            Ok(frame) => Some(Some(frame)),
            Err(error) => {
                tracing::warn!(%error, "a worker sent a frame that is not understood");
                Some(None)
            }
        },
        Ok(Message::Ping(_) | Message::Pong(_)) => None,
        Ok(Message::Text(_)) => {
            tracing::warn!("a worker sent text, not a frame");
            Some(None)
        }
        Ok(Message::Close(_)) => Some(None),
        Err(error) => {
            tracing::debug!(%error, "a worker's connection broke");
            Some(None)
        }
    }
}

/// Writes what the worker is told, in one go where several frames wait.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut hears: mpsc::Receiver<ToWorker>,
    mut fill: Fill,
) {
    let mut waiting = Vec::with_capacity(limits::FRAMES_PER_TURN);
    while hears.recv_many(&mut waiting, limits::FRAMES_PER_TURN).await > 0 {
        for frame in waiting.drain(..) {
            let Some(frame) = fill.pass(frame).await else { continue };
            for bytes in encode(frame) {
                if sink.feed(Message::Binary(bytes.into())).await.is_err() {
                    return;
                }
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
    let farewell = CloseFrame { code: close_code::NORMAL, reason: "".into() };
    // Everything is written; whether the worker takes leave too changes nothing.
    let _ = sink.send(Message::Close(Some(farewell))).await;
}

/// A frame as bytes; assignments that are too many for one are sent as several.
fn encode(frame: ToWorker) -> Vec<Vec<u8>> {
    let bytes = match rmp_serde::to_vec(&frame) {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::error!(%error, "a frame cannot be written");
            return Vec::new();
        }
    };
    match frame {
        ToWorker::Run(mut first) if bytes.len() > limits::RUN_FRAME_BYTES && first.len() > 1 => {
            let second = first.split_off(first.len() / 2);
            let mut halves = encode(ToWorker::Run(first));
            halves.extend(encode(ToWorker::Run(second)));
            halves
        }
        _ => vec![bytes],
    }
}

#[cfg(test)]
mod tests {
    use gristmill_model::payload::Payload;
    use gristmill_model::pipeline::{Handler, ImagesSpec};
    use gristmill_model::resources::Resources;
    use gristmill_model::wire::Assignment;
    use gristmill_model::{AttemptId, BatchId, JobId};

    use super::*;

    #[test]
    fn many_large_assignments_become_several_frames() {
        let large = |n| Assignment {
            attempt: AttemptId(n),
            job: JobId(n),
            batch: BatchId(1),
            stage: "only".into(),
            number: 1,
            handler: Handler::Images(ImagesSpec { recipe: "x".repeat(limits::INLINE_BYTES) }),
            resources: Resources::default(),
            timeout: None,
            input: Payload::Text("y".repeat(limits::INLINE_BYTES)),
            output: None,
            seat: None,
            alone: false,
        };
        let frames = encode(ToWorker::Run((0..200).map(large).collect()));
        assert!(frames.iter().all(|bytes| bytes.len() <= limits::RUN_FRAME_BYTES));
        let mut attempts = Vec::new();
        for bytes in frames {
            match rmp_serde::from_slice(&bytes).unwrap() {
                ToWorker::Run(run) => attempts.extend(run.into_iter().map(|a| a.attempt.0)),
                other => panic!("{other:?}"),
            }
        }
        assert!(attempts.into_iter().eq(0..200));
    }
}
