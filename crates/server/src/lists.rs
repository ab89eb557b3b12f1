//! Lists: stored blobs whose lines are the inputs of jobs.
//!
//! A list is read once from its beginning to its end, which judges it and notes where some of its
//! lines begin. After that any line costs one bounded read. What is noted, and the pieces that were
//! read last, are kept within bounds and made again when they are wanted again: nothing here
//! outlives the process.

mod fill;
mod scan;
mod window;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures::TryStreamExt;
use gristmill_model::api::Job;
use gristmill_model::digest::Digest;
use gristmill_model::limits;
use gristmill_model::payload::{Line, Payload};
use gristmill_model::problem::{Code, Rejection};
use tokio::sync::OnceCell;

use crate::blobs::{BlobError, Blobs};
pub(crate) use fill::Fill;
use scan::{Index, Scan};
use window::Window;

/// The lists among the blobs; a clone shares what is known of them.
#[derive(Debug, Clone)]
pub struct Lists {
    blobs: Blobs,
    kept: Arc<Mutex<Kept>>,
}

/// What is kept in memory, the least recently used first.
#[derive(Debug, Default)]
struct Kept {
    lists: VecDeque<(Digest, Arc<OnceCell<Index>>)>,
    windows: VecDeque<(Digest, Arc<Window>)>,
}

impl Lists {
    /// The lists among these blobs.
    #[must_use]
    pub fn new(blobs: Blobs) -> Lists {
        Lists { blobs, kept: Arc::default() }
    }

    /// How many lines a list has. Each ends with a line feed, which only the last may lack, and may
    /// be empty; a carriage return before the line feed belongs to neither.
    ///
    /// # Errors
    /// There is no such blob, it is damaged, or a line cannot be an input: then its number is told.
    pub async fn count(&self, list: Digest) -> Result<u64, Rejection> {
        let known = self.known(list);
        Ok(self.index(&known, list).await?.lines())
    }

    /// The text of a line.
    ///
    /// # Errors
    /// As [`Lists::count`], or the list has no such line.
    pub async fn line(&self, line: Line) -> Result<String, Rejection> {
        let Line { list, index: number } = line;
        if let Some(text) = self.seen(line) {
            return Ok(text);
        }
        let known = self.known(list);
        let index = self.index(&known, list).await?;
        let Some(part) = index.part(number) else {
            let lines = index.lines();
            let detail = format!("the list {list} has {lines} lines, none with index {number}");
            return Err(Rejection::new(Code::InvalidRequest, detail));
        };
        let bytes = self.blobs.part(list, part.bytes.clone()).await.map_err(unusable)?;
        let bytes = bytes.ok_or_else(|| missing(list))?;
        let window = Arc::new(Window::of(part.first, &bytes).ok_or_else(|| damaged(list))?);
        let text = window.line(number).ok_or_else(|| damaged(list))?.to_owned();
        self.keep(list, window);
        Ok(text)
    }

    /// An input as a person or a handler wants it: a line of a list becomes its text.
    ///
    /// # Errors
    /// As [`Lists::line`].
    pub async fn resolve(&self, input: &mut Payload) -> Result<(), Rejection> {
        if let Payload::Line(line) = input {
            *input = Payload::Text(self.line(*line).await?);
        }
        Ok(())
    }

    /// Puts the text of lines into jobs that people are shown; where it cannot be read the
    /// reference stays.
    pub(crate) async fn show(&self, jobs: &mut [Job]) {
        for job in jobs {
            if let Err(why) = self.resolve(&mut job.input).await {
                tracing::debug!(job = %job.id, why = why.detail, "an input is shown as a reference");
            }
        }
    }

    fn seen(&self, line: Line) -> Option<String> {
        let mut kept = self.lock();
        let place = kept
            .windows
            .iter()
            .rposition(|(list, window)| *list == line.list && window.line(line.index).is_some())?;
        let used = kept.windows.remove(place)?;
        let text = used.1.line(line.index).map(str::to_owned);
        kept.windows.push_back(used);
        text
    }

    fn keep(&self, list: Digest, window: Arc<Window>) {
        let mut kept = self.lock();
        kept.windows.push_back((list, window));
        if kept.windows.len() > limits::LIST_WINDOWS {
            kept.windows.pop_front();
        }
    }

    /// The place of what is known of a list; it is filled by whoever comes first.
    fn known(&self, list: Digest) -> Arc<OnceCell<Index>> {
        let mut kept = self.lock();
        let place = kept.lists.iter().position(|(known, _)| *known == list);
        let known = place.and_then(|place| kept.lists.remove(place));
        let (_, cell) = known.unwrap_or_else(|| (list, Arc::default()));
        kept.lists.push_back((list, Arc::clone(&cell)));
        // Only what is told by a scan weighs; the newest stays, however much that is.
        let weight = |kept: &Kept| -> usize {
            kept.lists.iter().filter_map(|(_, known)| known.get()).map(Index::marks).sum()
        };
        while kept.lists.len() > limits::LISTS
            || (kept.lists.len() > 1 && weight(&kept) > limits::LIST_MARKS)
        {
            kept.lists.pop_front();
        }
        cell
    }

    async fn index<'k>(
        &self,
        known: &'k OnceCell<Index>,
        list: Digest,
    ) -> Result<&'k Index, Rejection> {
        known.get_or_try_init(|| self.scan(list)).await
    }

    /// Reads a list from its beginning to its end.
    async fn scan(&self, list: Digest) -> Result<Index, Rejection> {
        let found = self.blobs.get(list).await.map_err(unusable)?;
        let (_, mut pieces) = found.ok_or_else(|| missing(list))?;
        let mut scan = Scan::new(list);
        while let Some(piece) = pieces.try_next().await.map_err(unusable)? {
            scan.take(&piece)?;
            // A long list is read for seconds; others want the thread too.
            tokio::task::yield_now().await;
        }
        scan.finish()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing(list: Digest) -> Rejection {
    let detail = format!("the list {list} is not in the store: upload it first");
    Rejection::new(Code::NoSuchBlob, detail)
}

fn damaged(list: Digest) -> Rejection {
    let detail = format!("the list {list} is damaged on the server's disk: upload it again");
    Rejection::new(Code::DigestMismatch, detail)
}

fn unusable(error: BlobError) -> Rejection {
    Rejection::new(Code::StoreUnavailable, error.to_string())
}
