//! `gristmill workers declare`: say what workers there will be, so that work which fits none is
//! refused at once and work which fits one waits for it.

use std::collections::BTreeMap;

use gristmill_model::api::{DeclareRequest, Declared};
use gristmill_model::problem::exit;

use super::gives;
use crate::args::{Connection, Context};
use crate::cmd::submit::quantities::{amount, cpus, pair, size};
use crate::error::Result;
use crate::output::{Table, say};

/// What can be done about workers that may join.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Say that a worker may join, and what it would give
    #[command(after_help = "\
Where workers are declared, a submission that could run on none that is declared or connected is
refused (never_fits) instead of waiting for ever, as in
  gristmill workers declare big-1 --cpus 32 --memory 128GiB --label gpu=a100 --named licence=3")]
    Declare(Box<Shape>),
    /// List the workers that are declared
    Declared(Where),
    /// Strike a declared worker off
    Forget(Name),
}

/// Which server.
#[derive(Debug, clap::Args)]
pub struct Where {
    #[command(flatten)]
    connection: Connection,
}

/// Which worker.
#[derive(Debug, clap::Args)]
pub struct Name {
    /// Its name
    name: String,
    #[command(flatten)]
    connection: Connection,
}

/// What a worker would give.
#[derive(Debug, clap::Args)]
pub struct Shape {
    /// A name for it
    name: String,
    /// CPUs
    #[arg(long, value_name = "N", value_parser = cpus)]
    cpus: u32,
    /// Memory, for example 128GiB [default: not counted]
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "0", hide_default_value = true)]
    memory: u64,
    /// A named resource, as licence=3; may be given again
    #[arg(long = "named", value_name = "NAME=AMOUNT", value_parser = amount)]
    named: Vec<(String, u32)>,
    /// A label, as gpu=a100; may be given again
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// What it would run [default: images,command]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    handlers: Vec<String>,
    /// It would see the submitters' disk
    #[arg(long)]
    shared_disk: bool,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, verb: &Verb) -> Result<u8> {
    match verb {
        Verb::Declare(shape) => declare(context, shape).await?,
        Verb::Declared(Where { connection }) => {
            let declared = connection.client(&context.settings)?.declared().await?;
            list(context, &declared)?;
        }
        Verb::Forget(Name { name, connection }) => {
            connection.client(&context.settings)?.forget_declared(name).await?;
            if context.output.json {
                context.output.json(&serde_json::json!({ "forgotten": name }))?;
            } else {
                say(format!("{name} is struck off."));
            }
        }
    }
    Ok(exit::OK)
}

async fn declare(context: &Context, shape: &Shape) -> Result<()> {
    let request = DeclareRequest {
        cpus: shape.cpus,
        memory: shape.memory,
        devices: Vec::new(),
        named: shape.named.iter().cloned().collect(),
        handlers: shape.handlers.clone(),
        labels: shape.labels.iter().cloned().collect::<BTreeMap<_, _>>(),
        shared_disk: shape.shared_disk,
    };
    let client = shape.connection.client(&context.settings)?;
    let declared = client.declare(&shape.name, &request).await?;
    if context.output.json {
        return context.output.json(&declared);
    }
    say(format!("{} is declared.", declared.name));
    Ok(())
}

fn list(context: &Context, declared: &[Declared]) -> Result<()> {
    if context.output.json {
        return declared.iter().try_for_each(|worker| context.output.json(worker));
    }
    if declared.is_empty() {
        say("No workers are declared: every submission is taken in.");
        return Ok(());
    }
    let mut table = Table::new(["name", "cpus", "memory", "handlers", "gives"]);
    for worker in declared {
        let memory = worker.capacity.memory;
        table.row([
            worker.name.clone(),
            format!("{}", f64::from(worker.capacity.cpus) / 1_000.0),
            if memory == 0 { "-".into() } else { crate::output::bytes(memory) },
            worker.handlers.join(","),
            gives(&worker.labels, &worker.capacity),
        ]);
    }
    table.print(context.output)
}
