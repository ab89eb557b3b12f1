//! Runs a seed and tells how it went. A failed assertion of engine or worker is a broken promise
//! like any other: it is caught, and the story that led to it is told.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::judge::Violation;
use crate::plan::Plan;
use crate::tally::Tally;
use crate::world::World;

/// How a seed went.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Which seed.
    pub seed: u64,
    /// Its features, and its faults with their rates.
    pub swarm: String,
    /// The names of those.
    pub options: Vec<String>,
    /// The broken promise, if any.
    pub violation: Option<Violation>,
    /// The last lines of its story.
    pub story: Vec<String>,
    /// Stands for the whole story.
    pub digest: u64,
    /// What happened, counted.
    pub tally: Tally,
}

thread_local! {
    /// The last assertion that failed in a simulation on this thread; none outside of one.
    static FAILED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs the world of a plan.
#[must_use]
pub fn run(plan: &Plan) -> Outcome {
    listen_to_assertions();
    let mut world = World::new(plan);
    let (faults, features) = (&world.scene.faults, &world.scene.features);
    let swarm = format!("features: {features}\n  faults: {faults}");
    let options = faults.names().chain(features.names()).collect();
    FAILED.set(Some(String::new()));
    let ended = panic::catch_unwind(AssertUnwindSafe(|| world.run()));
    let failed = FAILED.take().unwrap_or_default();
    let violation = match ended {
        Ok(()) => world.scene.judge.violation().cloned(),
        Err(_) => Some(Violation { property: "every assertion holds", detail: failed }),
    };
    Outcome {
        seed: plan.seed,
        swarm,
        options,
        violation,
        story: world.scene.trace.lines().map(str::to_owned).collect(),
        digest: world.scene.trace.digest(),
        tally: world.scene.tally,
    }
}

/// Keeps an assertion's words for the story instead of printing them; panics outside of a
/// simulation are printed as ever.
fn listen_to_assertions() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let heard = FAILED.with_borrow_mut(|failed| match failed {
                Some(words) => {
                    *words = info.to_string();
                    true
                }
                None => false,
            });
            if !heard {
                usual(info);
            }
        }));
    });
}
