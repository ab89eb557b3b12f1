//! The command line of `gristmill-sim`.

use gristmill_sim::plan::Plan;

pub const USAGE: &str = "\
Runs the real engine and the real worker core through seeded worlds of faults.

usage: gristmill-sim [--start SEED] [--seeds N] [--trace] [--json] [--no-shrink]
                     [--bug NAME] [--bugs] [cuts]

  --start SEED   the first seed (1)
  --seeds N      how many seeds (500)
  --trace        tell the whole story of every seed, not only the end of a red one
  --json         print the counts as one line of JSON
  --no-shrink    do not look for a smaller world that breaks the same promise
  --bug NAME     plant a bug in the simulated server, to see it found
  --bugs         look for every planted bug in turn, and print what found it

cuts, as the shrinker prints them:
  --without A,B  switch faults and features off
  --storm SPAN   faults stop and clients rest after this time
  --clients N    at most so many clients
  --nodes N      at most so many machines
  --jobs N       at most so many jobs in one submission";

/// What the command line asks for.
pub struct Options {
    /// The first seed, with bug and cuts.
    pub plan: Plan,
    pub seeds: u64,
    pub trace: bool,
    pub json: bool,
    pub shrink: bool,
    pub bugs: bool,
}

impl Options {
    /// Reads the command line; nothing where help was asked for.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let plan = Plan::of(1);
        let mut options =
            Options { plan, seeds: 500, trace: false, json: false, shrink: true, bugs: false };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            let Options { plan, .. } = &mut options;
            match arg.as_str() {
                "--start" => plan.seed = number(&value()?)?,
                "--seeds" => options.seeds = number(&value()?)?,
                "--bug" => plan.bug = Some(value()?.parse()?),
                "--without" => {
                    plan.cuts.without.extend(value()?.split(',').map(str::to_owned));
                }
                "--storm" => plan.cuts.storm = Some(value()?.parse()?),
                "--clients" => plan.cuts.clients = Some(few(&value()?)?),
                "--nodes" => plan.cuts.nodes = Some(few(&value()?)?),
                "--jobs" => plan.cuts.jobs = Some(number(&value()?)?),
                "--trace" => options.trace = true,
                "--json" => options.json = true,
                // What is done by itself may be asked for too.
                "--shrink" => options.shrink = true,
                "--no-shrink" => options.shrink = false,
                "--bugs" => options.bugs = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("unknown option `{arg}`")),
            }
        }
        Ok(Some(options))
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

fn few(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}
