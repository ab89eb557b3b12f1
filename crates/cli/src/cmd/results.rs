//! `gristmill results ID`: what jobs made, in the order of submission; printed, or as files. What
//! `submit --wait` hands out comes from here too.

mod contents;
mod destination;
mod hand_out;
mod name;
mod npy;

use std::path::PathBuf;

use gristmill_model::problem::exit;

use super::target::Target;
use crate::args::{Connection, Context};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::output::counted;
pub use destination::Destination;
pub use hand_out::Wanted;

/// Print what jobs made, or fetch it as files
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gristmill results b3
  gristmill results b3 -o out/
  gristmill results b3/17 -o picture/

With -o each file of a result becomes a file in DIR, and result.json is the value with the files'
names in their places; a result that is a text alone is in result.txt as well. The results of a
batch of several jobs are in a folder each, named by their places: DIR/0, DIR/1. What is there
already with the same bytes is not fetched again.")]
pub struct Args {
    /// The batch, like b3, or one job, like j17 or b3/17
    id: Target,
    /// Wait until all jobs have ended
    #[arg(long)]
    wait: bool,
    /// Fetch the results into this folder, as files
    #[arg(short = 'o', long = "into", value_name = "DIR")]
    into: Option<PathBuf>,
    /// With -o: overwrite files that are there
    #[arg(long, requires = "into")]
    force: bool,
    /// No progress on standard error
    #[arg(long)]
    no_progress: bool,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let into = Destination::new(args.into.as_deref(), args.force);
    let wanted = |batch, jobs| Wanted {
        context,
        client: &client,
        batch,
        jobs,
        into: into.as_ref(),
        no_progress: args.no_progress,
    };
    match args.id {
        Target::Batch(batch) => {
            let shown = client.batch(batch).await?;
            let wanted = wanted(batch, shown.jobs);
            if args.wait {
                return wanted.wait(&Interrupt::listen("")?).await;
            }
            ended(&args.id_text(), wanted.as_it_stands(&shown).await?)
        }
        Target::Job(at) => {
            let job = match args.wait {
                true => client.wait_for_job(at).await?,
                false => client.job(at).await?,
            };
            ended(&args.id_text(), wanted(job.batch, 1).one(&job).await?)
        }
    }
}

impl Args {
    fn id_text(&self) -> String {
        match self.id {
            Target::Batch(batch) => batch.to_string(),
            Target::Job(job) => job.to_string().replace('.', "/"),
        }
    }
}

/// What was handed out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Jobs that failed, were cancelled or have expired.
    pub failed: u64,
    /// Jobs that have not ended.
    pub underway: u64,
}

/// How a look at what is there ends: whatever is missing must not be taken for all.
fn ended(id: &str, tally: Tally) -> Result<u8> {
    match tally {
        Tally { underway: 0, failed: 0 } => Ok(exit::OK),
        Tally { underway: 0, .. } => Ok(exit::WORK_FAILED),
        Tally { underway, .. } => {
            let left = counted(underway, "job");
            let message = format!("not all of {id} has ended: {left} to go");
            Err(Error::new(exit::CONFLICT, message).hint("add --wait to wait for the rest"))
        }
    }
}
