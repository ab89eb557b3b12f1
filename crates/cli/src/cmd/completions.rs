//! `gristmill completions SHELL`: a completion script on standard output.

use clap::CommandFactory;
use clap_complete::Shell;
use gristmill_model::problem::exit;

use crate::args::{Cli, Context};
use crate::error::Result;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
For bash:  gristmill completions bash > ~/.local/share/bash-completion/completions/gristmill")]
pub struct Args {
    /// Which shell
    shell: Shell,
}

pub fn run(context: &Context, args: &Args) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "gristmill", &mut script);
    context.output.raw(&script)?;
    Ok(exit::OK)
}
