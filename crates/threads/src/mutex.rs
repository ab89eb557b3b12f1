//! A mutex: [`std::sync::Mutex`], or one that the model steers.

use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, PoisonError};

use crate::{World, is_steered};

/// See the module.
#[derive(Debug)]
pub struct Mutex<T> {
    pub(crate) world: World<std::sync::Mutex<T>, shuttle::sync::Mutex<T>>,
}

/// What holds a [`Mutex`].
#[derive(Debug)]
pub struct MutexGuard<'m, T> {
    pub(crate) world: World<std::sync::MutexGuard<'m, T>, Held<'m, T>>,
}

/// Where from, to take it again.
#[derive(Debug)]
pub(crate) struct Held<'m, T> {
    pub(crate) guard: shuttle::sync::MutexGuard<'m, T>,
    pub(crate) of: &'m shuttle::sync::Mutex<T>,
}

impl<T> Mutex<T> {
    /// A mutex of the world in which it is made.
    pub fn new(value: T) -> Mutex<T> {
        let world = if is_steered() {
            World::Steered(shuttle::sync::Mutex::new(value))
        } else {
            World::Own(std::sync::Mutex::new(value))
        };
        Mutex { world }
    }

    /// Waits until nobody holds it, and takes it.
    ///
    /// # Errors
    /// As [`std::sync::Mutex::lock`].
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        match &self.world {
            World::Own(mutex) => MutexGuard::own(mutex.lock()),
            World::Steered(mutex) => MutexGuard::steered(mutex.lock(), mutex),
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<'m, T> MutexGuard<'m, T> {
    pub(crate) fn own(
        guard: LockResult<std::sync::MutexGuard<'m, T>>,
    ) -> LockResult<MutexGuard<'m, T>> {
        wrapped(guard, |guard| MutexGuard { world: World::Own(guard) })
    }

    pub(crate) fn steered(
        guard: LockResult<shuttle::sync::MutexGuard<'m, T>>,
        of: &'m shuttle::sync::Mutex<T>,
    ) -> LockResult<MutexGuard<'m, T>> {
        wrapped(guard, |guard| MutexGuard { world: World::Steered(Held { guard, of }) })
    }
}

fn wrapped<G, W>(guard: LockResult<G>, wrap: impl FnOnce(G) -> W) -> LockResult<W> {
    match guard {
        Ok(guard) => Ok(wrap(guard)),
        Err(poisoned) => Err(PoisonError::new(wrap(poisoned.into_inner()))),
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.world {
            World::Own(guard) => guard,
            World::Steered(held) => &held.guard,
        }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.world {
            World::Own(guard) => guard,
            World::Steered(held) => &mut held.guard,
        }
    }
}
