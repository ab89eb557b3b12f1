//! Threads that park: [`std::thread`], or threads that the model steers.

use std::cell::RefCell;
use std::time::Duration;

use crate::condvar::Timer;
use crate::{Planted, World, is_steered, model};

thread_local! {
    /// Those of the model that are parked.
    static PARKED: RefCell<Vec<shuttle::thread::ThreadId>> = const { RefCell::new(Vec::new()) };
}

/// A thread that can be woken.
#[derive(Debug, Clone)]
pub struct Thread(World<std::thread::Thread, shuttle::thread::Thread>);

/// The calling thread.
#[must_use]
pub fn current() -> Thread {
    Thread(if is_steered() {
        World::Steered(shuttle::thread::current())
    } else {
        World::Own(std::thread::current())
    })
}

/// Waits until somebody has woken this thread since it was last parked.
pub fn park() {
    if !is_steered() {
        return std::thread::park();
    }
    let id = shuttle::thread::current().id();
    // Between a last look around and this there is a step.
    shuttle::thread::yield_now();
    PARKED.with_borrow_mut(|parked| parked.push(id));
    shuttle::thread::park();
    PARKED.with_borrow_mut(|parked| parked.retain(|other| *other != id));
}

/// The same, but not for longer than this; where a model's clock stands still, for ever.
pub fn park_timeout(longest: Duration) {
    if !is_steered() {
        return std::thread::park_timeout(longest);
    }
    let this = shuttle::thread::current();
    let _timer = Timer::start(longest, move || this.unpark());
    park();
}

/// Lets others go on first.
pub fn yield_now() {
    if is_steered() {
        shuttle::thread::yield_now();
    } else {
        std::thread::yield_now();
    }
}

impl Thread {
    /// Wakes it, or lets its next parking end at once.
    pub fn unpark(&self) {
        match &self.0 {
            World::Own(thread) => thread.unpark(),
            World::Steered(thread) => {
                let is_parked = PARKED.with_borrow(|parked| parked.contains(&thread.id()));
                if is_parked || !model::has(Planted::WakeIsForgotten) {
                    thread.unpark();
                }
            }
        }
    }
}

pub(crate) fn reset() {
    PARKED.with_borrow_mut(Vec::clear);
}
