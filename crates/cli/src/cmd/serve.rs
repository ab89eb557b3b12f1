//! `gristmill serve`: the server, until a signal ends it.
use crate::args::Context;
use crate::error::{Error, Result};
use gristmill_model::problem::exit;
use std::path::{Path, PathBuf};
/// Run a server
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long)]
    bind: Option<String>,
    #[arg(long)]
    data: Option<PathBuf>,
}
pub fn start_tracing() {}
pub fn data_folder(_c: &Context, p: Option<&Path>) -> Result<PathBuf> {
    Ok(p.unwrap_or(Path::new("/tmp/x")).to_owned())
}
pub async fn run(_context: &Context, _args: &Args) -> Result<u8> {
    Err(Error::new(exit::INTERNAL, ""))
}
