//! `gristmill explain ID`: why a job is where it is, in the scheduler's own words.

use gristmill_model::api::{Explanation, JobAt};
use gristmill_model::problem::exit;

use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{Table, ago, ahead_of_us, counted};

/// Say why a job is where it is: what it waits for, behind whom, and what each worker lacks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job, like j17, or b3/17 for the job at place 17 of batch b3
    id: JobAt,
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
    print(context, &why)?;
    Ok(exit::OK)
}

fn print(context: &Context, why: &Explanation) -> Result<()> {
    let output = context.output;
    let since = why.since.map_or_else(String::new, |time| format!(" (since {})", ago(time)));
    let head = format!("{} is {}{since}", why.job, output.state(why.state));
    // Of several things that are waited for each gets a line of its own.
    if why.waits_for.len() > 1 {
        output.line(format!("{head}: it waits for {} things", why.waits_for.len()))?;
        why.waits_for.iter().try_for_each(|reason| output.line(format!("  - {reason}")))?;
    } else {
        output.line(format!("{head}: {}", why.summary))?;
    }
    if let Some(ahead) = why.ahead.filter(|ahead| *ahead > 0) {
        let verb = if ahead == 1 { "goes" } else { "go" };
        let mut first: Vec<String> = why.behind.iter().map(ToString::to_string).collect();
        if !first.is_empty() && ahead > first.len() as u64 {
            first.push("…".into());
        }
        let which =
            if first.is_empty() { String::new() } else { format!(": {}", first.join(", ")) };
        output.line(format!("{} {verb} first{which}", counted(ahead, "job")))?;
    }
    if let Some(at) = why.estimated_start {
        // What waits only for a time is promised no more than that it does not begin before.
        let how = if why.ahead.is_some() { "at the pace of late" } else { "at the earliest" };
        output.line(format!("{how} it would begin {}", ahead_of_us(at)))?;
    }
    why.would_help.iter().try_for_each(|help| output.line(format!("would help: {help}")))?;
    if !why.workers.is_empty() {
        let mut table = Table::new(["worker", "name", "could take it", "why"]);
        for verdict in &why.workers {
            let fits = if verdict.fits { "yes" } else { "no" };
            let (name, reason) = (verdict.name.clone(), verdict.reason.clone());
            table.row([verdict.worker.to_string(), name, fits.into(), reason]);
        }
        table.print(output)?;
    }
    Ok(())
}
