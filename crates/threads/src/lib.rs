//! What threads meet on, for unit tests: the mutex, condition variable, parking and clock of the
//! standard library, but steerable. Outside of a [`Model`] they are just that; what is made inside
//! of one is [`shuttle`]'s, which runs one thread at a time and draws who goes on at every step.
//!
//! So the real code is explored, not a copy of it, in the same build as all other tests. Nothing
//! that is shipped depends on this crate: a crate names it among its dev-dependencies and imports
//! from it under `cfg(test)`, and from `std` otherwise.

mod condvar;
mod instant;
mod model;
mod mutex;
pub mod thread;

pub use condvar::Condvar;
pub use instant::Instant;
pub use model::{Clock, Found, Model, Planted, is_steered};
pub use mutex::{Mutex, MutexGuard};

/// Two worlds of one type: what was made outside of a model and what was made inside.
#[derive(Debug, Clone, Copy)]
pub(crate) enum World<O, S> {
    /// The standard library's.
    Own(O),
    /// Steered by the model.
    Steered(S),
}

#[cfg(test)]
mod tests;
