//! `gristmill batch [ID]`: one batch, or all of them.

use gristmill_model::BatchId;
use gristmill_model::api::Batch;
use gristmill_model::job::JobState;
use gristmill_model::problem::exit;

use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{Table, ago, duration, say};

/// Show one batch, or list them all
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The batch, like b3; without it all are listed
    id: Option<BatchId>,
    #[command(flatten)]
    connection: Connection,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    match args.id {
        Some(id) => {
            let batch = client.batch(id).await?;
            if context.output.json {
                context.output.json(&batch)?;
            } else {
                print(context, &batch)?;
            }
        }
        None => {
            let batches = client.batches(args.limit).await?;
            if context.output.json {
                batches.iter().try_for_each(|batch| context.output.json(batch))?;
            } else {
                list(context, &batches)?;
            }
        }
    }
    Ok(exit::OK)
}

fn print(context: &Context, batch: &Batch) -> Result<()> {
    let fact = |name: &str, value: &str| context.output.line(format!("{name:<10}{value}"));
    fact("batch", &batch.id.to_string())?;
    if let Some(name) = &batch.name {
        fact("name", name)?;
    }
    fact("state", standing(batch))?;
    fact("pipeline", &batch.pipeline)?;
    fact("jobs", &format!("{}: {}", batch.jobs, counts(batch)))?;
    fact(
        "created",
        &format!("{} ({}, by {})", batch.created_at, ago(batch.created_at), batch.actor),
    )?;
    if let Some(end) = batch.finished_at {
        fact("took", &duration(end.since(batch.created_at).to_std()))?;
    }
    Ok(())
}

fn list(context: &Context, batches: &[Batch]) -> Result<()> {
    if batches.is_empty() {
        say("No batches.");
        return Ok(());
    }
    let mut table = Table::new(["id", "state", "pipeline", "jobs", "created", "counts"]);
    for batch in batches {
        table.row([
            batch.id.to_string(),
            standing(batch).to_owned(),
            batch.pipeline.clone(),
            batch.jobs.to_string(),
            ago(batch.created_at),
            counts(batch),
        ]);
    }
    table.print(context.output)
}

const fn standing(batch: &Batch) -> &'static str {
    match (batch.finished, batch.open) {
        (true, _) => "finished",
        (false, true) => "open",
        (false, false) => "working",
    }
}

fn counts(batch: &Batch) -> String {
    let count = |state: &JobState| batch.counts.get(state).copied().unwrap_or(0);
    let told = JobState::ALL.iter().filter(|state| count(state) > 0);
    told.map(|state| format!("{} {state}", count(state))).collect::<Vec<_>>().join(", ")
}
