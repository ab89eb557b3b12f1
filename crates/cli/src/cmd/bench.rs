//! `gristmill bench`: what this machine does, in one table.

pub mod images;
pub mod queue;

use clap::Subcommand;

use crate::args::Context;
use crate::error::Result;

/// Measure images or the queue on this machine
#[derive(Debug, Subcommand)]
pub enum Verb {
    Images(images::Args),
    Queue(queue::Args),
    /// The worker of `bench queue`: answers at once. Not for people.
    #[command(hide = true, name = "no-op-worker")]
    NoOpWorker(queue::worker::Args),
}

pub async fn run(context: &Context, verb: &Verb) -> Result<u8> {
    match verb {
        Verb::Images(args) => images::run(context, args).await,
        Verb::Queue(args) => queue::run(context, args).await,
        Verb::NoOpWorker(args) => queue::worker::run(args).await,
    }
}
