//! One worker's link, whatever carries it: the WebSocket of `http::link`, or a pair of queues in
//! this process. Frames come in, gathered as they arrive, and go to the core loop many at once;
//! what the worker is told goes from the core loop straight into its queue.
//!
//! Captured output never passes the core loop. It is kept before what the worker said after it is
//! handed on, so whoever hears that an attempt ended can read all that it printed.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use futures::{Stream, StreamExt};
use gristmill_engine::link;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::wire::{self, FromWorker, Hello, ToWorker};
use gristmill_model::{AttemptId, JobId, limits};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::core::{Connection, Message};
use crate::handle::Handle;
use crate::wall;

/// Serves a worker until either side has had enough. `said` is what it says; `tell` is the queue of
/// what it is told, and `telling` carries that queue's other end to the worker and ends with it.
pub(crate) async fn serve(
    handle: Handle,
    mut said: impl Stream<Item = FromWorker> + Unpin,
    tell: mpsc::Sender<ToWorker>,
    telling: impl Future<Output = ()>,
) {
    let connection = match greet(&handle, &mut said, &tell).await {
        Ok(connection) => connection,
        Err(Rejection { code, detail }) => {
            tracing::warn!(code = code.as_str(), detail, "a worker is refused");
            // A worker that is gone does not need to hear why.
            let _ = tell.try_send(ToWorker::Refused { code, detail });
            drop(tell);
            let _ = timeout(limits::LAST_WORDS.to_std(), telling).await;
            return;
        }
    };
    let worker = connection.worker;
    tracing::info!(%worker, "connected");
    // From now on only the core loop can speak to the worker, and by ceasing to end the session.
    drop(tell);
    let lease = handle.timing().lease.to_std();
    tokio::select! {
        () = listen(&handle, connection, said, lease) => {}
        () = telling => {}
    }
    tracing::info!(%worker, "disconnected");
    handle.send(Message::Disconnect(connection)).await;
}

async fn greet(
    handle: &Handle,
    said: &mut (impl Stream<Item = FromWorker> + Unpin),
    tell: &mpsc::Sender<ToWorker>,
) -> Result<Connection, Rejection> {
    let refuse = |detail: &str| Err(Rejection::new(Code::InvalidRequest, detail));
    let hello = match timeout(limits::CONNECT.to_std(), said.next()).await {
        Ok(Some(FromWorker::Hello(hello))) => hello,
        Ok(Some(_)) => return refuse("the first frame is not `Hello`"),
        Ok(None) => return refuse("the connection ended before a `Hello`"),
        Err(_) => return refuse("no `Hello` came"),
    };
    check(&hello)?;
    let (answer, answered) = oneshot::channel();
    let (greeting, frames) = (link::greeting(hello), tell.clone());
    handle.ask(Message::Greet { greeting, frames, answer }, answered).await
}

fn check(hello: &Hello) -> Result<(), Rejection> {
    if (wire::OLDEST_PROTOCOL..=wire::PROTOCOL).contains(&hello.protocol) {
        return Ok(());
    }
    let detail = format!(
        "worker {} {} speaks version {} of the protocol, this server {} speaks {} and {}",
        hello.description.name,
        hello.description.version,
        hello.protocol,
        env!("CARGO_PKG_VERSION"),
        wire::PROTOCOL,
        wire::OLDEST_PROTOCOL
    );
    Err(Rejection::new(Code::WrongProtocol, detail))
}

/// A worker whose lease is over has this long left to be heard.
const AFTER_STALL: Duration = Duration::from_millis(100);

/// Hands on what a worker says until it has no more to say, or is silent for longer than its lease.
async fn listen(
    handle: &Handle,
    connection: Connection,
    said: impl Stream<Item = FromWorker> + Unpin,
    lease: Duration,
) {
    let mut said = said.ready_chunks(limits::FRAMES_PER_TURN);
    let mut leased = Leased::default();
    let mut unheard = None;
    loop {
        match timeout(unheard.unwrap_or(lease), said.next()).await {
            Ok(Some(frames)) => {
                unheard = None;
                let frames = keep_output(handle, &mut leased, frames).await;
                if !frames.is_empty() {
                    handle.send(Message::Heard { connection, frames }).await;
                }
            }
            Ok(None) => return,
            // This process may have been stopped itself; what came meanwhile is read first.
            Err(_) if unheard.is_none() => unheard = Some(AFTER_STALL),
            Err(_) => {
                tracing::warn!(worker = %connection.worker, "silent for longer than its lease");
                return;
            }
        }
    }
}

/// Attempts whose output was kept already, so that the tables are asked once for each.
#[derive(Default)]
struct Leased(BTreeSet<(JobId, AttemptId)>);

impl Leased {
    /// Whether such an attempt was ever leased: a worker must not fill the disk with the output of
    /// attempts that it invents. One that was taken over meanwhile may still be heard.
    async fn knows(&mut self, handle: &Handle, job: JobId, attempt: AttemptId) -> bool {
        if self.0.contains(&(job, attempt)) {
            return true;
        }
        let knows = is_leased(handle, job, attempt).await || was_leased(handle, job, attempt).await;
        if knows {
            if self.0.len() >= limits::HELD_PER_WORKER {
                self.0.clear();
            }
            self.0.insert((job, attempt));
        }
        knows
    }
}

async fn is_leased(handle: &Handle, job: JobId, attempt: AttemptId) -> bool {
    let (answer, answered) = oneshot::channel();
    let leased = handle.ask(Message::Leased { attempt, answer }, answered).await;
    matches!(leased, Ok(Some(of)) if of == job)
}

/// Asks the read tables, which may have to catch up first: only for attempts that have ended.
async fn was_leased(handle: &Handle, job: JobId, attempt: AttemptId) -> bool {
    let found = handle.read().ask(move |tables| tables.attempt(attempt)).await;
    matches!(found, Ok(Some(found)) if found.job == job)
}

/// Keeps the captured output among the frames and returns the others.
async fn keep_output(
    handle: &Handle,
    leased: &mut Leased,
    frames: Vec<FromWorker>,
) -> Vec<FromWorker> {
    if !frames.iter().any(|frame| matches!(frame, FromWorker::Log { .. })) {
        return frames;
    }
    let mut others = Vec::new();
    let mut output: Vec<((JobId, AttemptId), Vec<_>)> = Vec::new();
    for frame in frames {
        match frame {
            FromWorker::Log { attempt, job, stream, bytes } => {
                match output.last_mut().filter(|(of, _)| *of == (job, attempt)) {
                    Some((_, pieces)) => pieces.push((stream, bytes)),
                    None => output.push(((job, attempt), vec![(stream, bytes)])),
                }
            }
            other => others.push(other),
        }
    }
    for ((job, attempt), pieces) in output {
        if !leased.knows(handle, job, attempt).await {
            tracing::warn!(%job, %attempt, "output of an attempt that was never leased is dropped");
            continue;
        }
        if let Err(error) = handle.logs().append(job, attempt, wall::clock(), pieces).await {
            tracing::warn!(%job, %attempt, %error, "captured output is lost");
        }
    }
    others
}
