//! How a worker is asked to go: first gently, then at once.

use tokio_util::sync::CancellationToken;

/// Asks a worker to leave. Clones ask the same worker.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    quit: CancellationToken,
}

impl Shutdown {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Finish what is held, take nothing new, leave.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// End what runs, give everything back, leave.
    pub fn quit(&self) {
        self.quit.cancel();
    }

    /// For a signal handler: the first call drains, the second one quits.
    pub fn ask(&self) {
        if self.drain.is_cancelled() {
            self.quit();
        } else {
            self.drain();
        }
    }

    pub(crate) async fn drain_asked(&self) {
        self.drain.cancelled().await;
    }

    pub(crate) async fn quit_asked(&self) {
        self.quit.cancelled().await;
    }
}
