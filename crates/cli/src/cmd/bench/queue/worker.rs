//! A worker that answers each attempt at once, over the real link: what is left is the engine, the
//! log and the wire. It runs in a process of its own, and stands for as many workers as is wished,
//! each with a connection of its own.

use std::time::Duration;

use futures::future::try_join_all;
use futures::{SinkExt, StreamExt};
use gristmill_model::attempt::{Outcome, Success, Usage};
use gristmill_model::limits;
use gristmill_model::payload::Payload;
use gristmill_model::problem::exit;
use gristmill_model::resources::Capacity;
use gristmill_model::wire::{Assignment, Ended, FromWorker, Hello, PROTOCOL, ToWorker};
use gristmill_model::worker::WorkerDescription;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::error::{Error, Result};

/// CPUs that it pretends to have, so that leases are never what is waited for.
const CPUS: u32 = 1_024;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server
    server: String,
    /// As so many workers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    links: u32,
}

/// A worker that has nothing to do must be heard of more often than its lease is long.
const HEARTBEAT: Duration = Duration::from_secs(2);

pub async fn run(args: &Args) -> Result<u8> {
    try_join_all((0..args.links).map(|number| link(args, number))).await?;
    Ok(exit::OK)
}

async fn link(args: &Args, number: u32) -> Result<()> {
    let url = format!("{}/v1/link", args.server.replacen("http", "ws", 1));
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(exit::UNREACHABLE, format!("the link to {} broke: {error}", args.server))
    };
    let bounds = WebSocketConfig::default().read_buffer_size(limits::LINK_READ_BYTES);
    let (link, _) = tokio_tungstenite::connect_async_with_config(url.as_str(), Some(bounds), true)
        .await
        .map_err(|e| failed(&e))?;
    let (mut says, mut hears) = link.split();
    says.send(frame(&hello(number))?).await.map_err(|e| failed(&e))?;
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            biased;
            message = hears.next() => message,
            _ = beat.tick() => {
                says.send(frame(&FromWorker::Heartbeat)?).await.map_err(|e| failed(&e))?;
                continue;
            }
        };
        let Some(message) = message else { return Ok(()) };
        let Message::Binary(bytes) = message.map_err(|e| failed(&e))? else { continue };
        let heard: ToWorker = rmp_serde::from_slice(&bytes)
            .map_err(|error| Error::internal(format!("an unreadable frame: {error}")))?;
        match heard {
            ToWorker::Run(assignments) => {
                for some in assignments.chunks(limits::REPORTS_PER_FRAME) {
                    let ended = FromWorker::Ended(some.iter().map(done).collect());
                    says.feed(frame(&ended)?).await.map_err(|e| failed(&e))?;
                }
                says.flush().await.map_err(|e| failed(&e))?;
            }
            ToWorker::Refused { detail, .. } => return Err(Error::internal(detail)),
            _ => {}
        }
    }
}

fn hello(number: u32) -> FromWorker {
    let name = format!("no-op-{number}");
    let mut description = WorkerDescription::new(&name, &["images"], Capacity::of_cpus(CPUS));
    description.shape.shared_disk = true;
    FromWorker::Hello(Hello {
        protocol: PROTOCOL,
        instance: u64::from(std::process::id()) << 32 | u64::from(number + 1),
        description,
        prefetch: limits::PREFETCH,
        holds: Vec::new(),
        offers: Vec::new(),
    })
}

fn done(assignment: &Assignment) -> Ended {
    let success = Success { output: Payload::empty(), artifacts: Vec::new(), warnings: Vec::new() };
    Ended {
        attempt: assignment.attempt,
        outcome: Outcome::Succeeded(success),
        usage: Usage::default(),
        devices: Vec::new(),
    }
}

fn frame(said: &FromWorker) -> Result<Message> {
    rmp_serde::to_vec(said)
        .map(|bytes| Message::Binary(bytes.into()))
        .map_err(|error| Error::internal(format!("cannot write a frame: {error}")))
}
