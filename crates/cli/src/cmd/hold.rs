//! `gristmill hold ID`: what waits does not begin until it is released.

use gristmill_model::problem::exit;

use super::target::Target;
use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::say;

/// Hold jobs or batches that wait: they do not begin until they are released
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Jobs or batches, like j17, b3/17 or b3
    #[arg(required = true)]
    id: Vec<Target>,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    for target in &args.id {
        match *target {
            Target::Job(at) => {
                let job = client.steer_job(at, "hold").await?;
                if context.output.json {
                    context.output.json(&job)?;
                } else {
                    say(format!("{} is {}.", job.id, job.state));
                }
            }
            Target::Batch(id) => {
                let batch = client.steer_batch(id, "hold").await?;
                if context.output.json {
                    context.output.json(&batch)?;
                } else {
                    say(format!("{id} is held; what runs goes on."));
                }
            }
        }
    }
    Ok(exit::OK)
}
