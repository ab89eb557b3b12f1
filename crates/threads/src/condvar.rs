//! A condition variable: [`std::sync::Condvar`], or one that the model steers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LockResult, PoisonError};
use std::time::Duration;

use crate::mutex::Held;
use crate::{Clock, MutexGuard, Planted, World, instant, is_steered, model};

/// See the module.
#[derive(Debug)]
pub struct Condvar {
    world: World<std::sync::Condvar, Arc<shuttle::sync::Condvar>>,
}

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar::new()
    }
}

impl Condvar {
    /// A condition variable of the world in which it is made.
    #[must_use]
    pub fn new() -> Condvar {
        let world = if is_steered() {
            World::Steered(Arc::default())
        } else {
            World::Own(std::sync::Condvar::new())
        };
        Condvar { world }
    }

    /// Lets go of the mutex and waits to be told, in one step.
    ///
    /// # Errors
    /// As [`std::sync::Condvar::wait`].
    pub fn wait<'m, T>(&self, guard: MutexGuard<'m, T>) -> LockResult<MutexGuard<'m, T>> {
        match (&self.world, guard.world) {
            (World::Own(condvar), World::Own(guard)) => MutexGuard::own(condvar.wait(guard)),
            (World::Steered(condvar), World::Steered(held)) => {
                let Held { guard, of } = opened(held);
                MutexGuard::steered(condvar.wait(guard), of)
            }
            _ => unreachable!("a mutex and a condition variable of two worlds"),
        }
    }

    /// The same, but not for longer than this; `true` where nobody told.
    ///
    /// In a model whose clock passes, the time may be over at any step, early or late. Where the
    /// clock stands still it never is.
    ///
    /// # Errors
    /// As [`std::sync::Condvar::wait_timeout`].
    pub fn wait_timeout<'m, T>(
        &self,
        guard: MutexGuard<'m, T>,
        longest: Duration,
    ) -> LockResult<(MutexGuard<'m, T>, bool)> {
        match (&self.world, guard.world) {
            (World::Own(condvar), World::Own(guard)) => {
                let (guard, late) = match condvar.wait_timeout(guard, longest) {
                    Ok((guard, late)) => (MutexGuard::own(Ok(guard)), late),
                    Err(poisoned) => {
                        let (guard, late) = poisoned.into_inner();
                        (MutexGuard::own(Err(PoisonError::new(guard))), late)
                    }
                };
                beside(guard, late.timed_out())
            }
            (World::Steered(condvar), World::Steered(held)) => {
                let Held { guard, of } = opened(held);
                let timer = Timer::start(longest, {
                    let condvar = Arc::clone(condvar);
                    move || condvar.notify_all()
                });
                let guard = MutexGuard::steered(condvar.wait(guard), of);
                beside(guard, timer.is_over())
            }
            _ => unreachable!("a mutex and a condition variable of two worlds"),
        }
    }

    /// Tells one of those who wait.
    pub fn notify_one(&self) {
        match &self.world {
            World::Own(condvar) => condvar.notify_one(),
            World::Steered(condvar) => condvar.notify_one(),
        }
    }

    /// Tells all who wait.
    pub fn notify_all(&self) {
        match &self.world {
            World::Own(condvar) => condvar.notify_all(),
            World::Steered(condvar) => condvar.notify_all(),
        }
    }
}

fn beside<G>(guard: LockResult<G>, late: bool) -> LockResult<(G, bool)> {
    match guard {
        Ok(guard) => Ok((guard, late)),
        Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), late))),
    }
}

/// Where it is planted that waiting is not one step, lets go of the mutex before it listens.
fn opened<T>(held: Held<'_, T>) -> Held<'_, T> {
    if !model::has(Planted::WaitInTwoSteps) {
        return held;
    }
    let Held { guard, of } = held;
    drop(guard);
    shuttle::thread::yield_now();
    Held { guard: of.lock().unwrap_or_else(PoisonError::into_inner), of }
}

/// The end of a time that somebody waits for at most: a thread of its own that is scheduled some
/// time or other. Dropped, it rings no more.
pub(crate) struct Timer {
    state: Option<Arc<[AtomicBool; 2]>>,
}

const DROPPED: usize = 0;
const OVER: usize = 1;

impl Timer {
    pub(crate) fn start(longest: Duration, ring: impl Fn() + Send + 'static) -> Timer {
        if model::clock() != Clock::Passes {
            return Timer { state: None };
        }
        let state = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let (its, end) = (Arc::clone(&state), instant::now() + longest);
        drop(shuttle::thread::spawn(move || {
            let dropped = || its[DROPPED].load(Ordering::SeqCst);
            if !dropped() {
                instant::pass_to(end);
                its[OVER].store(true, Ordering::SeqCst);
            }
            // Whoever is to be roused may not listen yet.
            while !dropped() {
                ring();
                shuttle::thread::yield_now();
            }
        }));
        Timer { state: Some(state) }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state[OVER].load(Ordering::SeqCst))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(state) = &self.state {
            state[DROPPED].store(true, Ordering::SeqCst);
        }
    }
}
