//! `gristmill append BATCH`: more jobs for a batch that is open.

use gristmill_model::BatchId;
use gristmill_model::problem::exit;
use reqwest::Body;

use super::submit::inputs::Kind;
use super::submit::lines;
use super::submit::source::{Load, Source};
use crate::args::{Connection, Context};
use crate::error::{Error, Result};
use crate::output::{counted, say};

/// Add jobs to an open batch
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gristmill append b3 c.wav d.wav
  gristmill append b3 --lines more.txt --close
An input is handled as `gristmill submit` would.")]
pub struct Args {
    /// The batch, like b3, which was submitted with --open
    id: BatchId,
    /// Inputs
    #[arg(value_name = "INPUT")]
    given: Vec<String>,
    #[command(flatten)]
    source: Source,
    /// Close the batch: these are the last jobs
    #[arg(long)]
    close: bool,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let given = (!args.given.is_empty()).then_some(&args.given[..]);
    let kind = args.source.kind(given)?;
    if kind == Kind::None {
        return Err(Error::usage("there is nothing to add: expected inputs")
            .hint(format!("to close the batch: gristmill close {}", args.id)));
    }
    let accepted = match args.source.load(&client, &kind).await? {
        Load::Range(range) => client.append_range(args.id, range, args.close).await?,
        Load::Jobs(plan, inputs) => {
            let failed = lines::Failed::default();
            let body = lines::stream(None, plan, inputs, failed.clone())?;
            let answer = client.append_lines(args.id, Body::wrap_stream(body), args.close).await;
            // What went wrong on our side says more than what the server makes of it.
            match failed.take() {
                Some(error) => return Err(error),
                None => answer?,
            }
        }
    };
    if context.output.json {
        context.output.json(&accepted)?;
    } else {
        let close = if args.close { ", which is closed now" } else { "" };
        say(format!("Added {} to {}{close}.", counted(accepted.jobs, "job"), args.id));
    }
    Ok(exit::OK)
}
