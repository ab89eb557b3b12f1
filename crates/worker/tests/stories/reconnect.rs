//! A worker behind a socket: greeted, cut off, welcomed again, turned away.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use gristmill_model::attempt::Outcome;
use gristmill_model::problem::Code;
use gristmill_model::wire::{Ended, FromWorker, Hello, ToWorker};
use gristmill_worker::{Connection, Shutdown, WorkerError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use crate::mill::{command, config, welcome};

const PATIENCE: Duration = Duration::from_secs(20);

/// The server's end of one connection.
struct Session(WebSocketStream<TcpStream>);

impl Session {
    async fn accept(listener: &TcpListener) -> Session {
        let (stream, _) =
            timeout(PATIENCE, listener.accept()).await.expect("nobody comes").unwrap();
        // The signature is the library's own.
        #[allow(clippy::result_large_err)]
        let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            assert_eq!(request.uri().path(), "/v1/link");
            assert_eq!(request.headers()["authorization"], "Bearer secret");
            Ok(response)
        };
        Session(tokio_tungstenite::accept_hdr_async(stream, check).await.unwrap())
    }

    async fn say(&mut self, frame: ToWorker) {
        let bytes = rmp_serde::to_vec(&frame).unwrap();
        self.0.send(Message::Binary(bytes.into())).await.unwrap();
    }

    async fn hear(&mut self) -> Option<FromWorker> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("the worker is silent")? {
                Ok(Message::Binary(bytes)) => return rmp_serde::from_slice(&bytes).ok(),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    async fn hello(&mut self) -> Hello {
        match self.hear().await {
            Some(FromWorker::Hello(hello)) => hello,
            other => panic!("expected a hello, got {other:?}"),
        }
    }

    async fn ended(&mut self) -> Vec<Ended> {
        loop {
            match self.hear().await {
                Some(FromWorker::Ended(batch)) => return batch,
                Some(_) => {}
                None => panic!("the connection ended without a report"),
            }
        }
    }
}

struct Remote {
    listener: TcpListener,
    shutdown: Shutdown,
    worker: JoinHandle<Result<(), WorkerError>>,
    _home: tempfile::TempDir,
}

async fn remote() -> Remote {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("shared")).unwrap();
    let config = config(home.path());
    let shutdown = Shutdown::new();
    let asked = shutdown.clone();
    let worker = tokio::spawn(async move {
        let connection = Connection::WebSocket { server, token: Some("secret".into()) };
        gristmill_worker::run(config, connection, &asked).await
    });
    Remote { listener, shutdown, worker, _home: home }
}

#[tokio::test]
async fn a_report_is_repeated_after_a_break_until_it_is_settled() {
    let remote = remote().await;
    let mut first = Session::accept(&remote.listener).await;
    let hello = first.hello().await;
    assert!(hello.holds.is_empty());
    first.say(welcome()).await;
    let assignment = command(&["true"]);
    let attempt = assignment.attempt;
    first.say(ToWorker::Run(vec![assignment])).await;
    let ended = first.ended().await;
    assert!(matches!(ended[0].outcome, Outcome::Succeeded(_)), "{ended:?}");
    drop(first);

    let mut second = Session::accept(&remote.listener).await;
    let again = second.hello().await;
    assert_eq!((again.instance, again.holds.as_slice()), (hello.instance, &[attempt][..]));
    second.say(welcome()).await;
    assert_eq!(second.ended().await, ended);
    second.say(ToWorker::Settled(vec![attempt])).await;
    remote.shutdown.drain();
    let mut last = None;
    while let Some(frame) = second.hear().await {
        last = Some(frame);
    }
    assert_eq!(last, Some(FromWorker::Goodbye), "the last word is heard");
    timeout(PATIENCE, remote.worker).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_worker_waits_for_a_server_that_is_not_there_yet() {
    let placeholder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = placeholder.local_addr().unwrap();
    drop(placeholder);
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("shared")).unwrap();
    let config = config(home.path());
    let (shutdown, token) = (Shutdown::new(), Some("secret".into()));
    let asked = shutdown.clone();
    let connection = Connection::WebSocket { server: format!("http://{address}"), token };
    let worker =
        tokio::spawn(async move { gristmill_worker::run(config, connection, &asked).await });
    tokio::task::yield_now().await;
    let listener = TcpListener::bind(address).await.unwrap();
    Session::accept(&listener).await.hello().await;
    shutdown.quit();
    timeout(PATIENCE, worker).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_refused_worker_says_why() {
    let remote = remote().await;
    let mut session = Session::accept(&remote.listener).await;
    session.hello().await;
    let detail = "this server speaks protocol 9".to_owned();
    session.say(ToWorker::Refused { code: Code::Unauthorized, detail: detail.clone() }).await;
    let error = timeout(PATIENCE, remote.worker).await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains(&detail), "{error}");
}

#[tokio::test]
async fn a_frame_that_nobody_understands_breaks_the_connection_only() {
    let remote = remote().await;
    let mut session = Session::accept(&remote.listener).await;
    session.hello().await;
    session.0.send(Message::Binary(vec![0xc1, 2, 3].into())).await.unwrap();
    while session.hear().await.is_some() {}
    Session::accept(&remote.listener).await.hello().await;
    remote.shutdown.quit();
    timeout(PATIENCE, remote.worker).await.unwrap().unwrap().unwrap();
}
