//! `gristmill bench queue`: submit, drain and round trip, as durable as ever.
//!
//! The server is a `gristmill serve` of this binary on a data folder of its own, workers are
//! processes of their own, and everything goes through real sockets. The disk's own rate of syncs
//! stands beside the figures, for nothing acknowledged can be faster than it.

mod disk;
mod measure;
mod stage;
mod submissions;
mod whole;
mod wire;
pub mod worker;

use std::path::PathBuf;
use std::time::Duration;

use gristmill_model::problem::exit;
use serde::Serialize;

use crate::args::Context;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::output::{Table, say};
use stage::Stage;

/// Measure the queue: submit, drain and round trip
#[derive(Debug, clap::Args)]
pub struct Args {
    /// No-op jobs of the bulk submission and the drain
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    jobs: u32,
    /// Submissions of one job each, over 64 connections; as many again pipelined, 16 at a time,
    /// and over 64 links
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    singles: u32,
    /// Jobs that spawn `true`
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    processes: u32,
    /// Round trips of one job on an idle server
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    trips: u32,
    /// Times that the shell submits a job and waits for it
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    shells: u32,
    /// Jobs that wait while the server starts
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    live: u32,
    /// What an acknowledgement waits for, as `serve` understands it
    #[arg(long, value_name = "WHAT", default_value = "disk")]
    durability: String,
    /// Where the data folder lies: the disk that is measured [default: the temporary folder]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub figure: &'static str,
    pub value: f64,
    pub unit: &'static str,
    pub count: u64,
}

impl Figure {
    fn ms(figure: &'static str, time: Duration, count: u64) -> Figure {
        Figure { figure, value: time.as_secs_f64() * 1e3, unit: "ms", count }
    }
}

/// The median and the value that one in a hundred exceeds; there must be values.
fn percentiles(mut values: Vec<Duration>) -> (Duration, Duration) {
    values.sort();
    let at = |percent: usize| values[(values.len() * percent / 100).min(values.len() - 1)];
    (at(50), at(99))
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let interrupt = Interrupt::listen("")?;
    let Some(figures) = interrupt.unless(figures(args)).await else {
        return Ok(exit::INTERRUPTED);
    };
    let figures = figures?;
    if context.output.json {
        figures.iter().try_for_each(|figure| context.output.json(figure))?;
        return Ok(exit::OK);
    }
    let mut table = Table::new(["figure", "value", "unit", "count"]);
    for Figure { figure, value, unit, count } in figures {
        let digits = if value < 100.0 { 2 } else { 0 };
        table.row([figure.into(), format!("{value:.digits$}"), unit.into(), count.to_string()]);
    }
    table.print(context.output)?;
    Ok(exit::OK)
}

async fn figures(args: &Args) -> Result<Vec<Figure>> {
    let stage = Stage::set(args.dir.as_deref(), &args.durability).await?;
    let mut figures = Vec::from(disk::syncs(stage.folder())?);
    figures.extend(whole::memory(&stage)?);
    say("Measuring bulk submission and drain …");
    figures.push(measure::bulk(&stage, args.jobs).await?);
    figures.extend(measure::drain(&stage, args.jobs).await?);
    say("Measuring single submissions …");
    figures.extend(measure::singles(&stage, args.singles).await?);
    figures.push(submissions::links(&stage, args.singles).await?);
    say("Measuring round trips …");
    figures.extend(measure::trips(&stage, args.trips).await?);
    say("Measuring processes …");
    figures.push(measure::processes(&stage, args.processes).await?);
    say("Measuring the shell …");
    figures.extend(whole::shell(&stage, args.shells).await?);
    figures.push(whole::range(&stage).await?);
    drop(stage);
    say("Measuring a start …");
    let mut stage = Stage::set(args.dir.as_deref(), &args.durability).await?;
    figures.extend(whole::restart(&mut stage, args.live).await?);
    Ok(figures)
}
