//! `gristmill release ID`: let go of what is held.

use gristmill_model::problem::exit;

use super::target::Target;
use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::say;

/// Let go of jobs or batches that are held
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
                let job = client.steer_job(at, "release").await?;
                if context.output.json {
                    context.output.json(&job)?;
                } else {
                    say(format!("{} is {}.", job.id, job.state));
                }
            }
            Target::Batch(id) => {
                let batch = client.steer_batch(id, "release").await?;
                if context.output.json {
                    context.output.json(&batch)?;
                } else {
                    say(format!("{id} is released."));
                }
            }
        }
    }
    Ok(exit::OK)
}
