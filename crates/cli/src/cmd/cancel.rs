//! `gristmill cancel ID`: stop a job or a whole batch.

use gristmill_model::problem::exit;

use super::target::Target;
use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{counted, say};

/// Cancel a job, or every job of a batch that is not done; what runs is stopped
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
                let job = client.cancel_job(id).await?;
                if context.output.json {
                    context.output.json(&job)?;
                } else {
                    say(format!("{id} is {}.", job.state));
                }
            }
            Target::Batch(id) => {
                let affected = client.cancel_batch(id).await?;
                if context.output.json {
                    context.output.json(&affected)?;
                } else {
                    say(format!("Cancelled {} of {id}.", counted(affected.jobs, "job")));
                }
            }
        }
    }
    Ok(exit::OK)
}
