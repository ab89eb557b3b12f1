//! The binary `gristmill`: reads the command line, runs one verb, ends with its exit code.
//!
//! The work is elsewhere: `gristmill-server` serves, `gristmill-worker` works, and this crate is
//! how a person reaches both.

mod allocator;
mod args;
mod aside;
mod client;
mod cmd;
mod error;
mod interrupt;
mod output;
mod settings;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Context, Verb};
use error::{Error, Result};
use output::Output;
use settings::Settings;

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(cli, &matches) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::say(error.to_string());
            ExitCode::from(error.exit)
        }
    }
}

fn run(cli: Cli, matches: &clap::ArgMatches) -> Result<u8> {
    let settings = Settings::load(cli.global.config.as_deref())?;
    let color = cli.global.color.as_deref().or_else(|| settings.text("color")).unwrap_or("auto");
    let output = Output::new(cli.global.json, color)?;
    let context = Context { settings, output };
    match cli.verb {
        Verb::Images(args) => {
            let given = matches.subcommand_matches("images").unwrap_or(matches);
            let recipe = cmd::images::recipe::from_matches(given)?;
            if args.is_remote() {
                many_threads(cmd::images::run(&context, &args, recipe))
            } else {
                // The images have threads of their own; all else would only wake each other up.
                one_thread(cmd::images::run(&context, &args, recipe))
            }
        }
        Verb::Serve(args) => many_threads(cmd::serve::run(&context, &args)),
        // Sessions work in processes of their own; to wake threads costs more than a call.
        Verb::Work(args) if args.keeps_sessions_only() => {
            one_thread(cmd::work::run(&context, &args))
        }
        Verb::Work(args) => many_threads(cmd::work::run(&context, &args)),
        Verb::Submit(args) => {
            let given = matches.subcommand_matches("submit").unwrap_or(matches);
            one_thread(cmd::submit::run(&context, &args, given))
        }
        Verb::Append(args) => one_thread(cmd::append::run(&context, &args)),
        Verb::Close(args) => one_thread(cmd::close::run(&context, &args)),
        Verb::Jobs(args) => one_thread(cmd::jobs::run(&context, &args)),
        Verb::Job(args) => one_thread(cmd::job::run(&context, &args)),
        Verb::Batch(args) => one_thread(cmd::batch::run(&context, &args)),
        Verb::Results(args) => one_thread(cmd::results::run(&context, &args)),
        Verb::Logs(args) => one_thread(cmd::logs::run(&context, &args)),
        Verb::Cancel(args) => one_thread(cmd::cancel::run(&context, &args)),
        Verb::Retry(args) => one_thread(cmd::retry::run(&context, &args)),
        Verb::Hold(args) => one_thread(cmd::hold::run(&context, &args)),
        Verb::Release(args) => one_thread(cmd::release::run(&context, &args)),
        Verb::Explain(args) => one_thread(cmd::explain::run(&context, &args)),
        Verb::Workers(args) => one_thread(cmd::workers::run(&context, &args)),
        Verb::Sessions(args) => one_thread(cmd::sessions::run(&context, &args)),
        Verb::Pause(args) => one_thread(cmd::pause::run(&context, &args)),
        Verb::Resume(args) => one_thread(cmd::resume::run(&context, &args)),
        Verb::Drain(args) => one_thread(cmd::drain::run(&context, &args)),
        Verb::Limit(args) => one_thread(cmd::limit::run(&context, &args)),
        Verb::Limits(args) => one_thread(cmd::limits::run(&context, &args)),
        Verb::Projects(args) => one_thread(cmd::projects::run(&context, &args)),
        Verb::Pipelines(args) => one_thread(cmd::pipelines::run(&context, &args)),
        Verb::Backup(args) => one_thread(cmd::backup::run(&context, &args)),
        Verb::Data(verb) => one_thread(cmd::data::run(&context, &verb)),
        Verb::Devices(args) => one_thread(cmd::devices::run(&context, &args)),
        Verb::Host(verb) => cmd::host::run(&context, &verb),
        Verb::Doctor(args) => one_thread(cmd::doctor::run(&context, &args)),
        Verb::Config(verb) => cmd::config::run(&context, &verb),
        Verb::Completions(args) => cmd::completions::run(&context, &args),
        // Clients of few instructions that share a core with what they measure.
        Verb::Bench(verb) => one_thread(cmd::bench::run(&context, &verb)),
    }
}

/// A client waits for one thing at a time: one thread starts faster and costs less.
fn one_thread(verb: impl Future<Output = Result<u8>>) -> Result<u8> {
    drive(&mut tokio::runtime::Builder::new_current_thread(), verb)
}

fn many_threads(verb: impl Future<Output = Result<u8>>) -> Result<u8> {
    drive(&mut tokio::runtime::Builder::new_multi_thread(), verb)
}

fn drive(
    runtime: &mut tokio::runtime::Builder,
    verb: impl Future<Output = Result<u8>>,
) -> Result<u8> {
    let runtime = runtime
        .enable_all()
        .build()
        .map_err(|error| Error::internal(format!("cannot start: {}", error::cause(&error))))?;
    runtime.block_on(verb)
}
