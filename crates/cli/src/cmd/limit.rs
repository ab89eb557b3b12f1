//! `gristmill limit SCOPE`: bound a part of a project's work, or show its bound.

use gristmill_model::api::Limited;
use gristmill_model::problem::exit;
use gristmill_model::scope::{Limit, Rate, Scope};

use super::submit::quantities::project;
use crate::args::{Connection, Context};
use crate::error::Result;

/// Bound how much of a part of the work runs at a time and how often it begins; or show the bound
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A scope is project, pipeline:NAME, stage:PIPELINE/STAGE or key:TEXT (`submit --limit-key`), as in
  gristmill limit stage:thumbs/fetch --concurrency 8
  gristmill limit key:api.example.org --rate 100/1m
What is given replaces the whole limit that was there before.

A rate is a bucket: of 100/1m one begins every 600 ms, and up to 100 that a pause has saved up begin
at once. So a window of any length has at most 100, and one more for every 600 ms: 200 in the worst
minute. For a quota of 100 in any minute take --rate 50/1m, or --rate 1/610ms without bursts.")]
pub struct Args {
    /// What is bounded
    scope: Scope,
    /// At most so many attempts at a time
    #[arg(long, value_name = "N", value_parser = concurrency)]
    concurrency: Option<u32>,
    /// So many begin in a span of time on average, and at most so many at once, as 100/1m
    #[arg(long, value_name = "COUNT/SPAN")]
    rate: Option<Rate>,
    /// Take the limit away
    #[arg(long, conflicts_with_all = ["concurrency", "rate"])]
    none: bool,
    /// The project whose scope it is [default: default]
    #[arg(long, value_name = "NAME", value_parser = project)]
    project: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let (project, scope) = (args.project.as_deref(), &args.scope);
    let limit = Limit { concurrency: args.concurrency, rate: args.rate };
    if args.none {
        client.remove_limit(project, scope).await?;
    }
    let shown = if limit.is_none() {
        client.limit(project, scope).await?
    } else {
        client.set_limit(project, scope, &limit).await?
    };
    if context.output.json {
        context.output.json(&shown)?;
    } else {
        context.output.line(format!(
            "{} of project {}: {}",
            scope,
            shown.project,
            words(&shown)
        ))?;
    }
    Ok(exit::OK)
}

fn concurrency(text: &str) -> std::result::Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("0 lets nothing through: pause the scope instead".into()),
        Ok(most) => Ok(most),
        Err(_) => Err("expected a number like 8".into()),
    }
}

/// A limit in words.
fn words(limited: &Limited) -> String {
    let mut words = Vec::new();
    if let Some(most) = limited.concurrency {
        words.push(format!("{} of at most {most} at a time", limited.in_use.unwrap_or_default()));
    }
    words.extend(limited.rate.map(|rate| format!("at most {rate}")));
    if words.is_empty() { "no limit".into() } else { words.join(", ") }
}
