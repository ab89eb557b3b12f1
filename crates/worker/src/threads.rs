//! What threads meet on here: the standard library's own and, in unit tests, the same in a form
//! that a model can steer (`gristmill_threads`).

#[cfg(test)]
pub(crate) use gristmill_threads::{Condvar, Mutex, MutexGuard};
#[cfg(not(test))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
