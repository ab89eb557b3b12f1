//! `gristmill drain SCOPE-OR-WORKER`: take nothing new in, finish what is there.

use gristmill_model::scope::Flow;

use super::flow;
use crate::args::{Connection, Context};
use crate::error::Result;

/// Take nothing new in and finish what is there; a worker leaves afterwards
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A scope is project, pipeline:NAME, stage:PIPELINE/STAGE or key:TEXT, as in
  gristmill drain stage:thumbs/resize
  gristmill drain w3")]
pub struct Args {
    #[command(flatten)]
    which: flow::Which,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let verb = flow::Verb {
        name: "drain",
        flow: Flow::Draining,
        worker: "finishes what it holds and leaves",
        scope: "takes nothing in and finishes what is there",
    };
    flow::run(context, &client, &verb, &args.which).await
}
