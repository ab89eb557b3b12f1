//! `gristmill logs ID`: what a job printed, as it prints it.

use futures::StreamExt;
use gristmill_model::api::JobAt;
use gristmill_model::problem::exit;

use crate::args::{Connection, Context};
use crate::error::Result;

/// Print what a job wrote to its standard output and standard error
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job, like j17, or b3/17 for the job at place 17 of batch b3
    id: JobAt,
    /// Go on printing until the job ends
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let query = [("follow", args.follow.to_string())];
    let mut pieces = Box::pin(client.logs(args.id, &query).await?);
    while let Some(piece) = pieces.next().await {
        context.output.raw(&piece?)?;
    }
    Ok(exit::OK)
}
