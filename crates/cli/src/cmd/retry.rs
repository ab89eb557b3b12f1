//! `gristmill retry ID`: put failed or cancelled work back in the queue.

use gristmill_model::problem::exit;

use super::target::Target;
use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{counted, say};

/// Put a failed or cancelled job back in the queue, or all such jobs of a batch
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Jobs or batches, like j17 or b3
    #[arg(required = true)]
    id: Vec<Target>,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    for target in &args.id {
        match *target {
            Target::Job(id) => {
                let job = client.retry_job(id).await?;
                if context.output.json {
                    context.output.json(&job)?;
                } else {
                    say(format!("{id} is {}.", job.state));
                }
            }
            Target::Batch(id) => {
                let affected = client.retry_batch(id).await?;
                if context.output.json {
                    context.output.json(&affected)?;
                } else {
                    say(format!("Queued {} of {id} again.", counted(affected.jobs, "job")));
                }
            }
        }
    }
    Ok(exit::OK)
}
