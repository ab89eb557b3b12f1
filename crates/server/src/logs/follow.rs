//! `logs -f`: the live end of an attempt's output. A follower is woken and reads the files, so it
//! sees each byte once whatever its pace, and a slow one holds up nobody.

use gristmill_model::{AttemptId, JobId};
use tokio::sync::watch;

use super::{Captured, Logs, LogsError};

/// Follows the output of one attempt.
#[derive(Debug)]
pub struct Follow {
    logs: Logs,
    job: JobId,
    attempt: AttemptId,
    next: u64,
    /// Nothing once the attempt is known to have ended.
    wakes: Option<watch::Receiver<()>>,
}

impl Follow {
    pub(super) fn new(
        logs: Logs,
        job: JobId,
        attempt: AttemptId,
        after: u64,
        mut wakes: watch::Receiver<()>,
    ) -> Follow {
        // What is there already counts as news: the first `next` reads at once.
        wakes.mark_changed();
        Follow { logs, job, attempt, next: after, wakes: Some(wakes) }
    }

    /// The attempt is known to have ended: what is kept is still read, then the end is told.
    pub fn finish(&mut self) {
        self.wakes = None;
    }

    /// What was captured since the last call, waiting until there is something; nothing once the
    /// attempt has ended and all is read.
    ///
    /// # Errors
    /// The files cannot be read.
    pub async fn next(&mut self) -> Result<Option<Captured>, LogsError> {
        loop {
            let ended = match &mut self.wakes {
                Some(wakes) => wakes.changed().await.is_err(),
                None => true,
            };
            if ended {
                self.wakes = None;
            }
            let captured = self.logs.read(self.job, self.attempt, self.next).await?;
            if !captured.pieces.is_empty() {
                self.next = captured.next;
                return Ok(Some(captured));
            }
            if ended {
                return Ok(None);
            }
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        // The receiver goes first, so that the last follower is seen to be the last.
        self.wakes = None;
        self.logs.unfollowed(self.attempt);
    }
}
