//! `gristmill config show`: every setting, its value and where it came from.

use clap::Subcommand;
use gristmill_model::problem::exit;

use crate::args::Context;
use crate::error::Result;
use crate::output::{Table, say};
use crate::settings::{Kind, variable};

/// Look at the configuration
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Print every setting with its value and where that came from
    Show,
}

pub fn run(context: &Context, verb: &Verb) -> Result<u8> {
    let Verb::Show = verb;
    let mut table = Table::new(["setting", "value", "from", "what it is"]);
    for (key, settled) in context.settings.all() {
        let value = settled.map(|(value, _)| match key.kind {
            Kind::Secret => "(hidden)".to_owned(),
            _ => value.to_string(),
        });
        let origin = settled.map(|(_, origin)| origin.to_string());
        if context.output.json {
            context.output.json(&serde_json::json!({
                "setting": key.name,
                "value": value,
                "from": origin,
                "variable": variable(key.name),
                "about": key.about,
            }))?;
        } else {
            let shown = value.unwrap_or_else(|| "-".into());
            table.row([
                key.name.into(),
                shown,
                origin.unwrap_or_else(|| "-".into()),
                key.about.into(),
            ]);
        }
    }
    if !context.output.json {
        table.print(context.output)?;
        match context.settings.file() {
            Some(path) => say(format!("Read from {}.", path.display())),
            None => say("There is no configuration file; flags and GRISTMILL_… decide."),
        }
    }
    Ok(exit::OK)
}
