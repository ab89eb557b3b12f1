//! `gristmill retry`: put work back in the queue that failed, was cancelled or has expired.

use gristmill_model::filter::Filter;
use gristmill_model::problem::exit;

use super::many::{self, Verb};
use super::target::Target;
use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{counted, say};

/// Put jobs back in the queue that failed, were cancelled or have expired, or all such of a batch
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gristmill retry j17 b3
  gristmill retry --filter 'state=failed code=quarantined'
A filter is written as for `gristmill jobs`; how many jobs it finds is told first.")]
pub struct Args {
    /// Jobs or batches, like j17, b3/17 or b3
    #[arg(conflicts_with = "filter")]
    id: Vec<Target>,
    /// All jobs that match
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,
    /// With --filter: do not ask
    #[arg(long, requires = "filter")]
    yes: bool,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    if let Some(filter) = &args.filter {
        let verb = Verb { name: "retry", done: "Queued again:" };
        return many::run(context, &client, &verb, filter, args.yes).await;
    }
    many::named("retry", &args.id)?;
    for target in &args.id {
        match *target {
            Target::Job(at) => {
                let job = client.retry_job(at).await?;
                if context.output.json {
                    context.output.json(&job)?;
                } else {
                    say(format!("{} is {}.", job.id, job.state));
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
