//! `gristmill-sim`: runs seeds, stops at the first that breaks a promise, makes it small, tells its
//! story and how to see it again. `--bugs` shows that planted bugs are found.

mod options;

use std::io::{self, IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use gristmill_sim::bug::Bug;
use gristmill_sim::plan::Plan;
use gristmill_sim::shrink::shrink;
use gristmill_sim::tally::Tally;
use gristmill_sim::{Outcome, run, trace};
use options::{Options, USAGE};

/// Lines of the story of a small counterexample that are shown.
const READABLE: usize = 200;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
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
    if options.bugs { find_bugs(&options) } else { run_seeds(&options) }
}

fn run_seeds(options: &Options) -> ExitCode {
    let began = Instant::now();
    let mut total = Tally::default();
    let first = options.plan.seed;
    for (done, seed) in (first..).take(usize_of(options.seeds)).enumerate() {
        let keep = if options.trace { usize::MAX } else { trace::LAST_LINES };
        let plan = Plan { seed, keep, ..options.plan.clone() };
        let outcome = run(&plan);
        total.add(&outcome.tally);
        if options.trace || outcome.violation.is_some() {
            // Whoever stops reading has read enough.
            tell(&outcome, &plan).ok();
        }
        if outcome.violation.is_some() {
            if options.shrink {
                tell_smaller(&plan);
            }
            return ExitCode::FAILURE;
        }
        progress(done as u64 + 1, options.seeds, began.elapsed());
    }
    summarise(&total, options, began.elapsed());
    ExitCode::SUCCESS
}

/// The story of a seed, and of a red one why it is red and how to see it again.
fn tell(outcome: &Outcome, plan: &Plan) -> io::Result<()> {
    let Outcome { seed, swarm, violation, story, digest, .. } = outcome;
    let mut out = io::stdout().lock();
    writeln!(out, "seed {seed}: {swarm}")?;
    for line in story {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "seed {seed}: digest {digest:016x}")?;
    if let Some(violation) = violation {
        writeln!(out, "\nRED seed {seed}: {violation}")?;
        writeln!(out, "again: cargo run -p gristmill-sim -- {plan} --trace")?;
    }
    Ok(())
}

/// The smallest world found that breaks the same promise.
fn tell_smaller(plan: &Plan) {
    eprintln!("\nlooking for a smaller world that breaks the same promise");
    let Some(mut small) = shrink(plan) else { return };
    let steps = small.outcome.tally.steps;
    println!("\nSMALLEST of {} runs, {steps} steps:", small.runs);
    let excess = small.outcome.story.len().saturating_sub(READABLE);
    small.outcome.story.drain(..excess);
    tell(&small.outcome, &small.plan).ok();
}

/// Looks for every planted bug, or for the one that was named, and prints what found it.
fn find_bugs(options: &Options) -> ExitCode {
    println!("| bug | found by | after seeds | in steps |\n|---|---|---|---|");
    let mut missed = 0;
    let wanted = |bug: &Bug| options.plan.bug.is_none_or(|only| only == *bug);
    for (bug, name) in Bug::ALL.iter().filter(|(bug, _)| wanted(bug)) {
        let first = options.plan.seed;
        let mut outcomes = (first..)
            .take(usize_of(options.seeds))
            .map(|seed| run(&Plan { seed, bug: Some(*bug), keep: 0, ..options.plan.clone() }));
        match outcomes.find_map(|outcome| Some((outcome.violation.clone()?, outcome))) {
            Some((violation, outcome)) => {
                let (seeds, steps) = (outcome.seed - first + 1, outcome.tally.steps);
                println!("| `{name}` | {} | {seeds} | {steps} |", violation.property);
            }
            None => {
                missed += 1;
                println!("| `{name}` | **nothing** | {} | |", options.seeds);
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usize_of(seeds: u64) -> usize {
    usize::try_from(seeds).unwrap_or(usize::MAX)
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
        let (start, seeds) = (options.plan.seed, options.seeds);
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
