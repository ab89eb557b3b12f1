//! `gristmill submit`: any program, or a pipeline, for one input or very many.

mod inputs;
mod jobs;
mod lines;
mod stage;
mod wait;

use std::path::PathBuf;

use gristmill_model::api::{Accepted, BatchRequest};
use gristmill_model::problem::exit;
use reqwest::Body;

use crate::args::{Connection, Context};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::output::{counted, say};
use inputs::{Inputs, Place};

/// Submit a program, or a pipeline, for one input or many
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gristmill submit --wait -- sha256sum '{input}' ::: a.bin b.bin
  find . -name '*.wav' | gristmill submit --lines - -- ffmpeg -i '{input}' '{output}'
  gristmill submit --retries 3 --timeout 10m --label user=ada -- ./train.sh

The command's words may use {input}, {output}, {job} and {attempt}. An input that names a file is
handed over as that file: by its path where the workers see this disk (a server on this machine, or
--shared-disk), or else as its bytes; --text takes it for what it is, a text.")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    stage: stage::Wishes,
    /// Run a pipeline that the server knows, instead of a command
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    pipeline: Option<String>,
    /// Idempotency key: submitting twice with one key makes one batch
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// A name for people
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Higher goes first
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// A label for all jobs; may be given again
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = stage::pair)]
    labels: Vec<(String, String)>,
    /// Wait for the results and print them in the order of the inputs
    #[arg(long)]
    wait: bool,
    /// With --wait: fetch result files into this folder
    #[arg(short = 'o', long = "into", value_name = "DIR", requires = "wait")]
    into: Option<PathBuf>,
    /// No progress on standard error
    #[arg(long)]
    no_progress: bool,
    /// The program and its arguments, then `:::` and inputs
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Where inputs come from, and how files among them travel.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Inputs")]
struct Source {
    /// Each line is an input; - reads standard input
    #[arg(long, value_name = "FILE", group = "inputs")]
    lines: Option<PathBuf>,
    /// Each line is an input as JSON; - reads standard input
    #[arg(long, value_name = "FILE", group = "inputs")]
    ndjson: Option<PathBuf>,
    /// Each item of one JSON list is an input; - reads standard input
    #[arg(long, value_name = "FILE", group = "inputs")]
    json_list: Option<PathBuf>,
    /// Inputs are texts, also where a file has that name
    #[arg(long, conflicts_with_all = ["upload", "shared_disk"])]
    text: bool,
    /// Send files among the inputs through the server
    #[arg(long, conflicts_with = "shared_disk")]
    upload: bool,
    /// The workers see files under the same paths [default with a server on this machine]
    #[arg(long)]
    shared_disk: bool,
    /// Where each output file goes on the shared disk; {name}, {stem} and {index} are the input's
    #[arg(long, value_name = "PATTERN")]
    output: Option<String>,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let (argv, given) = split(&args.command);
    let head = head(args, argv)?;
    let inputs = Inputs::open(&args.source.kind(given)?)?;
    check_inputs(args, argv, given)?;
    let plan = jobs::Plan {
        client: client.clone(),
        place: args.source.place(&client),
        output: args.source.output.as_deref().map(jobs::Pattern::parse).transpose()?,
    };
    let accepted = send(&client, &head, plan, inputs, args.key.as_deref()).await?;
    if !args.wait {
        return told(context, &accepted);
    }
    let interrupt = Interrupt::listen("")?;
    wait::wait(context, &client, &accepted, args.into.as_deref(), args.no_progress, &interrupt)
        .await
}

/// The command before `:::` and the inputs after it.
fn split(command: &[String]) -> (&[String], Option<&[String]>) {
    match command.iter().position(|word| word == ":::") {
        Some(at) => (&command[..at], Some(&command[at + 1..])),
        None => (command, None),
    }
}

/// All of the batch but its jobs.
fn head(args: &Args, argv: &[String]) -> Result<BatchRequest> {
    if args.pipeline.is_none() && argv.is_empty() {
        return Err(Error::usage("there is nothing to run: expected a command after `--`")
            .hint("write it like: gristmill submit --wait -- sha256sum '{input}' ::: a.bin"));
    }
    let stages = match args.pipeline {
        Some(_) => None,
        None => Some(vec![args.stage.stage(argv)?]),
    };
    Ok(BatchRequest {
        pipeline: args.pipeline.clone(),
        stages,
        name: args.name.clone(),
        priority: args.priority,
        labels: args.labels.iter().cloned().collect(),
        jobs: Vec::new(),
        open: false,
    })
}

impl Source {
    fn kind(&self, given: Option<&[String]>) -> Result<inputs::Kind> {
        let file = match (&self.lines, &self.ndjson, &self.json_list) {
            (Some(path), _, _) => Some(inputs::Kind::Lines(path.clone())),
            (_, Some(path), _) => Some(inputs::Kind::Ndjson(path.clone())),
            (_, _, Some(path)) => Some(inputs::Kind::JsonList(path.clone())),
            _ => None,
        };
        match (file, given) {
            (Some(_), Some(_)) => {
                Err(Error::usage("inputs come from a file or from `:::`, not from both"))
            }
            (Some(file), None) => Ok(file),
            (None, Some(given)) => Ok(inputs::Kind::Given(given.to_vec())),
            (None, None) => Ok(inputs::Kind::None),
        }
    }

    fn place(&self, client: &Client) -> Place {
        match () {
            () if self.text => Place::Text,
            () if self.upload => Place::Upload,
            () if self.shared_disk || client.is_loopback() => Place::Shared,
            () => Place::Upload,
        }
    }
}

/// Says at once what would only go wrong on a worker.
fn check_inputs(args: &Args, argv: &[String], given: Option<&[String]>) -> Result<()> {
    let uses = |name| argv.iter().any(|word| gristmill_model::template::mentions(word, name));
    let none = given.is_none() && args.source.kind(None)? == inputs::Kind::None;
    if none && uses("input") {
        return Err(Error::usage("the command uses {input}, and no inputs are given")
            .hint("add `::: INPUT…`, or --lines, --ndjson or --json-list"));
    }
    if given.is_some_and(<[String]>::is_empty) {
        return Err(Error::usage("`:::` is followed by nothing: expected inputs"));
    }
    if args.source.output.is_some() && !argv.is_empty() && !uses("output") {
        return Err(Error::usage("--output is given, and the command does not use {output}")
            .hint("put '{output}' where the command takes the name of its output file"));
    }
    Ok(())
}

/// Streams the jobs as they are read. What goes wrong on our side of the stream counts for more
/// than what the server says about a body that was cut.
async fn send(
    client: &Client,
    head: &BatchRequest,
    plan: jobs::Plan,
    inputs: Inputs,
    key: Option<&str>,
) -> Result<Accepted> {
    let failed = lines::Failed::default();
    let body = Body::wrap_stream(lines::stream(head, plan, inputs, failed.clone())?);
    let answer = client.submit_lines(body, key).await;
    match failed.take() {
        Some(error) => Err(error),
        None => answer,
    }
}

fn told(context: &Context, accepted: &Accepted) -> Result<u8> {
    if context.output.json {
        context.output.json(accepted)?;
        return Ok(exit::OK);
    }
    let Accepted { batch, jobs, replayed, .. } = accepted;
    let verb = if *replayed { "was known by its key" } else { "accepted" };
    say(format!(
        "Batch {batch} {verb}: {}. Follow it with `gristmill batch {batch}`.",
        counted(*jobs, "job")
    ));
    context.output.line(batch.to_string())?;
    Ok(exit::OK)
}
