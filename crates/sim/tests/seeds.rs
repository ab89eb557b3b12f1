//! Seeds as an ordinary test; CI runs more of them with the command. And the test of the test: the
//! judge finds bugs that are planted.

use gristmill_sim::bug::Bug;
use gristmill_sim::plan::{Cuts, Plan};
use gristmill_sim::run;
use gristmill_sim::shrink::shrink;
use gristmill_sim::tally::Tally;

#[test]
fn seeds_keep_every_promise_and_meet_every_fault() {
    let mut total = Tally::default();
    for seed in 1..=500 {
        let plan = Plan::of(seed);
        let outcome = run(&plan);
        if let Some(violation) = outcome.violation {
            panic!(
                "seed {seed} is red: {violation}\n{}\n\
                 again: cargo run -p gristmill-sim -- {plan} --trace",
                outcome.story.join("\n")
            );
        }
        total.add(&outcome.tally);
    }
    for (name, count) in total.rows() {
        assert!(count > 0, "{name} never came about: the simulator has lost something");
    }
}

#[test]
fn a_seed_means_one_run() {
    for seed in [3, 14, 159] {
        let told = |seed, keep| run(&Plan { keep, ..Plan::of(seed) });
        let (first, second) = (told(seed, 10), told(seed, usize::MAX));
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(first.tally, second.tally, "seed {seed}");
        assert_ne!(first.digest, told(seed + 1, 10).digest);
    }
}

#[test]
fn planted_bugs_are_found_soon() {
    are_found(400, |name| EASY.contains(&name));
}

#[test]
#[ignore = "minutes: every planted bug within five thousand seeds; `gristmill-sim --bugs` tells more"]
fn every_planted_bug_is_found() {
    are_found(5_000, |_| true);
}

/// One of each family, found within a few hundred seeds.
const EASY: [&str; 13] = [
    "reply_before_append",
    "forgets_last_group",
    "unfenced_report",
    "lease_survives",
    "limit_doubled",
    "met_by_failure",
    "cancel_misses_folded",
    "books_preferred",
    "opens_before_memory_is_back",
    "idle_memory_uncounted",
    "quarantine_unheard",
    "half_given",
    "foreign_use_ignored",
];

fn are_found(seeds: u64, wanted: impl Fn(&str) -> bool) {
    for (bug, name) in Bug::ALL.into_iter().filter(|(_, name)| wanted(name)) {
        let found = (1..=seeds).find(|seed| run(&Plan::with(*seed, bug)).violation.is_some());
        assert!(found.is_some(), "{name} is planted in {seeds} seeds and found in none");
    }
}

#[test]
fn a_red_seed_is_made_small_and_stays_red() {
    let red = (1..400).map(|seed| Plan::with(seed, Bug::LeaseSurvives));
    let (plan, outcome) = red
        .map(|plan| (plan.clone(), run(&plan)))
        .find(|(_, outcome)| outcome.violation.is_some())
        .expect("the bug is found");
    let small = shrink(&plan).expect("it is red");
    let property = |outcome: &gristmill_sim::Outcome| outcome.violation.clone().map(|v| v.property);
    assert_eq!(property(&small.outcome), property(&outcome));
    assert!(small.outcome.tally.steps < outcome.tally.steps, "fewer steps");
    assert_ne!(small.plan.cuts, Cuts::default(), "something was cut off");
    assert!(small.outcome.story.len() < 80, "a story that can be read");
    let again = run(&small.plan);
    assert_eq!(again.digest, small.outcome.digest, "and can be told again");
}
