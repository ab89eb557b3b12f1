//! What `pause`, `resume` and `drain` share: each is for a worker, or for a part of the work.

use gristmill_model::problem::exit;
use gristmill_model::scope::Flow;

use super::submit::quantities::project;
use super::target::Tap;
use crate::args::Context;
use crate::client::Client;
use crate::error::Result;
use crate::output::say;

/// What shall flow otherwise.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// A worker, like w3, or a scope, like pipeline:thumbs; several may be given
    #[arg(required = true, value_name = "SCOPE|WORKER")]
    taps: Vec<Tap>,
    /// The project whose scope it is [default: default]
    #[arg(long, value_name = "NAME", value_parser = project)]
    project: Option<String>,
}

/// How.
pub struct Verb {
    /// As it is called in the API, for a worker.
    pub name: &'static str,
    pub flow: Flow,
    /// What is said of a worker.
    pub worker: &'static str,
    /// What is said of a scope.
    pub scope: &'static str,
}

pub async fn run(context: &Context, client: &Client, verb: &Verb, which: &Which) -> Result<u8> {
    for tap in &which.taps {
        match tap {
            Tap::Worker(id) => {
                let worker = client.steer_worker(*id, verb.name).await?;
                if context.output.json {
                    context.output.json(&worker)?;
                } else {
                    say(format!("{} ({}) {}.", worker.id, worker.name, verb.worker));
                }
            }
            Tap::Scope(scope) => {
                let flow = client.set_flow(which.project.as_deref(), scope, verb.flow).await?;
                if context.output.json {
                    context.output.json(&flow)?;
                } else {
                    say(format!("{} of project {} {}.", flow.scope, flow.project, verb.scope));
                }
            }
        }
    }
    Ok(exit::OK)
}
