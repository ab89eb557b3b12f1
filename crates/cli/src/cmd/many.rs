//! A verb for all jobs that a filter finds: how many there are is told before anything is done.

use std::io::{BufRead, IsTerminal, Write};

use gristmill_model::filter::Filter;
use gristmill_model::problem::exit;

use super::target::Target;
use crate::args::Context;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::{counted, say};

/// What is done to them.
pub struct Verb {
    /// As it is called here and in the API.
    pub name: &'static str,
    /// What is said afterwards, before their number.
    pub done: &'static str,
}

/// Refuses to steer nothing, and says what can be named.
pub fn named(verb: &str, ids: &[Target]) -> Result<()> {
    if !ids.is_empty() {
        return Ok(());
    }
    Err(Error::usage(format!("{verb} what? expected jobs or batches, or --filter")).hint(format!(
        "write it like `gristmill {verb} j17 b3`, or `gristmill {verb} --filter 'label.user=ada'`"
    )))
}

pub async fn run(
    context: &Context,
    client: &Client,
    verb: &Verb,
    filter: &Filter,
    yes: bool,
) -> Result<u8> {
    let filter = filter.to_string();
    let found = client.many(verb.name, &filter, true).await?.jobs;
    if found > 0 && !yes && !agreed(verb, &counted(found, "job"))? {
        say("Nothing was done.");
        return Ok(exit::OK);
    }
    let affected = client.many(verb.name, &filter, false).await?;
    if context.output.json {
        context.output.json(&affected)?;
    } else {
        say(format!("{} {}.", verb.done, counted(affected.jobs, "job")));
        if affected.forgotten > 0 {
            let gone = counted(affected.forgotten, "job");
            say(format!(
                "Matched too, but finished and forgotten: {gone}; submit such work again."
            ));
        }
    }
    Ok(exit::OK)
}

/// Asks on the terminal. Where there is none, nobody could have agreed.
fn agreed(verb: &Verb, found: &str) -> Result<bool> {
    let question = format!("{} {found}?", verb.name);
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Error::usage(format!("{question} There is no terminal to ask on"))
            .hint("add --yes where that is meant"));
    }
    let failed =
        |error: std::io::Error| Error::usage(format!("the terminal cannot be asked: {error}"));
    write!(std::io::stderr(), "{question} [y/N] ").map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
