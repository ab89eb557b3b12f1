//! A worker that says what a test tells it to.

use std::collections::VecDeque;

use futures::{SinkExt, StreamExt};
use gristmill_model::AttemptId;
use gristmill_model::attempt::{Failure, FailureKind, Outcome, Success, Usage};
use gristmill_model::payload::Payload;
use gristmill_model::resources::Capacity;
use gristmill_model::wire::{Assignment, Ended, FromWorker, Hello, PROTOCOL, ToWorker, Welcome};
use gristmill_model::worker::WorkerDescription;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::world::{PATIENCE, World};

/// A connection of a scripted worker.
pub struct Worker {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub welcome: Welcome,
    /// What was heard while something else was waited for.
    heard: VecDeque<ToWorker>,
}

pub fn hello(instance: u64, holds: Vec<AttemptId>) -> Hello {
    let name = format!("scripted-{instance}");
    let mut description = WorkerDescription::new(&name, &["command"], Capacity::of_cpus(64));
    description.version = "test".into();
    Hello { protocol: PROTOCOL, instance, description, prefetch: 1_000, holds, offers: vec![] }
}

impl Worker {
    pub async fn connect(world: &World, instance: u64, holds: Vec<AttemptId>) -> Worker {
        let joined = Worker::joins(world, FromWorker::Hello(hello(instance, holds))).await;
        joined.unwrap_or_else(|other| panic!("expected a welcome, not {other:?}"))
    }

    /// A worker that says this first, or what it heard in place of a welcome.
    pub async fn joins(world: &World, first: FromWorker) -> Result<Worker, Option<ToWorker>> {
        let mut socket = open(world).await.unwrap();
        say(&mut socket, &first).await;
        match hear(&mut socket).await {
            Some(ToWorker::Welcome(welcome)) => {
                Ok(Worker { socket, welcome, heard: VecDeque::new() })
            }
            other => Err(other),
        }
    }

    /// The answer to a first frame that is not a good `Hello`.
    pub async fn refused(world: &World, first: Vec<u8>) -> Option<ToWorker> {
        let mut socket = open(world).await.unwrap();
        socket.send(Message::Binary(first.into())).await.unwrap();
        hear(&mut socket).await
    }

    pub async fn say(&mut self, frame: FromWorker) {
        say(&mut self.socket, &frame).await;
    }

    pub async fn say_raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next frame; nothing when the server has closed the connection.
    pub async fn hear(&mut self) -> Option<ToWorker> {
        match self.heard.pop_front() {
            Some(frame) => Some(frame),
            None => hear(&mut self.socket).await,
        }
    }

    /// The next attempts that are leased.
    pub async fn run(&mut self) -> Vec<Assignment> {
        self.until(|frame| match frame {
            ToWorker::Run(run) => Ok(run),
            other => Err(other),
        })
        .await
    }

    /// The next reports that are settled.
    pub async fn settled(&mut self) -> Vec<AttemptId> {
        self.until(|frame| match frame {
            ToWorker::Settled(settled) => Ok(settled),
            other => Err(other),
        })
        .await
    }

    /// The first frame that is meant; the others are kept.
    pub async fn until<T>(&mut self, meant: impl Fn(ToWorker) -> Result<T, ToWorker>) -> T {
        let mut kept = VecDeque::new();
        loop {
            let frame = self.hear().await.expect("the connection stands");
            match meant(frame) {
                Ok(found) => {
                    kept.append(&mut self.heard);
                    self.heard = kept;
                    return found;
                }
                Err(other) => kept.push_back(other),
            }
        }
    }

    pub async fn succeed(&mut self, attempts: &[AttemptId]) {
        let ended = attempts.iter().map(|attempt| success(*attempt)).collect();
        self.say(FromWorker::Ended(ended)).await;
    }

    /// The result is this.
    pub async fn give(&mut self, attempt: AttemptId, output: Payload) {
        let success = Success { output, artifacts: vec![], warnings: vec![] };
        let (outcome, usage) = (Outcome::Succeeded(success), Usage::default());
        self.say(FromWorker::Ended(vec![Ended { attempt, outcome, usage, devices: vec![] }])).await;
    }

    pub async fn fail(&mut self, attempt: AttemptId, kind: FailureKind) {
        let failure = Failure::new(kind, "scripted", "the script says so");
        let outcome = Outcome::Failed(failure);
        let usage = Usage::default();
        self.say(FromWorker::Ended(vec![Ended { attempt, outcome, usage, devices: vec![] }])).await;
    }

    /// Works off everything until `count` attempts have succeeded and are settled.
    pub async fn work_off(&mut self, count: usize) {
        let (mut done, mut settled) = (0, 0);
        while settled < count {
            match self.hear().await.expect("the connection stands") {
                ToWorker::Run(run) => {
                    let attempts: Vec<_> = run.iter().map(|a| a.attempt).collect();
                    done += attempts.len();
                    for some in attempts.chunks(128) {
                        self.succeed(some).await;
                    }
                }
                ToWorker::Settled(some) => settled += some.len(),
                _ => {}
            }
        }
        assert_eq!(done, count);
    }
}

pub fn success(attempt: AttemptId) -> Ended {
    let output = Payload::Text(format!("result of {attempt}"));
    let outcome = Outcome::Succeeded(Success { output, artifacts: vec![], warnings: vec![] });
    Ended { attempt, outcome, usage: Usage::default(), devices: vec![] }
}

pub async fn open(
    world: &World,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, tokio_tungstenite::tungstenite::Error> {
    let mut request = format!("ws://{}/v1/link", world.address()).into_client_request().unwrap();
    if let Some(token) = &world.token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
    }
    timeout(PATIENCE, tokio_tungstenite::connect_async(request))
        .await
        .expect("a connection in time")
        .map(|(socket, _)| socket)
}

async fn say(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>, frame: &FromWorker) {
    socket.send(Message::Binary(rmp_serde::to_vec(frame).unwrap().into())).await.unwrap();
}

async fn hear(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Option<ToWorker> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("a frame in time") {
            Some(Ok(Message::Binary(bytes))) => {
                return Some(rmp_serde::from_slice(&bytes).unwrap());
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}
