//! What a command asks for: resources, retries, time, environment.

use gristmill_model::Span;
use gristmill_model::attempt::FailureKind;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::resources::{DeviceRequest, Resources};
use gristmill_model::retry::RetryPolicy;

use super::quantities::{amount, cpus, devices, gpu, pair, resources, size};
use crate::error::Result;

/// The command's stage, as options.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How it runs")]
pub struct Wishes {
    /// Try again so many times after a failure
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "pipeline")]
    retries: u32,
    /// Pause after the first failure; it doubles with each further one
    #[arg(long, value_name = "SPAN", default_value = "1s", conflicts_with = "pipeline")]
    backoff: Span,
    /// The pause never grows beyond this
    #[arg(long, value_name = "SPAN", default_value = "5m", conflicts_with = "pipeline")]
    max_backoff: Span,
    /// What is tried again: failed, timed_out, invalid, lost; several with commas
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind, default_value = "failed,timed_out", conflicts_with = "pipeline")]
    retry_on: Vec<FailureKind>,
    /// End an attempt that takes longer, for example 10m
    #[arg(long, value_name = "SPAN", conflicts_with = "pipeline")]
    timeout: Option<Span>,
    /// Hand the command to /bin/sh; placeholders are quoted
    #[arg(long, conflicts_with = "pipeline")]
    shell: bool,
    /// A variable for the command; may be given again
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "pipeline")]
    env: Vec<(String, String)>,
    /// CPUs that an attempt books, for example 0.5
    #[arg(long, value_name = "N", default_value = "1", value_parser = cpus, conflicts_with = "pipeline")]
    cpus: u32,
    /// Memory that an attempt books, for example 512M or 2GiB
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = size, conflicts_with = "pipeline")]
    memory: u64,
    /// A named resource that an attempt books, as licence=2; may be given again
    #[arg(long = "named", visible_alias = "resource", value_name = "NAME=AMOUNT", value_parser = amount, conflicts_with = "pipeline")]
    named: Vec<(String, u32)>,
    /// GPUs that an attempt books: 2, or a part of one as 0.5
    #[arg(long, value_name = "N", value_parser = gpu, conflicts_with = "pipeline")]
    gpu: Option<DeviceRequest>,
    /// Memory of a GPU: what each must have where it is booked whole, else what is booked of one
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "pipeline")]
    vram: Option<u64>,
    /// Resources that would do as well, as cpus=8,memory=4GiB,gpu=1,licence=1; may be given again
    #[arg(long = "or", value_name = "RESOURCES", value_parser = resources, conflicts_with = "pipeline")]
    or: Vec<Resources>,
    /// A label that a worker must have; may be given again
    #[arg(long = "require", value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "pipeline")]
    requires: Vec<(String, String)>,
    /// A label of workers that go first where there is a choice; may be given again
    #[arg(long = "prefer", value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "pipeline")]
    prefers: Vec<(String, String)>,
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
