//! `gristmill sessions`: the functions and models that stay loaded at a server's workers.

use gristmill_model::problem::exit;

use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{Table, bytes, say};

/// List the sessions that workers keep loaded
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let page = args.connection.client(&context.settings)?.sessions().await?;
    if context.output.json {
        page.items.iter().try_for_each(|session| context.output.json(session))?;
        return Ok(exit::OK);
    }
    if page.items.is_empty() {
        say("No sessions are loaded. A worker loads one when the first job for it comes.");
        return Ok(exit::OK);
    }
    let mut table =
        Table::new(["worker", "session", "devices", "state", "memory", "calls", "load"]);
    for session in page.items {
        let (worker, sample) = (session.worker, session.sample);
        let state = serde_json::to_value(sample.state).unwrap_or_default();
        table.row([
            worker.to_string(),
            sample.name,
            if sample.devices.is_empty() { "-".into() } else { sample.devices.join(",") },
            state.as_str().unwrap_or_default().to_owned(),
            sample.vram.map_or_else(|| "-".into(), bytes),
            sample.calls.to_string(),
            sample.load.map_or_else(|| "-".into(), |load| load.to_string()),
        ]);
    }
    table.print(context.output)?;
    if page.has_more {
        say("There are more; `--json` and /v1/sessions?worker=ID show them worker by worker.");
    }
    Ok(exit::OK)
}
