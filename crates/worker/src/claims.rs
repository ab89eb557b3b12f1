//! Whose business a child is: nobody but its owner may reap one that is claimed.
//!
//! A child may end before its owner has come to claim it, and then looks like an orphan. So whoever
//! starts a child says so first, and while anybody is starting one, what nobody has claimed is let
//! be until another look.

use std::collections::BTreeMap;
use std::sync::{LazyLock, PoisonError};

use crate::threads::{Mutex, MutexGuard};

#[cfg(test)]
mod tests;

static OF_THIS_PROCESS: LazyLock<Claims> = LazyLock::new(Claims::default);

/// What is claimed among the children of a process.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// So many children are being started.
    starting: usize,
    /// Claims by child. One that is reaped frees its number, and the next child may have it before
    /// the old claim is gone.
    held: BTreeMap<libc::pid_t, usize>,
}

/// A child is being started.
#[derive(Debug)]
pub(crate) struct Starting<'c>(&'c Claims);

/// Holds a child for whoever waits for it.
#[derive(Debug)]
pub(crate) struct Claim<'c> {
    claims: &'c Claims,
    child: libc::pid_t,
}

impl Claims {
    /// Those of this process.
    pub(crate) fn of_this_process() -> &'static Claims {
        &OF_THIS_PROCESS
    }

    /// Before a child is started.
    pub(crate) fn starting(&self) -> Starting<'_> {
        self.lock().starting += 1;
        Starting(self)
    }

    /// Whether somebody has claimed a child.
    pub(crate) fn hold(&self, child: libc::pid_t) -> bool {
        self.lock().held.contains_key(&child)
    }

    /// Reaps a child if it is certainly nobody's.
    pub(crate) fn reap(&self, child: libc::pid_t, reap: impl FnOnce(libc::pid_t)) {
        // Held meanwhile: nobody begins to start a child that would get the number.
        let inner = self.lock();
        if inner.starting == 0 && !inner.held.contains_key(&child) {
            reap(child);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'c> Starting<'c> {
    /// It has started, and is claimed.
    pub(crate) fn claim(self, child: libc::pid_t) -> Claim<'c> {
        *self.0.lock().held.entry(child).or_default() += 1;
        Claim { claims: self.0, child }
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.0.lock().starting -= 1;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut inner = self.claims.lock();
        if let Some(claims) = inner.held.get_mut(&self.child) {
            *claims -= 1;
            if *claims == 0 {
                inner.held.remove(&self.child);
            }
        }
    }
}
