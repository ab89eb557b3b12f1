//! `gristmill doctor`: what a user would stumble on, looked at beforehand.

mod checks;

use gristmill_model::problem::exit;
use serde::Serialize;

use crate::args::{Connection, Context};
use crate::error::Result;

/// Look for what would be in the way: server, disk, clock, CPU, GPU
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// The data folder to look at [default: the one that `serve` would use]
    #[arg(long, value_name = "DIR")]
    data: Option<std::path::PathBuf>,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Good,
    /// Nothing is wrong, but somebody may wonder.
    Note,
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub verdict: Verdict,
    pub found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    fn good(name: &'static str, found: impl Into<String>) -> Check {
        Check { name, verdict: Verdict::Good, found: found.into(), advice: None }
    }

    fn note(name: &'static str, found: impl Into<String>) -> Check {
        Check { verdict: Verdict::Note, ..Check::good(name, found) }
    }

    fn bad(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Check {
        let advice = Some(advice.into());
        Check { verdict: Verdict::Bad, advice, ..Check::good(name, found) }
    }
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let named = args.connection.server.is_some()
        || std::env::var_os("GRISTMILL_SERVER").is_some_and(|value| !value.is_empty());
    let data = super::serve::data_folder(context, args.data.as_deref())?;
    let mut found = vec![Check::good("version", env!("CARGO_PKG_VERSION"))];
    found.extend(checks::server(&client, named).await);
    found.push(checks::folder(&data));
    found.extend(checks::space(&data));
    found.push(checks::clock());
    found.push(checks::cpus());
    found.push(checks::simd());
    found.push(checks::memory());
    found.push(checks::gpus());
    for check in &found {
        if context.output.json {
            context.output.json(check)?;
        } else {
            print(context, check)?;
        }
    }
    let bad = found.iter().any(|check| check.verdict == Verdict::Bad);
    Ok(if bad { exit::WORK_FAILED } else { exit::OK })
}

fn print(context: &Context, check: &Check) -> Result<()> {
    let word = match check.verdict {
        Verdict::Good => "ok",
        Verdict::Note => "note",
        Verdict::Bad => "BAD",
    };
    context.output.line(format!("{word:<5} {:<12} {}", check.name, check.found))?;
    match &check.advice {
        Some(advice) => context.output.line(format!("{:<18} {advice}", "")),
        None => Ok(()),
    }
}
