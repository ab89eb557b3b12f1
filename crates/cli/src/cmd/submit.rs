//! `gristmill submit`: any program, or a pipeline, for one input or very many.

mod here;
pub(super) mod inputs;
mod jobs;
pub(super) mod lines;
mod named;
pub(super) mod quantities;
pub(super) mod source;
mod stage;
mod terms;

use std::path::PathBuf;

use clap::ArgMatches;
use gristmill_model::api::{Accepted, BatchRequest};
use gristmill_model::problem::exit;
use reqwest::Body;

use super::results::{Destination, Wanted};
use crate::args::{Connection, Context};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::output::{counted, say};
use inputs::Kind;
use source::{Load, Source};

/// Submit a program, or a pipeline, for one input or many
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gristmill submit --wait -- sha256sum '{input}' ::: a.bin b.bin
  find . -name '*.wav' | gristmill submit --lines - -- ffmpeg -i '{input}' '{output}'
  gristmill submit --retries 3 --timeout 10m --label user=ada -- ./train.sh
  gristmill submit --brace 'data/file_{000000..999999}.tar' -- ./process '{input}'
  gristmill submit sums --wait ::: a.bin b.bin
  gristmill submit caption --wait --input picture=@rye.png --input words=20
  gristmill submit --after b3 --delay 10m -- ./report.sh

The command's words may use {input}, {output}, {job} and {attempt}. An input that names a file is
handed over as that file: by its path where the workers see this disk (a server on this machine, or
--shared-disk), or else as its bytes; --text takes it for what it is, a text.

Each attempt runs in an empty folder of its own. So a program like ./process that exists here is
submitted by its absolute path, and where the first item of a --brace pattern names a file here that
the workers see, all items are. What does not exist here stays as it is written.")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    stage: stage::Wishes,
    #[command(flatten)]
    terms: terms::Terms,
    /// Run a pipeline that the server knows (`gristmill pipelines`), instead of a command; its name
    /// may also stand alone, before the inputs
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// A named input of the pipeline's one job, a file as NAME=@FILE; may be given again
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = quantities::pair)]
    by_name: Vec<(String, String)>,
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
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = quantities::pair)]
    labels: Vec<(String, String)>,
    /// The project whose work it is [default: default]
    #[arg(long, value_name = "NAME", value_parser = quantities::project)]
    project: Option<String>,
    /// Leave the batch open for `gristmill append`; without inputs it begins empty
    #[arg(long, conflicts_with = "wait")]
    open: bool,
    /// Wait for the results and print them in the order of the inputs
    #[arg(long)]
    wait: bool,
    /// With --wait: fetch the results into this folder, as files (see `gristmill results`)
    #[arg(short = 'o', long = "into", value_name = "DIR", requires = "wait")]
    into: Option<PathBuf>,
    /// With -o: overwrite files that are there
    #[arg(long, requires = "into")]
    force: bool,
    /// No progress on standard error
    #[arg(long)]
    no_progress: bool,
    /// A pipeline's name, and `:::` and inputs where no command comes before them
    #[arg(value_name = "PIPELINE ::: INPUT")]
    given: Vec<String>,
    /// The program and its arguments, then `:::` and inputs
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// `matches` are what the arguments were read from: they tell which options were given.
pub async fn run(context: &Context, args: &Args, matches: &ArgMatches) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let (argv, given) = split(args)?;
    if let Some(pipeline) = pipeline(args) {
        stage::refuse_for(pipeline, matches)?;
    }
    let argv = &here::words(&here::folder()?, argv, args.stage.shell())[..];
    let mut head = head(args, argv)?;
    let kind = kind(args, &client, given).await?;
    check_inputs(args, argv, given, &kind)?;
    head.terms = args.terms.request(&client).await?;
    let key = args.key.as_deref();
    let into = Destination::new(args.into.as_deref(), args.force);
    // With a key it may be the fetch of what was made before.
    if let (Some(into), None) = (&into, key) {
        into.claim(kind.count())?;
    }
    let accepted = match args.source.load(&client, &kind).await? {
        Load::Jobs(..) if args.open && kind == Kind::None => client.submit(&head, key).await?,
        Load::Jobs(plan, inputs) => send(&client, &head, plan, inputs, key).await?,
        Load::Range(range) => {
            client.submit(&BatchRequest { range: Some(range), ..head }, key).await?
        }
    };
    accepted.warnings.iter().for_each(|warning| say(format!("warning: {warning}")));
    if !args.wait {
        return told(context, &accepted);
    }
    let interrupt = Interrupt::listen("")?;
    let wanted = Wanted {
        context,
        client: &client,
        batch: accepted.batch,
        jobs: accepted.jobs,
        into: into.as_ref(),
        no_progress: args.no_progress,
    };
    wanted.wait(&interrupt).await
}

