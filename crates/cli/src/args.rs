//! The command line: which verbs there are and what they share. What a verb takes stands in its own
//! file under `cmd/`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::client::Client;
use crate::cmd;
use crate::error::Result;
use crate::output::Output;
use crate::settings::Settings;

/// A shared mill for work: pour in files, prompts or records, take home results.
#[derive(Debug, Parser)]
#[command(name = "gristmill", version, max_term_width = 100, subcommand_required = true)]
#[command(after_help = "Exit codes and every option: docs/reference/cli.md")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb understands.
#[derive(Debug, Args)]
pub struct Global {
    /// Data as JSON on standard output, one document a line
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Configuration file [default: ~/.config/gristmill/config.toml]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Global options")]
    pub config: Option<PathBuf>,
    /// Colour: auto, always or never
    #[arg(long, value_name = "WHEN", global = true, help_heading = "Global options")]
    pub color: Option<String>,
}

/// Which server to talk to.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// The server's URL [env: GRISTMILL_SERVER] [default: http://127.0.0.1:7077]
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The server's token [env: GRISTMILL_TOKEN]
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

impl Connection {
    /// The URL that was settled on.
    pub fn server<'a>(&'a self, settings: &'a Settings) -> &'a str {
        self.server.as_deref().or_else(|| settings.text("server")).unwrap_or_default()
    }

    /// The token that was settled on.
    pub fn token<'a>(&'a self, settings: &'a Settings) -> Option<&'a str> {
        self.token.as_deref().or_else(|| settings.text("token"))
    }

    pub fn client(&self, settings: &Settings) -> Result<Client> {
        Client::new(self.server(settings), self.token(settings))
    }
}

/// What a verb is handed.
pub struct Context {
    pub settings: Settings,
    pub output: Output,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    Images(Box<cmd::images::Args>),
    Serve(Box<cmd::serve::Args>),
    Work(Box<cmd::work::Args>),
    Submit(Box<cmd::submit::Args>),
    Append(Box<cmd::append::Args>),
    Close(cmd::close::Args),
    Jobs(cmd::jobs::Args),
    Job(cmd::job::Args),
    Batch(cmd::batch::Args),
    Results(cmd::results::Args),
    Logs(cmd::logs::Args),
    Cancel(cmd::cancel::Args),
    Retry(cmd::retry::Args),
    Hold(cmd::hold::Args),
    Release(cmd::release::Args),
    Explain(cmd::explain::Args),
    Workers(cmd::workers::Args),
    Sessions(cmd::sessions::Args),
    Pause(cmd::pause::Args),
    Resume(cmd::resume::Args),
    Drain(cmd::drain::Args),
    Limit(cmd::limit::Args),
    Limits(cmd::limits::Args),
    Projects(cmd::projects::Args),
    Pipelines(cmd::pipelines::Args),
    Backup(cmd::backup::Args),
    #[command(subcommand)]
    Data(cmd::data::Verb),
    Devices(cmd::devices::Args),
    #[command(subcommand)]
    Host(cmd::host::Verb),
    Doctor(cmd::doctor::Args),
    #[command(subcommand)]
    Config(cmd::config::Verb),
    Completions(cmd::completions::Args),
    #[command(subcommand)]
    Bench(cmd::bench::Verb),
}
