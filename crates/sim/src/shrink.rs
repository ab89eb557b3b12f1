//! Makes a counterexample small: takes faults, features, clients, machines, jobs and time off a
//! red seed as long as the same promise stays broken (delta debugging, Zeller and Hildebrandt 2002,
//! over swarm options in place of inputs), then looks for the seed that breaks it in the fewest
//! steps.

use gristmill_model::Span;

use crate::plan::{Cuts, Plan};
use crate::run::{Outcome, run};

/// Runs that one shrinking may take.
const RUNS: usize = 1_500;
/// Seeds among which a small world's shortest story is looked for.
const COUSINS: u64 = 150;
/// Seeds that are tried for each cut: a smaller world throws its dice otherwise.
const TRIES: u64 = 6;

/// A red plan made small.
#[derive(Debug)]
pub struct Shrunk {
    /// What to run.
    pub plan: Plan,
    /// How that went.
    pub outcome: Outcome,
    /// How many runs it took.
    pub runs: usize,
}

struct Shrinker {
    best: Plan,
    outcome: Outcome,
    property: &'static str,
    runs: usize,
}

/// Makes a plan whose outcome is red small. Nothing where it is green.
#[must_use]
pub fn shrink(plan: &Plan) -> Option<Shrunk> {
    let outcome = run(plan);
    let property = outcome.violation.as_ref()?.property;
    let mut shrinker = Shrinker { best: plan.clone(), outcome, property, runs: 1 };
    while shrinker.pass() {}
    shrinker.shortest();
    let Shrinker { best, runs, .. } = shrinker;
    let plan = Plan { keep: usize::MAX, ..best };
    let outcome = run(&plan);
    Some(Shrunk { plan, outcome, runs })
}

impl Shrinker {
    /// Tries every cut once. Returns whether one held.
    fn pass(&mut self) -> bool {
        let mut held = false;
        for cut in self.sizes() {
            held |= self.attempt(cut);
        }
        let names: Vec<String> = self.outcome.options.clone();
        for half in names.chunks(names.len().div_ceil(2).max(1)) {
            held |= self.attempt(self.without(half));
        }
        for name in names {
            if self.outcome.options.contains(&name) {
                held |= self.attempt(self.without(&[name]));
            }
        }
        held && self.runs < RUNS
    }

    fn sizes(&self) -> Vec<Cuts> {
        let cuts = &self.best.cuts;
        let mut sizes = Vec::new();
        let storm = cuts.storm.unwrap_or(Span::seconds(240));
        if storm > Span::seconds(2) {
            sizes.push(Cuts { storm: Some(Span(storm.0 / 2)), ..cuts.clone() });
        }
        let clients = cuts.clients.unwrap_or(4);
        if clients > 1 {
            sizes.push(Cuts { clients: Some(clients / 2), ..cuts.clone() });
        }
        let nodes = cuts.nodes.unwrap_or(4);
        if nodes > 1 {
            sizes.push(Cuts { nodes: Some(nodes / 2), ..cuts.clone() });
        }
        let jobs = cuts.jobs.unwrap_or(64);
        if jobs > 1 {
            sizes.push(Cuts { jobs: Some(jobs / 2), ..cuts.clone() });
        }
        sizes
    }

    fn without(&self, names: &[String]) -> Cuts {
        let mut cuts = self.best.cuts.clone();
        cuts.without.extend(names.iter().cloned());
        cuts
    }

    /// Whether the promise is broken with these cuts too, by this seed or one near it.
    fn attempt(&mut self, cuts: Cuts) -> bool {
        let first = self.best.seed;
        (first..first.saturating_add(TRIES)).any(|seed| {
            let plan = Plan { seed, cuts: cuts.clone(), ..self.best.clone() };
            self.is_red(plan, u64::MAX)
        })
    }

    /// Takes the seed that breaks the promise in the fewest steps.
    fn shortest(&mut self) {
        let first = self.best.seed;
        for seed in first..first.saturating_add(COUSINS) {
            let steps = self.outcome.tally.steps;
            self.is_red(Plan { seed, ..self.best.clone() }, steps);
        }
    }

    fn is_red(&mut self, plan: Plan, below: u64) -> bool {
        if self.runs >= RUNS + COUSINS as usize {
            return false;
        }
        self.runs += 1;
        let outcome = run(&plan);
        let same = outcome.violation.as_ref().is_some_and(|v| v.property == self.property);
        let better = same && outcome.tally.steps < below;
        if better {
            (self.best, self.outcome) = (plan, outcome);
        }
        better
    }
}
