//! Running a scenario under thousands of schedules.
//!
//! Half of the schedules are drawn step by step; the other half give each thread a rank and change
//! it at a few random steps (PCT), which finds what needs few but far-off switches. The seed is
//! fixed, so a test finds today what it found yesterday; `GRISTMILL_SCHEDULES=100000` looks
//! further, `GRISTMILL_SEED=7` elsewhere.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

use crate::{instant, thread};

/// So many schedules, unless the environment says otherwise.
const SCHEDULES: usize = 4_000;
/// A bug that needs more switches than this between threads is left to the other half.
const DEPTH: usize = 3;
/// Bytes for each thread of a model; they are not touched before they are used.
const STACK: usize = 1 << 20;

thread_local! {
    static RUNNING: Cell<Option<Rules>> = const { Cell::new(None) };
}

/// Whether time passes in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Nobody is woken because time is over: who is not told sleeps for ever.
    StandsStill,
    /// A time that somebody waits for may be over at any step.
    Passes,
}

/// A bug of what threads meet on, planted to see that a scenario finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// [`crate::Condvar::wait`] lets go of the mutex a step before it listens: who is told in
    /// between has not heard.
    WaitInTwoSteps,
    /// [`crate::thread::Thread::unpark`] of a thread that is not parked yet is forgotten.
    WakeIsForgotten,
}

#[derive(Debug, Clone, Copy)]
struct Rules {
    clock: Clock,
    planted: Option<Planted>,
}

/// How a scenario is explored.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    rules: Rules,
    schedules: usize,
}

impl Model {
    /// A model with this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Model {
        let schedules = from_environment("GRISTMILL_SCHEDULES").unwrap_or(SCHEDULES);
        Model { rules: Rules { clock, planted: None }, schedules }
    }

    /// With a bug.
    #[must_use]
    pub fn with(mut self, planted: Planted) -> Model {
        self.rules.planted = Some(planted);
        self
    }

    /// With at most so many schedules, where each is dear.
    #[must_use]
    pub fn at_most(mut self, schedules: usize) -> Model {
        self.schedules = self.schedules.min(schedules);
        self
    }

    /// Runs the scenario under every schedule; panics with the first one under which it panics or
    /// all its threads wait for ever, and tells how to see that again.
    pub fn explore(self, scenario: impl Fn() + Send + Sync + 'static) {
        let seed = from_environment("GRISTMILL_SEED").unwrap_or(1) as u64;
        let (scenario, half) = (Arc::new(scenario), self.schedules.div_ceil(2));
        let run = self.run(RandomScheduler::new_from_seed(seed, half), &scenario);
        let ranked = self.run(PctScheduler::new_from_seed(seed, DEPTH, half), &scenario);
        assert_eq!(run + ranked, 2 * half, "not all schedules were run");
    }

    /// The same, where some schedule must go wrong: says how, and after how many it was found.
    ///
    /// # Panics
    /// All went well.
    #[must_use]
    pub fn finds(self, scenario: impl Fn() + Send + Sync + 'static) -> Found {
        let tried = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&tried);
        let explored = catch_unwind(AssertUnwindSafe(|| {
            self.explore(move || {
                counts.fetch_add(1, Ordering::SeqCst);
                scenario();
            });
        }));
        RUNNING.set(None);
        let Err(panic) = explored else {
            panic!("nothing was found in {} schedules", self.schedules)
        };
        let why = panic.downcast_ref::<String>().cloned();
        let why = why.or_else(|| panic.downcast_ref::<&str>().map(|why| (*why).to_owned()));
        Found { why: why.unwrap_or_default(), after: tried.load(Ordering::SeqCst) }
    }

    fn run<F>(self, scheduler: impl Scheduler + 'static, scenario: &Arc<F>) -> usize
    where
        F: Fn() + Send + Sync + 'static,
    {
        let mut config = Config::new();
        config.stack_size = STACK;
        let scenario = Arc::clone(scenario);
        RUNNING.set(Some(self.rules));
        let run = Runner::new(scheduler, config).run(move || {
            instant::reset();
            thread::reset();
            scenario();
        });
        RUNNING.set(None);
        run
    }
}

/// What went wrong under a schedule.
#[derive(Debug)]
pub struct Found {
    /// The panic.
    pub why: String,
    /// It came at this schedule.
    pub after: usize,
}

impl Found {
    /// All threads waited, and nobody was left to wake them.
    #[must_use]
    pub fn is_standstill(&self) -> bool {
        self.why.contains("deadlock")
    }
}

/// Whether the caller is run by a model.
#[must_use]
pub fn is_steered() -> bool {
    RUNNING.get().is_some()
}

pub(crate) fn has(planted: Planted) -> bool {
    RUNNING.get().is_some_and(|rules| rules.planted == Some(planted))
}

pub(crate) fn clock() -> Clock {
    RUNNING.get().map_or(Clock::StandsStill, |rules| rules.clock)
}

fn from_environment(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}
