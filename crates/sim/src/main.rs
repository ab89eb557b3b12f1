//! `gristmill-sim`: runs seeds, stops at the first that breaks a promise, tells its story and how
//! to see it again.

use std::io::{self, IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use gristmill_sim::bug::Bug;
use gristmill_sim::tally::Tally;
use gristmill_sim::{Outcome, run, trace};

const USAGE: &str = "\
Runs the real engine and the real worker core through seeded worlds of faults.

usage: gristmill-sim [--start SEED] [--seeds N] [--trace] [--json] [--bug NAME]

  --start SEED   the first seed (1)
  --seeds N      how many seeds (500)
  --trace        tell the whole story of every seed, not only the end of a red one
  --json         print the counts as one line of JSON
  --bug NAME     plant a bug in the simulated server, to see it found";

struct Options {
    start: u64,
    seeds: u64,
    trace: bool,
    json: bool,
    bug: Option<Bug>,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("gristmill-sim: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let mut total = Tally::default();
    for (done, seed) in (options.start..).take(usize_of(options.seeds)).enumerate() {
        let keep = if options.trace { usize::MAX } else { trace::LAST_LINES };
        let outcome = run(seed, options.bug, keep);
        total.add(&outcome.tally);
        if options.trace || outcome.violation.is_some() {
            // Whoever stops reading has read enough.
            tell(&outcome, &options).ok();
        }
        if outcome.violation.is_some() {
            return ExitCode::FAILURE;
        }
        progress(done as u64 + 1, options.seeds, began.elapsed());
    }
    summarise(&total, &options, began.elapsed());
    ExitCode::SUCCESS
}

/// Reads the command line; nothing where help was asked for.
fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options { start: 1, seeds: 500, trace: false, json: false, bug: None };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--start" => options.start = number(&value()?)?,
            "--seeds" => options.seeds = number(&value()?)?,
            "--bug" => options.bug = Some(value()?.parse()?),
            "--trace" => options.trace = true,
            "--json" => options.json = true,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("unknown option `{arg}`")),
        }
    }
    Ok(Some(options))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

fn usize_of(seeds: u64) -> usize {
    usize::try_from(seeds).unwrap_or(usize::MAX)
}

/// The story of a seed, and of a red one why it is red and how to see it again.
fn tell(outcome: &Outcome, options: &Options) -> io::Result<()> {
    let Outcome { seed, faults, violation, story, digest, .. } = outcome;
    let mut out = io::stdout().lock();
    writeln!(out, "seed {seed}: {faults}")?;
    for line in story {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "seed {seed}: digest {digest:016x}")?;
    if let Some(violation) = violation {
        let bug = options.bug.map_or_else(String::new, |bug| format!(" --bug {bug}"));
        writeln!(out, "\nRED seed {seed}: {violation}")?;
        writeln!(
            out,
            "again: cargo run -p gristmill-sim -- --start {seed} --seeds 1 --trace{bug}"
        )?;
    }
    Ok(())
}

fn progress(done: u64, seeds: u64, took: Duration) {
    if stderr().is_terminal() {
        eprint!("\r{done}/{seeds} seeds, {:.0}/s ", done as f64 / took.as_secs_f64());
        stderr().flush().ok();
    }
}

fn summarise(total: &Tally, options: &Options, took: Duration) {
    let rate = options.seeds as f64 / took.as_secs_f64().max(1e-9);
    if options.json {
        let counts = total.rows().into_iter().map(|(name, count)| format!("\"{name}\":{count}"));
        let counts: Vec<String> = counts.collect();
        let (start, seeds) = (options.start, options.seeds);
        println!(
            "{{\"start\":{start},\"seeds\":{seeds},\"seeds_per_second\":{rate:.1},{}}}",
            counts.join(",")
        );
        return;
    }
    let hours = total.virtual_time().as_secs_f64() / 3_600.0;
    println!("{} seeds green: {rate:.1} seeds/s, {hours:.1} virtual hours", options.seeds);
    for (name, count) in total.rows() {
        println!("  {name:<20} {count:>10}");
    }
}
