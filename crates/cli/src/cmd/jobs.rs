//! `gristmill jobs`: list jobs.

use gristmill_model::BatchId;
use gristmill_model::api::Job;
use gristmill_model::filter::{Field, Filter};
use gristmill_model::job::JobState;
use gristmill_model::problem::exit;

use super::submit::quantities::rows;
use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{Table, ago, one_line, payload, say};

/// List jobs, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Filters: id state batch project pipeline stage worker key code label.NAME, compared with = and !=,
and id also with < and >; several values with commas, several terms with spaces, as in
  gristmill jobs --filter 'state=failed,cancelled project=lab label.user=ada'")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Only jobs in this state; several with commas
    #[arg(long, value_delimiter = ',', value_name = "STATE")]
    state: Vec<JobState>,
    /// Only jobs of this batch
    #[arg(long, value_name = "ID")]
    batch: Option<BatchId>,
    /// Only jobs that match
    #[arg(long, value_name = "FILTER", default_value = "")]
    filter: Filter,
    /// At most so many
    #[arg(long, value_name = "N", default_value = "100", value_parser = rows)]
    limit: usize,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    // One more than asked for tells whether there are more.
    let mut jobs = client.jobs(&args.filter().to_string(), args.limit.saturating_add(1)).await?;
    let more = jobs.len() > args.limit;
    jobs.truncate(args.limit);
    if context.output.json {
        jobs.iter().try_for_each(|job| context.output.json(job))?;
    } else {
        print(context, &jobs)?;
    }
    if more {
        say(format!("There are more; the first {} are shown: see --limit.", args.limit));
    }
    Ok(exit::OK)
}

impl Args {
    fn filter(&self) -> Filter {
        let mut filter = self.filter.clone();
        if !self.state.is_empty() {
            let states: Vec<&str> = self.state.iter().map(|state| state.as_str()).collect();
            filter = filter.and(Field::State, states.join(","));
        }
        match self.batch {
            Some(batch) => filter.and(Field::Batch, batch.to_string()),
            None => filter,
        }
    }
}

fn print(context: &Context, jobs: &[Job]) -> Result<()> {
    if jobs.is_empty() {
        say("No jobs.");
        return Ok(());
    }
    let mut table = Table::new(["id", "batch", "state", "pipeline", "tries", "created", "input"]);
    for job in jobs {
        let about = match &job.failure {
            Some(failure) if job.state != JobState::Succeeded => {
                format!("{}: {}", one_line(&payload(&job.input), 32), failure.message)
            }
            _ => payload(&job.input),
        };
        table.row([
            job.id.to_string(),
            job.batch.to_string(),
            context.output.state(job.state),
            job.pipeline.clone(),
            job.attempts.to_string(),
            ago(job.created_at),
            one_line(&about, 80),
        ]);
    }
    table.print(context.output)
}
