//! `gristmill pipelines`: the named lists of stages that `submit --pipeline` runs.

use std::io::Read;
use std::path::{Path, PathBuf};

use gristmill_model::api::Pipeline;
use gristmill_model::ids::DEFAULT_PROJECT;
use gristmill_model::limits;
use gristmill_model::pipeline::{Handler, PipelineSpec, StageSpec};
use gristmill_model::problem::exit;

use super::submit::quantities::{project, rows};
use crate::args::{Connection, Context};
use crate::error::{Error, Result};
use crate::output::{Table, ago, bytes, counted, one_line, say};

/// List the pipelines; define one, or show its stages
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// At most so many
    #[arg(long, value_name = "N", default_value = "1000", value_parser = rows)]
    limit: usize,
    #[command(flatten)]
    home: Home,
}

/// Where pipelines are at home.
#[derive(Debug, clap::Args)]
struct Home {
    /// The project that owns them
    #[arg(long, value_name = "NAME", default_value = DEFAULT_PROJECT, value_parser = project)]
    project: String,
    #[command(flatten)]
    connection: Connection,
}

/// What can be done about one of them.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Define a pipeline, or a new version of it
    #[command(after_help = "\
FILE is JSON, with a name and one or more stages; each stage's output is the next one's input:
  { \"name\": \"sums\", \"stages\": [
      { \"name\": \"sum\", \"handler\": { \"command\": { \"argv\": [\"sha256sum\", \"{input}\"] } } } ] }
Jobs that were submitted before keep the version that they have. Then run it as in
  gristmill submit --pipeline sums --wait ::: a.bin b.bin")]
    Define(File),
    /// Show the stages of a pipeline's newest version; with --json all that they say
    Show(Name),
}

/// Where the definition is.
#[derive(Debug, clap::Args)]
struct File {
    /// The definition; - reads standard input
    file: PathBuf,
    #[command(flatten)]
    home: Home,
}

/// Which pipeline.
#[derive(Debug, clap::Args)]
struct Name {
    /// Its name
    name: String,
    #[command(flatten)]
    home: Home,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    match &args.verb {
        None => {
            let client = args.home.connection.client(&context.settings)?;
            list(context, &client.pipelines(&args.home.project, args.limit).await?)?;
        }
        Some(Verb::Define(File { file, home })) => {
            let spec = read(file)?;
            let client = home.connection.client(&context.settings)?;
            let defined = client.define_pipeline(&home.project, &spec).await?;
            if context.output.json {
                context.output.json(&defined)?;
            } else {
                let stages = counted(spec.stages.len() as u64, "stage");
                say(format!("{} is version {}: {stages}.", spec.name, defined.version));
            }
        }
        Some(Verb::Show(Name { name, home })) => {
            let client = home.connection.client(&context.settings)?;
            show(context, &client.pipeline(&home.project, name).await?)?;
        }
    }
    Ok(exit::OK)
}

/// Reads and judges a definition, by the rules of the server.
fn read(path: &Path) -> Result<PipelineSpec> {
    let failed = |error: &std::io::Error| Error::file("read", path, error);
    let mut text = String::new();
    let bound = limits::BODY_BYTES as u64;
    let read = if path == Path::new("-") {
        std::io::stdin().take(bound).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
        file.take(bound).read_to_string(&mut text)
    };
    read.map_err(|error| failed(&error))?;
    let spec: PipelineSpec = serde_json::from_str(&text).map_err(|error| {
        Error::input(format!("{} is no pipeline: {error}", path.display()))
            .hint("`gristmill pipelines define --help` shows one")
    })?;
    spec.check()?;
    Ok(spec)
}

fn list(context: &Context, pipelines: &[Pipeline]) -> Result<()> {
    if context.output.json {
        return pipelines.iter().try_for_each(|pipeline| context.output.json(pipeline));
    }
    if pipelines.is_empty() {
        say("No pipelines. Define one with `gristmill pipelines define FILE`.");
        return Ok(());
    }
    let mut table = Table::new(["pipeline", "version", "defined", "stages"]);
    for pipeline in pipelines {
        let stages: Vec<&str> =
            pipeline.spec.stages.iter().map(|stage| stage.name.as_str()).collect();
        table.row([
            pipeline.spec.name.clone(),
            pipeline.version.to_string(),
            ago(pipeline.created_at),
            stages.join(", "),
        ]);
    }
    table.print(context.output)
}

fn show(context: &Context, pipeline: &Pipeline) -> Result<()> {
    if context.output.json {
        return context.output.json(pipeline);
    }
    let fact = |name: &str, value: &str| context.output.line(format!("{name:<10}{value}"));
    fact("pipeline", &pipeline.spec.name)?;
    fact("version", &pipeline.version.to_string())?;
    fact("defined", &format!("{} ({})", pipeline.created_at, ago(pipeline.created_at)))?;
    context.output.line("")?;
    let mut table = Table::new(["stage", "handler", "cpus", "memory", "tries", "timeout", "does"]);
    for stage in &pipeline.spec.stages {
        let memory = stage.resources.memory;
        table.row([
            stage.name.clone(),
            stage.handler.word().to_owned(),
            format!("{}", f64::from(stage.resources.cpus) / 1_000.0),
            if memory == 0 { "-".into() } else { bytes(memory) },
            stage.retry.attempts.to_string(),
            stage.timeout.map_or_else(|| "-".into(), |timeout| timeout.to_string()),
            one_line(&does(stage), 80),
        ]);
    }
    table.print(context.output)
}

fn does(stage: &StageSpec) -> String {
    match &stage.handler {
        Handler::Command(command) => command.argv.join(" "),
        Handler::Images(images) => images.recipe.clone(),
        Handler::Session(session) => match session.batch {
            1 => "session that stays loaded".to_owned(),
            batch => format!("session that stays loaded, up to {batch} jobs a call"),
        },
    }
}
