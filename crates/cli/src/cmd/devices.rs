//! `gristmill devices`: what this machine has to compute with, and what becomes of it just now.
//!
//! It looks by itself and asks no server, unless one is named: then it tells what that server's
//! workers have, takes devices of theirs out of service, and puts them back (`fleet`).

mod rows;

use std::collections::BTreeMap;

use gristmill_model::WorkerId;
use gristmill_model::problem::exit;
use gristmill_worker::device::declared::{self, Declared};
use gristmill_worker::device::foreign::{self, Ours, Verdict};
use gristmill_worker::device::gpu::Gpu;
use gristmill_worker::device::inventory::{Inventory, Options};
use gristmill_worker::device::lock::Locks;
use gristmill_worker::device::nvml::Fault;
use gristmill_worker::device::process::{self, Named};
use gristmill_worker::device::sample::{Sample, Work};
use gristmill_worker::probe;
use serde::Serialize;

use crate::args::{Connection, Context};
use crate::client::Client;
use crate::cmd::fleet;
use crate::cmd::submit::quantities::size;
use crate::error::{Error, Result};
use crate::output::say;

/// List the devices of this machine: GPUs, who uses them, what may be used and why not the rest
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
A GPU is called by its UUID. CUDA_VISIBLE_DEVICES counts, as for every CUDA program. More about what
is found, and what the messages mean: docs/how-to/gpus.md"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// List the devices of this server's workers instead
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The server's token [env: GRISTMILL_TOKEN]
    #[arg(long, value_name = "TOKEN", requires = "server")]
    token: Option<String>,
    /// Leave a GPU out: by UUID, its beginning, PCI address or index; may be given again
    #[arg(long, value_name = "GPU")]
    exclude: Vec<String>,
    /// Declare devices, as tpu:2 or gpu=GPU-1,vram=16GiB,slots=4; may be given again
    #[arg(long = "device", value_name = "DEVICE")]
    devices: Vec<String>,
}

/// All that is told.
#[derive(Serialize)]
struct Found<'a> {
    cpus: u32,
    /// Bytes; 0 where nobody can tell.
    memory: u64,
    driver: Option<&'a str>,
    cuda: Option<&'a str>,
    gpus: Vec<Shown<'a>>,
    declared: &'a [Declared],
    notes: &'a [String],
}

/// A GPU at this moment.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    gpu: &'a Gpu,
    sample: Option<&'a Sample>,
    verdict: Verdict,
    used_by: Vec<User>,
    /// Who has locked it, in its own words.
    held_by: Option<String>,
}

/// A process on a GPU.
#[derive(Serialize)]
struct User {
    #[serde(flatten)]
    process: Named,
    bytes: Option<u64>,
    work: Work,
}

/// What can be done about a device of a worker.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Take a device out of service: what runs there goes on, nothing else begins
    Quarantine {
        #[command(flatten)]
        which: Which,
        /// Why, in one sentence
        #[arg(long, value_name = "TEXT", default_value = "somebody took it out of service")]
        reason: String,
    },
    /// Put a device back into service
    Return {
        #[command(flatten)]
        which: Which,
    },
}

/// Which device.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// The worker that has it, as w3
    worker: WorkerId,
    /// Its id, as GPU-...
    device: String,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    match (&args.verb, &args.server) {
        (Some(Verb::Quarantine { which, reason }), _) => {
            let client = which.connection.client(&context.settings)?;
            fleet::quarantine(context, &client, (which.worker, &which.device), reason).await
        }
        (Some(Verb::Return { which }), _) => {
            let client = which.connection.client(&context.settings)?;
            fleet::give_back(context, &client, (which.worker, &which.device)).await
        }
        (None, Some(server)) => {
            let token = args.token.as_deref().or_else(|| context.settings.text("token"));
            fleet::list(context, &Client::new(server, token)?).await
        }
        (None, None) => here(context, args),
    }
}

/// The devices of this machine.
fn here(context: &Context, args: &Args) -> Result<u8> {
    let (exclude, declared) = (args.exclude.clone(), declared(&args.devices)?);
    let options = Options { exclude, declared, ..Options::of_this_process() };
    let mut inventory = Inventory::probe(options);
    let samples = inventory.refresh();
    let found = Found {
        cpus: probe::cpus(),
        memory: probe::memory(),
        driver: inventory.driver.as_deref(),
        cuda: inventory.cuda.as_deref(),
        gpus: look(&inventory, &samples),
        declared: &inventory.declared,
        notes: &inventory.notes,
    };
    if context.output.json {
        context.output.json(&found)?;
        return Ok(exit::OK);
    }
    context.output.line(rows::machine(&found))?;
    if let Some(table) = rows::table(&found) {
        table.print(context.output)?;
    }
    found.notes.iter().for_each(say);
    Ok(exit::OK)
}

/// What was declared on the command line.
pub fn declared(texts: &[String]) -> Result<Vec<Declared>> {
    let mut all = Vec::new();
    for text in texts {
        all.extend(declared::parse(text, size).map_err(|bad| Error::usage(bad.to_string()))?);
    }
    declared::check(&all).map_err(Error::usage)?;
    Ok(all)
}

/// Nothing on a GPU belongs to this process, so all that is used is used by others.
fn look<'a>(
    inventory: &'a Inventory,
    samples: &'a BTreeMap<String, std::result::Result<Sample, Fault>>,
) -> Vec<Shown<'a>> {
    let numbers_are_ours = process::numbers_are_ours(inventory.proc());
    let locks = Locks::to_look_at();
    let not_looked_at = Err(Fault::Other("it was not looked at".into()));
    let shown = |gpu: &'a Gpu| {
        let look = samples.get(&gpu.uuid).unwrap_or(&not_looked_at);
        let verdict = match &gpu.unusable {
            Some(reason) => Verdict::Unusable { reason: reason.clone() },
            None => foreign::judge(look.as_ref(), &Ours::default(), numbers_are_ours),
        };
        let sample = samples.get(&gpu.uuid).and_then(|look| look.as_ref().ok());
        let processes = sample.and_then(|sample| sample.processes.as_deref()).unwrap_or_default();
        let used_by = processes.iter().filter(|_| numbers_are_ours).map(|one| User {
            process: process::named(inventory.proc(), one.pid),
            bytes: one.bytes,
            work: one.work,
        });
        let held_by = locks.holder(&gpu.uuid).map(|holder| holder.to_string());
        Shown { gpu, sample, verdict, used_by: used_by.collect(), held_by }
    };
    inventory.gpus.iter().map(shown).collect()
}