/// Where the inputs come from.
async fn kind(args: &Args, client: &Client, given: Option<&[String]>) -> Result<Kind> {
    let kind = args.source.kind(given)?;
    if args.by_name.is_empty() {
        return Ok(kind);
    }
    let Some(pipeline) = pipeline(args) else {
        return Err(Error::usage("--input names an input of a pipeline, and a command is given")
            .hint("name a pipeline: gristmill submit NAME --input prompt='a mill'"));
    };
    if kind != Kind::None {
        return Err(Error::usage("--input makes one job, and further inputs are given")
            .hint("leave one of them out; many jobs with named inputs are lines of --ndjson"));
    }
    let project = args.project.as_deref();
    Ok(Kind::Named(named::object(client, project, pipeline, &args.by_name).await?))
}

/// The pipeline that runs: named by the option, or by the first word.
fn pipeline(args: &Args) -> Option<&str> {
    let word = args.given.first().filter(|word| *word != ":::");
    args.pipeline.as_deref().or(word.map(String::as_str))
}

/// The command before `:::` and the inputs after it. Inputs may also stand before the `--`, as they
/// do where there is a pipeline and no command.
fn split(args: &Args) -> Result<(&[String], Option<&[String]>)> {
    let (argv, after) = match args.command.iter().position(|word| word == ":::") {
        Some(at) => (&args.command[..at], Some(&args.command[at + 1..])),
        None => (&args.command[..], None),
    };
    if let Some(name) = pipeline(args)
        && !argv.is_empty()
    {
        let message = format!("pipeline `{name}` is to run, and a command is given too");
        return Err(Error::usage(message)
            .hint("leave one of them out; inputs are written `NAME ::: INPUT…`"));
    }
    let named = args.pipeline.is_none() && pipeline(args).is_some();
    match (&args.given[usize::from(named)..], after) {
        ([], after) => Ok((argv, after)),
        ([first, given @ ..], None) if first == ":::" => Ok((argv, Some(given))),
        ([first, ..], Some(_)) if first == ":::" => {
            Err(Error::usage("inputs are given twice, before and after the `--`"))
        }
        ([first, ..], _) => Err(Error::usage(format!("unexpected argument `{first}`")).hint(
            "a command stands after `--`, inputs after `:::`: \
             gristmill submit --wait -- sha256sum '{input}' ::: a.bin",
        )),
    }
}

/// All of the batch but its jobs.
fn head(args: &Args, argv: &[String]) -> Result<BatchRequest> {
    if pipeline(args).is_none() && argv.is_empty() {
        return Err(Error::usage("there is nothing to run: expected a command after `--`")
            .hint("write it like: gristmill submit --wait -- sha256sum '{input}' ::: a.bin"));
    }
    let stages = match pipeline(args) {
        Some(_) => None,
        None => Some(vec![args.stage.stage(argv)?]),
    };
    Ok(BatchRequest {
        pipeline: pipeline(args).map(str::to_owned),
        stages,
        name: args.name.clone(),
        project: args.project.clone(),
        priority: args.priority,
        labels: args.labels.iter().cloned().collect(),
        open: args.open,
        ..BatchRequest::default()
    })
}

/// Says at once what would only go wrong on a worker.
fn check_inputs(args: &Args, argv: &[String], given: Option<&[String]>, kind: &Kind) -> Result<()> {
    let uses = |name| argv.iter().any(|word| gristmill_model::template::mentions(word, name));
    if *kind == Kind::None && uses("input") && !args.open {
        return Err(Error::usage("the command uses {input}, and no inputs are given")
            .hint("add `::: INPUT…`, or --lines, --brace, --range, --ndjson or --json-list"));
    }
    if given.is_some_and(<[String]>::is_empty) {
        return Err(Error::usage("`:::` is followed by nothing: expected inputs"));
    }
    if args.source.names_outputs() && !argv.is_empty() && !uses("output") {
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
    inputs: inputs::Inputs,
    key: Option<&str>,
) -> Result<Accepted> {
    let failed = lines::Failed::default();
    let body = Body::wrap_stream(lines::stream(Some(head), plan, inputs, failed.clone())?);
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
