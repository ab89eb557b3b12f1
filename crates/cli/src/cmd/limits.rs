//! `gristmill limits`: what of a project's work, or of everybody's, is bounded, paused or draining.

use std::collections::BTreeMap;

use gristmill_model::api::Limited;
use gristmill_model::problem::exit;
use gristmill_model::scope::{Flow, Scope};

use super::submit::quantities::project;
use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{Table, say};

/// List what of the work is limited, paused or draining
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this project
    #[arg(long, value_name = "NAME", value_parser = project)]
    project: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let projects = match &args.project {
        Some(project) => vec![project.clone()],
        None => client.projects(usize::MAX).await?.into_iter().map(|of| of.name).collect(),
    };
    let mut scopes: BTreeMap<(String, Scope), (Option<Limited>, Flow)> = BTreeMap::new();
    for project in projects {
        for limited in client.limits(Some(&project)).await? {
            let place = (project.clone(), limited.scope.clone());
            scopes.insert(place, (Some(limited), Flow::Open));
        }
        for flowing in client.flows(Some(&project)).await? {
            let place = (project.clone(), flowing.scope);
            scopes.entry(place).or_insert((None, Flow::Open)).1 = flowing.flow;
        }
    }
    if context.output.json {
        for ((project, scope), (limited, flow)) in scopes {
            let (concurrency, rate, in_use) =
                limited.map_or((None, None, None), |of| (of.concurrency, of.rate, of.in_use));
            context.output.json(&serde_json::json!({
                "project": project, "scope": scope, "flow": flow, "concurrency": concurrency,
                "rate": rate, "in_use": in_use,
            }))?;
        }
        return Ok(exit::OK);
    }
    if scopes.is_empty() {
        say("Nothing is limited, paused or draining.");
        return Ok(exit::OK);
    }
    let mut table = Table::new(["project", "scope", "flow", "running", "at most", "rate"]);
    for ((project, scope), (limited, flow)) in scopes {
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let of = |part: fn(&Limited) -> Option<String>| text(limited.as_ref().and_then(part));
        table.row([
            project,
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
