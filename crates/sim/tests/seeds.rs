//! Seeds as an ordinary test; CI runs more of them with the command. And the test of the test: the
//! judge finds bugs that are planted.

use gristmill_sim::bug::Bug;
use gristmill_sim::tally::Tally;
use gristmill_sim::{run, trace};

#[test]
fn five_hundred_seeds_keep_every_promise_and_meet_every_fault() {
    let mut total = Tally::default();
    for seed in 1..=500 {
        let outcome = run(seed, None, trace::LAST_LINES);
        if let Some(violation) = outcome.violation {
            panic!(
                "seed {seed} is red: {violation}\n{}\n\
                 again: cargo run -p gristmill-sim -- --start {seed} --seeds 1 --trace",
                outcome.story.join("\n")
            );
        }
        total.add(&outcome.tally);
    }
    for (name, count) in total.rows() {
        assert!(count > 0, "{name} never came about: the simulator has lost a fault");
    }
}

#[test]
fn a_seed_means_one_run() {
    for seed in [3, 14, 159] {
        let (first, second) = (run(seed, None, 10), run(seed, None, usize::MAX));
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(first.tally, second.tally, "seed {seed}");
        assert_ne!(first.digest, run(seed + 1, None, 10).digest);
    }
}

#[test]
fn every_planted_bug_is_found() {
    for (bug, name) in Bug::ALL {
        let found = (1..=400).find(|seed| run(*seed, Some(bug), 0).violation.is_some());
        assert!(found.is_some(), "{name} is planted in 400 seeds and found in none");
    }
}
