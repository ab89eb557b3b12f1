//! A moment: [`std::time::Instant`], or one of the model's clock, which goes on only when somebody
//! has waited for a time to be over.

use std::cell::Cell;
use std::time::Duration;

use crate::{World, is_steered};

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Instant(World<std::time::Instant, Duration>);

impl Instant {
    /// This moment.
    #[must_use]
    pub fn now() -> Instant {
        let world = if is_steered() {
            World::Steered(now())
        } else {
            World::Own(std::time::Instant::now())
        };
        Instant(world)
    }

    /// Time since then.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match self.0 {
            World::Own(then) => then.elapsed(),
            World::Steered(then) => now().saturating_sub(then),
        }
    }
}

pub(crate) fn now() -> Duration {
    NOW.get()
}

pub(crate) fn pass_to(moment: Duration) {
    NOW.set(now().max(moment));
}

pub(crate) fn reset() {
    NOW.set(Duration::ZERO);
}
