//! `gristmill resume SCOPE-OR-WORKER`: let work flow again.

use gristmill_model::scope::Flow;

use super::flow;
use crate::args::{Connection, Context};
use crate::error::Result;

/// Let work flow again that was paused or drained
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A scope is project, pipeline:NAME, stage:PIPELINE/STAGE or key:TEXT, as in
  gristmill resume pipeline:thumbs
  gristmill resume w3")]
pub struct Args {
    #[command(flatten)]
    which: flow::Which,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let verb = flow::Verb {
        name: "resume",
        flow: Flow::Open,
        worker: "is given work again",
        scope: "is open",
    };
    flow::run(context, &client, &verb, &args.which).await
}
