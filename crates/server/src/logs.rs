//! Captured output: what attempts wrote to their streams, by job and attempt.
//!
//! A file is a run of frames: one byte for the stream (1 stdout, 2 stderr, 3 the worker's own
//! words), the length as a little-endian u32, the bytes. Before what came together stands a frame
//! of stream 4 with the time when it came. A *position* counts the bytes of frames that were ever
//! written. An attempt has up to three files:
//!
//! ```text
//! logs/0/j17-a21         the beginning, at most `limits::LOG_BYTES`
//! logs/0/j17-a21.tail    once that is full: the newest, at most `limits::LOG_TAIL_BYTES`
//! logs/0/j17-a21.older   the tail before this one; its own predecessor is gone
//! ```
//!
//! The two tails begin with a mark (stream 0, length 8): the position of what follows. So all that
//! an append must know lies in the files, no file stays open, and a restart changes nothing.
//! Nothing is synced: after a power cut the end of an attempt's output may be missing.

mod file;
mod follow;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use gristmill_model::wire::Stream;
use gristmill_model::{AttemptId, JobId, Time, limits};
use tokio::sync::{broadcast, watch};

use crate::threads::{Mutex, MutexGuard, blocking};
use file::Files;
pub use follow::Follow;

/// Jobs that share a folder.
const JOBS_PER_FOLDER: u64 = 1_000;
/// Attempts whose files are written at the same time without waiting for each other.
const LANES: usize = 64;

/// Why captured output cannot be kept or shown.
#[derive(Debug, thiserror::Error)]
#[error("captured output in {path} cannot be used: {source}")]
pub struct LogsError {
    /// The file.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// Part of what was captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// What one stream said.
    Said {
        /// Which.
        stream: Stream,
        /// The bytes as the program wrote them; not always whole characters.
        bytes: Vec<u8>,
        /// When they came, where that is known.
        at: Option<Time>,
    },
    /// Output that was not kept.
    Skipped {
        /// How much, headers included.
        bytes: u64,
    },
}

/// What was captured after some position.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// The pieces, in the order in which they came.
    pub pieces: Vec<Piece>,
    /// The position to go on from.
    pub next: u64,
}

/// The captured output of every attempt; a clone is the same.
#[derive(Debug, Clone)]
pub struct Logs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// Each attempt belongs to one of these; whoever touches its files holds it.
    lanes: [Mutex<()>; LANES],
    /// Attempts that somebody follows right now.
    followed: Mutex<HashMap<AttemptId, watch::Sender<()>>>,
    /// Tells who said something, to those who follow many.
    news: broadcast::Sender<AttemptId>,
}

impl Logs {
    /// Captured output in a folder.
    #[must_use]
    pub fn new(folder: &Path) -> Logs {
        let lanes = std::array::from_fn(|_| Mutex::new(()));
        let (news, _) = broadcast::channel(limits::LOG_NEWS);
        let inner = Inner { folder: folder.to_owned(), lanes, followed: Mutex::default(), news };
        Logs { inner: Arc::new(inner) }
    }

    /// Keeps what an attempt said by this time, within the bounds, and wakes its followers. Cheaper
    /// with many pieces at once.
    ///
    /// # Errors
    /// The files cannot be written.
    pub async fn append(
        &self,
        job: JobId,
        attempt: AttemptId,
        at: Time,
        said: Vec<(Stream, Vec<u8>)>,
    ) -> Result<(), LogsError> {
        self.with_files(job, attempt, move |files| files.append(at, &said)).await?;
        // Nobody may listen.
        let _ = self.inner.news.send(attempt);
        if let Some(followers) = self.followed().get(&attempt) {
            followers.send_replace(());
        }
        Ok(())
    }

    /// What was captured after a position, all of it: the files are bounded. Nothing for an
    /// attempt that said nothing.
    ///
    /// # Errors
    /// The files cannot be read.
    pub async fn read(
        &self,
        job: JobId,
        attempt: AttemptId,
        after: u64,
    ) -> Result<Captured, LogsError> {
        self.with_files(job, attempt, move |files| files.read(after)).await
    }

    /// Follows an attempt's output from a position on. First follow, then ask whether the attempt
    /// still runs, and if it does not call [`Follow::finish`]: so no ending is missed.
    #[must_use]
    pub fn follow(&self, job: JobId, attempt: AttemptId, after: u64) -> Follow {
        let wakes =
            self.followed().entry(attempt).or_insert_with(|| watch::Sender::new(())).subscribe();
        Follow::new(self.clone(), job, attempt, after, wakes)
    }

    /// Hears of each attempt that has said something, after it was kept. Who falls behind misses
    /// some and must look for himself.
    #[must_use]
    pub fn news(&self) -> broadcast::Receiver<AttemptId> {
        self.inner.news.subscribe()
    }

    /// The attempt says no more: its followers read what is left and end.
    pub fn ended(&self, attempt: AttemptId) {
        self.followed().remove(&attempt);
    }

    /// Forgets an attempt that nobody follows any more.
    fn unfollowed(&self, attempt: AttemptId) {
        let mut followed = self.followed();
        if followed.get(&attempt).is_some_and(|followers| followers.receiver_count() == 0) {
            followed.remove(&attempt);
        }
    }

    async fn with_files<T: Send + 'static>(
        &self,
        job: JobId,
        attempt: AttemptId,
        work: impl FnOnce(&Files) -> io::Result<T> + Send + 'static,
    ) -> Result<T, LogsError> {
        let inner = Arc::clone(&self.inner);
        let folder = inner.folder.join((job.0 / JOBS_PER_FOLDER).to_string());
        let files = Files::new(&folder, &format!("{job}-{attempt}"));
        let path = folder.join(format!("{job}-{attempt}"));
        let work = blocking(move || {
            let lane = &inner.lanes[(attempt.0 % LANES as u64) as usize];
            let _alone = lane.lock().unwrap_or_else(PoisonError::into_inner);
            work(&files)
        });
        let done = work.await.unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
        done.map_err(|source| LogsError { path, source })
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<AttemptId, watch::Sender<()>>> {
        self.inner.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
