//! `gristmill logs ID`: what a job printed, as it prints it; as JSON a line for each of its lines.

use futures::StreamExt;
use gristmill_model::AttemptId;
use gristmill_model::api::JobAt;
use gristmill_model::problem::exit;

use crate::args::{Connection, Context};
use crate::error::Result;

/// Print what a job wrote to its standard output and standard error
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The last attempt's output is shown; `gristmill job ID` lists the attempts, and an earlier one is
shown as in
  gristmill logs j17 --attempt a21
With --json each line that was printed is told as {attempt, stream, text}.")]
pub struct Args {
    /// The job, like j17, or b3/17 for the job at place 17 of batch b3
    id: JobAt,
    /// Go on printing until the job ends
    #[arg(short, long)]
    follow: bool,
    /// Only this attempt, like a21, instead of the last
    #[arg(long, value_name = "ID")]
    attempt: Option<AttemptId>,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let mut query = vec![("follow", args.follow.to_string())];
    query.extend(args.attempt.map(|attempt| ("attempt", attempt.to_string())));
    let mut pieces = Box::pin(client.logs(args.id, &query, context.output.json).await?);
    while let Some(piece) = pieces.next().await {
        context.output.raw(&piece?)?;
    }
    Ok(exit::OK)
}
