//! How fast a whole server is: real sockets, a real log on the disk it is given, no-op jobs.
//!
//! ```text
//! cargo run --release -p gristmill-server --example throughput -- [JOBS] [FOLDER]
//! ```
//!
//! Client, server and worker share this process and its cores, so the figures are low estimates.

use std::error::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use gristmill_model::attempt::{Outcome, Success, Usage};
use gristmill_model::limits::Timing;
use gristmill_model::payload::Payload;
use gristmill_model::resources::Capacity;
use gristmill_model::wire::{Ended, FromWorker, Hello, PROTOCOL, ToWorker};
use gristmill_model::worker::WorkerDescription;
use gristmill_server::{Config, Durability, Listen, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const HEAD: &str = concat!(
    r#"{"stages":[{"name":"only","resources":{"cpus":0},"#,
    r#""handler":{"command":{"argv":["true"]}}}]}"#
);
const CLIENTS: usize = 64;

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let jobs: usize = words.next().map_or(Ok(200_000), |n| n.parse())?;
    let folder = words
        .next()
        .map_or_else(|| std::env::temp_dir().join("gristmill-throughput"), PathBuf::from);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let (durability, timing) = (Durability::Full, Timing::default());
    let config = Config { data: folder.clone(), durability, timing, keep_events: None };
    let mut server = Server::open(config.clone())?;
    let bind = "127.0.0.1:0".parse()?;
    let listener = server.listen(Listen { bind, require_token: false })?;
    let base = format!("127.0.0.1:{}", listener.address().port());

    bulk(&base, jobs).await?;
    drain(&base, jobs).await?;
    singles(&base, jobs / 10).await?;
    round_trips(&base, 500).await?;
    listener.close().await;
    server.close();

    let started = Instant::now();
    let server = Server::open(config)?;
    print("restart, events", server.handle().feed().committed() as usize, started.elapsed());
    drop(server);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

async fn bulk(base: &str, jobs: usize) -> Result<()> {
    let mut body = HEAD.to_owned();
    for n in 0..jobs {
        body.push_str(&format!("\n{{\"input\":\"{n}\"}}"));
    }
    let started = Instant::now();
    let request = reqwest::Client::new().post(format!("http://{base}/v1/batches"));
    let request = request.header("content-type", "application/x-ndjson").body(body);
    request.send().await?.error_for_status()?;
    print("bulk submit over HTTP", jobs, started.elapsed());
    Ok(())
}

async fn drain(base: &str, jobs: usize) -> Result<()> {
    let (mut says, mut hears) = connect(base).await?;
    let started = Instant::now();
    let (mut settled, mut leased) = (0, 0);
    while settled < jobs {
        match hears.next().await {
            Some(Ok(Message::Binary(bytes))) => match rmp_serde::from_slice(&bytes)? {
                ToWorker::Run(run) => {
                    leased += run.len();
                    for some in run.chunks(128) {
                        let ended = some.iter().map(|a| success(a.attempt)).collect();
                        let bytes = rmp_serde::to_vec(&FromWorker::Ended(ended))?;
                        says.feed(Message::Binary(bytes.into())).await?;
                    }
                    says.flush().await?;
                }
                ToWorker::Settled(some) => settled += some.len(),
                _ => {}
            },
            other => return Err(format!("the link broke after {leased} leases: {other:?}").into()),
        }
    }
    print("lease and durable completion", jobs, started.elapsed());
    Ok(())
}

async fn singles(base: &str, jobs: usize) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let clients = (0..CLIENTS).map(|_| {
        let (next, base) = (Arc::clone(&next), base.to_owned());
        tokio::spawn(async move {
            let mut socket = TcpStream::connect(&base).await?;
            socket.set_nodelay(true)?;
            let length = HEAD.len();
            let request = format!(
                "POST /v1/jobs HTTP/1.1\r\nHost: {base}\r\nContent-Length: {length}\r\n\r\n{HEAD}"
            );
            let mut answer = vec![0; 4096];
            while next.fetch_add(1, Ordering::Relaxed) < jobs {
                socket.write_all(request.as_bytes()).await?;
                // An answer is one small write, so it is read in one piece.
                let read = socket.read(&mut answer).await?;
                if !answer[..read].starts_with(b"HTTP/1.1 202") {
                    return Err(String::from_utf8_lossy(&answer[..read]).into());
                }
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        })
    });
    for client in futures::future::join_all(clients).await {
        client??;
    }
    print("submit one job, 64 clients over HTTP", jobs, started.elapsed());
    drain(base, jobs).await
}

/// Submit one job and wait for it, over and over, on an idle server.
async fn round_trips(base: &str, count: usize) -> Result<()> {
    let (mut says, mut hears) = connect(base).await?;
    let worker = tokio::spawn(async move {
        while let Some(Ok(Message::Binary(bytes))) = hears.next().await {
            if let Ok(ToWorker::Run(run)) = rmp_serde::from_slice(&bytes) {
                let ended = run.iter().map(|a| success(a.attempt)).collect();
                let Ok(bytes) = rmp_serde::to_vec(&FromWorker::Ended(ended)) else { return };
                if says.send(Message::Binary(bytes.into())).await.is_err() {
                    return;
                }
            }
        }
    });
    let client = reqwest::Client::new();
    let mut took = Vec::new();
    for _ in 0..count {
        let started = Instant::now();
        let request = client.post(format!("http://{base}/v1/jobs?wait=10s"));
        let request = request.header("content-type", "application/json").body(HEAD);
        request.send().await?.error_for_status()?.bytes().await?;
        took.push(started.elapsed());
    }
    worker.abort();
    took.sort();
    println!(
        "submit to done and read: p50 {:?}, p99 {:?}",
        took[count / 2],
        took[count * 99 / 100]
    );
    Ok(())
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn connect(
    base: &str,
) -> Result<(futures::stream::SplitSink<Socket, Message>, futures::stream::SplitStream<Socket>)> {
    let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{base}/v1/link")).await?;
    let (mut says, hears) = socket.split();
    let instance = RandomState::new().build_hasher().finish();
    let hello = Hello {
        protocol: PROTOCOL,
        instance,
        description: WorkerDescription::new("bench", &["command"], Capacity::of_cpus(64)),
        prefetch: 1_024,
        holds: vec![],
        offers: vec![],
    };
    let bytes = rmp_serde::to_vec(&FromWorker::Hello(hello))?;
    says.send(Message::Binary(bytes.into())).await?;
    Ok((says, hears))
}

fn success(attempt: gristmill_model::AttemptId) -> Ended {
    let success = Success { output: Payload::empty(), artifacts: vec![], warnings: vec![] };
    Ended {
        attempt,
        outcome: Outcome::Succeeded(success),
        usage: Usage::default(),
        devices: vec![],
    }
}

fn print(what: &str, count: usize, took: Duration) {
    println!("{what}: {count} in {took:.2?}, {:.0}/s", count as f64 / took.as_secs_f64());
}
