//! `gristmill pause SCOPE-OR-WORKER`: nothing new begins there until it is resumed.

use gristmill_model::scope::Flow;

use super::flow;
use crate::args::{Connection, Context};
use crate::error::Result;

/// Let nothing new begin at a worker or in a part of the work, until it is resumed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A scope is project, pipeline:NAME, stage:PIPELINE/STAGE or key:TEXT, as in
  gristmill pause pipeline:thumbs
  gristmill pause w3")]
pub struct Args {
    #[command(flatten)]
    which: flow::Which,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let verb = flow::Verb {
        name: "pause",
        flow: Flow::Paused,
        worker: "is given no more work",
        scope: "is paused; what runs goes on",
    };
    flow::run(context, &client, &verb, &args.which).await
}
