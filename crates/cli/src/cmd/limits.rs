//! `gristmill limits`: what of a project's work is bounded, paused or draining.

use std::collections::BTreeMap;

use gristmill_model::api::Limited;
use gristmill_model::problem::exit;
use gristmill_model::scope::{Flow, Scope};

use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{Table, say};

/// List what of the work is limited, paused or draining
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project [default: default]
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let limits = client.limits(args.project.as_deref()).await?;
    let flows = client.flows(args.project.as_deref()).await?;
    let mut scopes: BTreeMap<Scope, (Option<Limited>, Flow)> = BTreeMap::new();
    for limited in limits {
        scopes.insert(limited.scope.clone(), (Some(limited), Flow::Open));
    }
    for flowing in flows {
        scopes.entry(flowing.scope).or_insert((None, Flow::Open)).1 = flowing.flow;
    }
    if context.output.json {
        for (scope, (limited, flow)) in scopes {
            let (concurrency, rate, in_use) =
                limited.map_or((None, None, None), |of| (of.concurrency, of.rate, of.in_use));
            context.output.json(&serde_json::json!({
                "scope": scope, "flow": flow, "concurrency": concurrency, "rate": rate,
                "in_use": in_use,
            }))?;
        }
        return Ok(exit::OK);
    }
    if scopes.is_empty() {
        say("Nothing is limited, paused or draining.");
        return Ok(exit::OK);
    }
    let mut table = Table::new(["scope", "flow", "running", "at most", "rate"]);
    for (scope, (limited, flow)) in scopes {
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let of = |part: fn(&Limited) -> Option<String>| text(limited.as_ref().and_then(part));
        table.row([
            scope.to_string(),
            flow.to_string(),
            of(|limited| limited.in_use.map(|count| count.to_string())),
            of(|limited| limited.concurrency.map(|count| count.to_string())),
            of(|limited| limited.rate.map(|rate| rate.to_string())),
        ]);
    }
    table.print(context.output)?;
    Ok(exit::OK)
}
