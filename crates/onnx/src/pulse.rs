//! Says `alive` while the host loads or works, from a thread of its own: the runtime does not come
//! back to say it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use gristmill_model::host::FromHost;

use crate::line::Line;

/// Whether the host is at work.
#[derive(Default)]
pub(crate) struct Pulse {
    busy: AtomicBool,
}

impl Pulse {
    /// Does what may take long.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.busy.store(true, Ordering::Relaxed);
        let done = work();
        self.busy.store(false, Ordering::Relaxed);
        done
    }

    /// Says it until the other end of the channel is dropped, or nobody listens.
    pub(crate) fn beat(&self, line: &Line, every: Duration, until: mpsc::Receiver<()>) {
        // Work may begin right after a beat: twice as often is often enough.
        let every = (every / 2).max(Duration::from_millis(1));
        while until.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            if self.busy.load(Ordering::Relaxed) && line.send(&FromHost::Alive {}).is_err() {
                return;
            }
        }
    }
}
