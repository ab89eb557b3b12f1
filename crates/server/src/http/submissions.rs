//! The submission link: a WebSocket over which a client submits single jobs one after the other
//! and does not wait for each answer. A message is the body of `POST /v1/jobs`; each is answered by
//! a message, in order, once it is durable. So what comes while a commit is under way shares the
//! next one, without a request's head and an answer's head for each.

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use gristmill_model::access::Actor;
use gristmill_model::api::{Problem, SingleRequest, SubmittedJob};
use gristmill_model::command::{Command, Reply, Submitted};
use gristmill_model::limits;
use gristmill_model::problem::{Code, Rejection};
use tokio::sync::{mpsc, oneshot};

use super::auth::Caller;
use super::problem::{Answer, Refusal};
use super::{Api, body, intake};

/// `GET /v1/submissions`
pub(super) async fn connect(
    State(api): State<Api>,
    Caller(actor): Caller,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Response> {
    let upgrade = upgrade.map_err(|why| {
        let detail = format!("the submission link is a WebSocket: {}", why.body_text());
        Refusal::new(Code::InvalidRequest, detail)
    })?;
    let upgrade = upgrade
        .read_buffer_size(limits::LINK_READ_BYTES)
        .max_message_size(limits::LINE_BYTES)
        .max_frame_size(limits::LINE_BYTES);
    Ok(upgrade.on_upgrade(move |socket| serve(api, actor, socket)))
}

async fn serve(api: Api, actor: Actor, socket: WebSocket) {
    let (sink, stream) = socket.split();
    let (underway, asked) = mpsc::channel(limits::SUBMISSIONS_UNDERWAY);
    let both = async { tokio::join!(take(&api, &actor, stream, underway), answer(sink, asked)) };
    tokio::select! {
        _ = both => {}
        // What was not answered may have been taken in: a client that needs to know gives keys.
        () = api.stopping.cancelled() => {}
    }
}

/// A submission on its way to its answer.
enum Underway {
    Refused(Rejection),
    Asked(oneshot::Receiver<Result<Reply, Rejection>>),
}

/// Takes in what the client submits, as long as not too much of it waits for an answer.
async fn take(
    api: &Api,
    actor: &Actor,
    stream: SplitStream<WebSocket>,
    underway: mpsc::Sender<Underway>,
) {
    let mut messages = stream.ready_chunks(limits::FRAMES_PER_TURN);
    while let Some(some) = messages.next().await {
        for message in some {
            let asked = match message {
                Ok(Message::Text(text)) => submit(api, actor, text.as_bytes()).await,
                Ok(Message::Binary(bytes)) => submit(api, actor, &bytes).await,
                Ok(Message::Ping(_) | Message::Pong(_)) => continue,
                Ok(Message::Close(_)) => return,
                // A message beyond its bound, or a connection that broke and hears nothing of it.
                Err(error) => {
                    let why = format!("nothing more is read: {error}");
                    let refused = Underway::Refused(Rejection::new(Code::InvalidRequest, why));
                    return drop(underway.send(refused).await);
                }
            };
            let asked = asked.map_or_else(Underway::Refused, Underway::Asked);
            if underway.send(asked).await.is_err() {
                return;
            }
        }
    }
}

async fn submit(
    api: &Api,
    actor: &Actor,
    message: &[u8],
) -> Result<oneshot::Receiver<Result<Reply, Rejection>>, Rejection> {
    let request: SingleRequest =
        body::json(message).map_err(|why| Rejection::new(Code::InvalidRequest, why))?;
    let submission = intake::single(request, None)?;
    api.handle.begin(*actor, Command::Submit(Box::new(submission))).await
}

/// Answers in the order of the questions; what is ready together is sent together.
async fn answer(mut sink: SplitSink<WebSocket, Message>, mut asked: mpsc::Receiver<Underway>) {
    let mut some = Vec::with_capacity(limits::FRAMES_PER_TURN);
    while asked.recv_many(&mut some, limits::FRAMES_PER_TURN).await > 0 {
        for underway in some.drain(..) {
            let answered = match underway {
                Underway::Refused(rejection) => Err(rejection),
                Underway::Asked(mut answer) => match answer.try_recv() {
                    Ok(answered) => answered,
                    // Nobody waits for an answer that is known.
                    Err(_) if sink.flush().await.is_err() => return,
                    Err(_) => answer.await.unwrap_or_else(|_| Err(stopping())),
                },
            };
            if sink.feed(Message::Text(words(answered).into())).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
    // Everything is answered; whether the client takes leave too changes nothing.
    let _ = sink.close().await;
}

fn words(answered: Result<Reply, Rejection>) -> String {
    let words = match answered {
        Ok(Reply::Batch(submitted)) => serde_json::to_string(&taken_in(submitted)),
        Ok(other) => {
            let detail = format!("a batch was answered: {other:?}");
            serde_json::to_string(&Problem::from(&Rejection::new(Code::Internal, detail)))
        }
        Err(rejection) => serde_json::to_string(&Problem::from(&rejection)),
    };
    // Text and numbers always become JSON.
    words.unwrap_or_default()
}

fn taken_in(submitted: Submitted) -> SubmittedJob {
    let Submitted { batch, first, known, warnings, .. } = submitted;
    let job = known.first().map_or(first, |(_, job)| *job);
    SubmittedJob { job, batch, known: !known.is_empty(), warnings }
}

fn stopping() -> Rejection {
    Rejection::new(Code::ShuttingDown, "the server is stopping")
}
