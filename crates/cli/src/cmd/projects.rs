//! `gristmill projects`: the lanes between which work is shared out, and their weights.

use gristmill_model::api::Project;
use gristmill_model::problem::exit;

use super::submit::quantities::{project, rows};
use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::Table;

/// List projects; or make one, or change its share
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Where projects want the same workers, each gets as much as its weight says beside the others'.
A project is made by the first `submit --project NAME`, with weight 1, or as in
  gristmill projects lab --weight 3")]
pub struct Args {
    /// The project; without it all are listed
    #[arg(value_parser = project)]
    name: Option<String>,
    /// Its share beside the other projects'; at least 1
    #[arg(long, value_name = "N", requires = "name")]
    weight: Option<u32>,
    /// At most so many
    #[arg(long, value_name = "N", default_value = "1000", value_parser = rows)]
    limit: usize,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let projects = match (&args.name, args.weight) {
        (Some(name), Some(weight)) => vec![client.define_project(name, weight).await?],
        (Some(name), None) => vec![client.project(name).await?],
        (None, _) => client.projects(args.limit).await?,
    };
    if context.output.json {
        projects.iter().try_for_each(|project| context.output.json(project))?;
        return Ok(exit::OK);
    }
    let mut table = Table::new(["project", "weight", "queued", "running"]);
    for Project { name, weight, queued, leased } in projects {
        table.row([name, weight.to_string(), queued.to_string(), leased.to_string()]);
    }
    table.print(context.output)?;
    Ok(exit::OK)
}
