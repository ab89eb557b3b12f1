//! `gristmill workers`: who works for the server.

mod declare;

use std::collections::BTreeMap;

use gristmill_model::problem::exit;
use gristmill_model::resources::{Capacity, named};

use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{Table, ago, say};

/// List the workers; declare workers that may join
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<declare::Verb>,
    #[command(flatten)]
    connection: Connection,
    /// Also those that are gone
    #[arg(long)]
    all: bool,
}

/// Far more workers than a table on a screen is good for.
const MOST: usize = gristmill_model::limits::WORKERS;

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    if let Some(verb) = &args.verb {
        return declare::run(context, verb).await;
    }
    let workers = args.connection.client(&context.settings)?.workers(args.all, MOST).await?;
    if context.output.json {
        workers.iter().try_for_each(|worker| context.output.json(worker))?;
        return Ok(exit::OK);
    }
    if workers.is_empty() {
        say("No workers. Start one with `gristmill work`.");
        return Ok(exit::OK);
    }
    let headings = [
        "id", "name", "state", "cpus", "handlers", "running", "waiting", "done", "failed",
        "joined", "gives",
    ];
    let mut table = Table::new(headings);
    for worker in workers {
        let state = serde_json::to_value(worker.state).unwrap_or_default();
        table.row([
            worker.id.to_string(),
            worker.name,
            state.as_str().unwrap_or_default().to_owned(),
            format!("{}", f64::from(worker.shape.capacity.cpus) / 1_000.0),
            worker.shape.handlers.join(","),
            worker.running.to_string(),
            worker.waiting.to_string(),
            worker.succeeded.to_string(),
            worker.failed.to_string(),
            ago(worker.joined_at),
            gives(&worker.shape.labels, &worker.shape.capacity),
        ]);
    }
    table.print(context.output)?;
    Ok(exit::OK)
}

/// Labels and named resources, as they are written.
fn gives(labels: &BTreeMap<String, String>, capacity: &Capacity) -> String {
    let labels = labels.iter().map(|(name, value)| format!("{name}={value}"));
    let named = capacity.named.iter().map(|(name, amount)| named::print(name, *amount));
    labels.chain(named).collect::<Vec<_>>().join(" ")
}
