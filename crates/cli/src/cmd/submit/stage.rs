//! What a command asks for: resources, retries, time, environment. A pipeline's stages say that
//! themselves, so for one these options are refused.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use gristmill_model::Span;
use gristmill_model::attempt::FailureKind;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::resources::{DeviceRequest, Resources};
use gristmill_model::retry::RetryPolicy;

use super::quantities::{amount, cpus, devices, gpu, pair, resources, size};
use crate::error::{Error, Result};

/// The command's stage, as options.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How it runs")]
pub struct Wishes {
    /// Try again so many times after a failure
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,
    /// Pause after the first failure; it doubles with each further one
    #[arg(long, value_name = "SPAN", default_value = "1s")]
    backoff: Span,
    /// The pause never grows beyond this
    #[arg(long, value_name = "SPAN", default_value = "5m")]
    max_backoff: Span,
    /// What is tried again: failed, timed_out, invalid, lost; several with commas
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind, default_value = "failed,timed_out")]
    retry_on: Vec<FailureKind>,
    /// End an attempt that takes longer, for example 10m
    #[arg(long, value_name = "SPAN")]
    timeout: Option<Span>,
    /// Hand the command to /bin/sh; placeholders are quoted
    #[arg(long)]
    shell: bool,
    /// A variable for the command; may be given again
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// CPUs that an attempt books, for example 0.5
    #[arg(long, value_name = "N", default_value = "1", value_parser = cpus)]
    cpus: u32,
    /// Memory that an attempt books, for example 512M or 2GiB
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = size)]
    memory: u64,
    /// A named resource that an attempt books, as licence=2; may be given again
    #[arg(long = "named", visible_alias = "resource", value_name = "NAME=AMOUNT", value_parser = amount)]
    named: Vec<(String, u32)>,
    /// GPUs that an attempt books: 2, or a part of one as 0.5
    #[arg(long, value_name = "N", value_parser = gpu)]
    gpu: Option<DeviceRequest>,
    /// Memory of a GPU: what each must have where it is booked whole, else what is booked of one
    #[arg(long, value_name = "SIZE", value_parser = size)]
    vram: Option<u64>,
    /// Resources that would do as well, as cpus=8,memory=4GiB,gpu=1,licence=1; may be given again
    #[arg(long = "or", value_name = "RESOURCES", value_parser = resources)]
    or: Vec<Resources>,
    /// A label that a worker must have; may be given again
    #[arg(long = "require", value_name = "NAME=VALUE", value_parser = pair)]
    requires: Vec<(String, String)>,
    /// A label of workers that go first where there is a choice; may be given again
    #[arg(long = "prefer", value_name = "NAME=VALUE", value_parser = pair)]
    prefers: Vec<(String, String)>,
}

/// Refuses what has no effect on a pipeline, by what stands on the command line.
pub fn refuse_for(pipeline: &str, given: &ArgMatches) -> Result<()> {
    let options = <Wishes as clap::Args>::augment_args(Command::new("submit"));
    let stands = |option: &&clap::Arg| {
        given.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine)
    };
    let Some(option) = options.get_arguments().find(stands) else { return Ok(()) };
    let name = option.get_long().unwrap_or_default();
    let message = format!(
        "--{name} says how a command runs, and the pipeline `{pipeline}` has stages of its own"
    );
    Err(Error::usage(message).hint(format!(
        "leave --{name} out, or set it where the pipeline is defined: in the file of `gristmill \
         pipelines define`, or at the `gristmill work` that offers it"
    )))
}

impl Wishes {
    /// Whether a shell reads the command.
    pub fn shell(&self) -> bool {
        self.shell
    }

    /// The stage that runs this command. The same rules judge it here as on the server, so that a
    /// mistake is told before anything is sent.
    pub fn stage(&self, argv: &[String]) -> Result<StageSpec> {
        let handler = Handler::Command(CommandSpec {
            argv: argv.to_vec(),
            shell: self.shell,
            env: self.env.iter().cloned().collect(),
        });
        let (cpus, memory) = (self.cpus, self.memory);
        let named = self.named.iter().cloned().collect();
        let stage = StageSpec {
            resources: Resources {
                cpus,
                memory,
                named,
                devices: devices(self.gpu.clone(), self.vram),
            },
            alternatives: self.or.clone(),
            requires: self.requires.iter().cloned().collect(),
            prefers: self.prefers.iter().cloned().collect(),
            retry: RetryPolicy {
                attempts: self.retries.saturating_add(1),
                backoff: self.backoff,
                max_backoff: self.max_backoff,
                on: self.retry_on.clone(),
                ..RetryPolicy::default()
            },
            timeout: self.timeout,
            ..StageSpec::new("command", handler)
        };
        PipelineSpec { name: "command".into(), stages: vec![stage.clone()] }.check()?;
        Ok(stage)
    }
}

fn kind(text: &str) -> std::result::Result<FailureKind, String> {
    FailureKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
        format!("expected one of {}", FailureKind::ALL.map(FailureKind::as_str).join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    fn refused(words: &[&str]) -> Option<Error> {
        let line = ["gristmill", "submit"].iter().chain(words);
        let matches = Cli::command().try_get_matches_from(line).unwrap();
        refuse_for("draw", matches.subcommand_matches("submit").unwrap()).err()
    }

    #[test]
    fn what_a_pipeline_says_itself_is_refused_by_name() {
        let options = [
            ["--retries", "3"],
            ["--backoff", "1s"],
            ["--max-backoff", "5m"],
            ["--retry-on", "lost"],
            ["--timeout", "10m"],
            ["--env", "A=b"],
            ["--cpus", "1"],
            ["--memory", "1GiB"],
            ["--named", "licence=1"],
            ["--gpu", "0.5"],
            ["--vram", "8GiB"],
            ["--or", "gpu=1"],
            ["--require", "rack=3"],
            ["--prefer", "rack=3"],
        ];
        for [option, value] in options {
            let error = refused(&["draw", option, value]).unwrap();
            assert!(error.message.starts_with(&format!("{option} ")), "{error}");
            assert!(error.message.contains("`draw`"), "{error}");
            assert!(error.hint.unwrap().contains(&format!("leave {option} out")));
        }
        assert!(refused(&["--pipeline", "draw", "--resource", "licence=1"]).is_some());
        let shell = refused(&["draw", "--shell"]).unwrap();
        assert!(shell.message.contains("--shell"), "{shell}");
        let all = <Wishes as clap::Args>::augment_args(Command::new("submit"));
        assert_eq!(all.get_arguments().count(), options.len() + 1, "every option is tried");
    }

    #[test]
    fn terms_and_labels_are_for_pipelines_too() {
        let words = ["draw", "--wait", "--priority", "3", "--label", "a=b", "--delay", "1s"];
        assert_eq!(refused(&words), None);
        assert_eq!(refused(&["draw", "--key", "once", "--limit-key", "api", ":::", "x"]), None);
    }
}
