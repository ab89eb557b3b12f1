//! `gristmill batch [ID]`: one batch, or all of them.

use gristmill_model::api::{Batch, Called, Terms, Unmet};
use gristmill_model::job::JobState;
use gristmill_model::problem::exit;
use gristmill_model::terms::When;
use gristmill_model::{BatchId, Time};

use super::submit::quantities::rows;
use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{Table, ago, ahead_of_us, duration, one_line, say};

/// Show one batch, or list them all
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The batch, like b3; without it all are listed
    id: Option<BatchId>,
    #[command(flatten)]
    connection: Connection,
    /// At most so many
    #[arg(long, value_name = "N", default_value = "100", value_parser = rows)]
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
    if let Some(project) = &batch.project {
        fact("project", project)?;
    }
    fact("pipeline", &batch.pipeline)?;
    fact("jobs", &format!("{}: {}", batch.jobs, counts(batch)))?;
    fact(
        "created",
        &format!("{} ({}, by {})", batch.created_at, ago(batch.created_at), batch.actor),
    )?;
    if let Some(end) = batch.finished_at {
        fact("took", &duration(end.since(batch.created_at).to_std()))?;
    }
    for Unmet { on, when, at } in &batch.unmet {
        let missed = if *when == When::Failed { "fail" } else { "succeed" };
        fact("unmet", &format!("{on} did not {missed}: what waited is cancelled ({})", ago(*at)))?;
    }
    let terms = batch.terms.iter().flat_map(|of| terms(of, batch.finished));
    terms.chain(called(batch)).try_for_each(|(name, value)| fact(name, &value))
}

/// What came of calling whoever is to be told of its end.
fn called(batch: &Batch) -> Option<(&'static str, String)> {
    let Called { delivered, detail, at } = batch.called.as_ref()?;
    let end = if *delivered { "delivered" } else { "given up" };
    Some(("called", format!("{end}: {} ({at}, {})", one_line(detail, 200), ago(*at))))
}

/// Under what terms its jobs run, as far as they are not fulfilled. Once it is finished none of
/// them is about to begin or to end.
fn terms(terms: &Terms, finished: bool) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if finished {
        facts.extend(terms.limit_key.clone().map(|key| ("limit key", key)));
        facts.extend(terms.callback.clone().map(|url| ("callback", url)));
        return facts;
    }
    if terms.held {
        facts.push(("held", "until somebody releases it".into()));
    }
    let time = |at: Time| format!("{at} ({})", ahead_of_us(at));
    facts.extend(terms.start_at.map(|at| ("starts", time(at))));
    facts.extend(terms.after.iter().map(|on| ("after", format!("{} has {}", on.on, on.when))));
    facts.extend(terms.expires_at.map(|at| ("expires", time(at))));
    facts.extend(terms.deadline.map(|at| ("deadline", time(at))));
    facts.extend(terms.limit_key.clone().map(|key| ("limit key", key)));
    facts.extend(terms.callback.clone().map(|url| ("callback", url)));
    facts
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

fn standing(batch: &Batch) -> &'static str {
    match (batch.finished, batch.open) {
        (true, _) => "finished",
        (false, true) => "open",
        (false, false) if batch.terms.as_ref().is_some_and(|terms| terms.held) => "held",
        (false, false) => "working",
    }
}

fn counts(batch: &Batch) -> String {
    let count = |state: &JobState| batch.counts.get(state).copied().unwrap_or(0);
    let told = JobState::ALL.iter().filter(|state| count(state) > 0);
    told.map(|state| format!("{} {state}", count(state))).collect::<Vec<_>>().join(", ")
}
