//! `gristmill close BATCH`: no more jobs come.

use gristmill_model::BatchId;
use gristmill_model::problem::exit;

use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{counted, say};

/// Close an open batch: no more jobs can be added, and it finishes with the last of them
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The batch, like b3
    id: BatchId,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let batch = client.steer_batch(args.id, "close").await?;
    if context.output.json {
        context.output.json(&batch)?;
    } else {
        say(format!("{} is closed with {}.", batch.id, counted(batch.jobs, "job")));
    }
    Ok(exit::OK)
}
