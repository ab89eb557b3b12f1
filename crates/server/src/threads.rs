//! What threads meet on here: the standard library's own and, in unit tests, the same in a form
//! that a model can steer (`gristmill_threads`). Whoever waits for another thread takes it from
//! here.

use tokio::task::{JoinError, spawn_blocking};

#[cfg(test)]
pub(crate) use gristmill_threads::{Condvar, Instant, Mutex, MutexGuard, thread};
#[cfg(not(test))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard},
    thread,
    time::Instant,
};

/// Does what may block, on a thread of the runtime that is there for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    #[cfg(test)]
    if gristmill_threads::is_steered() {
        thread::yield_now();
        return Ok(work());
    }
    spawn_blocking(work).await
}
