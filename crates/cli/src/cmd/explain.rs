//! `gristmill explain ID`: why a job is where it is, in the scheduler's own words.

use gristmill_model::JobId;
use gristmill_model::problem::exit;

use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{Table, ago, counted};

/// Say why a job is where it is: what it waits for, behind whom, and what each worker lacks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job, like j17
    id: JobId,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let output = context.output;
    let why = args.connection.client(&context.settings)?.explain(args.id).await?;
    if output.json {
        output.json(&why)?;
        return Ok(exit::OK);
    }
    let since = why.since.map_or_else(String::new, |time| format!(" (since {})", ago(time)));
    output.line(format!("{} is {}{since}: {}", why.job, output.state(why.state), why.summary))?;
    if let Some(ahead) = why.ahead {
        let verb = if ahead == 1 { "goes" } else { "go" };
        output.line(format!("{} {verb} first", counted(ahead, "job")))?;
    }
    if !why.workers.is_empty() {
        let mut table = Table::new(["worker", "name", "could take it", "why"]);
        for verdict in why.workers {
            let fits = if verdict.fits { "yes" } else { "no" };
            table.row([verdict.worker.to_string(), verdict.name, fits.into(), verdict.reason]);
        }
        table.print(output)?;
    }
    Ok(exit::OK)
}
