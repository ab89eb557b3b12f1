//! A submission as it travels: NDJSON, the batch first, then its jobs as they are read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use gristmill_model::api::BatchRequest;
use serde::Serialize;
use tokio::sync::mpsc;

use super::inputs::{Input, Inputs};
use super::jobs::Plan;
use crate::error::{Error, Result};

/// Files looked at or sent at once.
const AHEAD: usize = 8;
/// Jobs that travel in one piece of the body.
const PER_PIECE: usize = 256;

/// Whoever writes our inputs may take their time: a blank line, which counts for nothing, tells the
/// server this often that we are still there.
const STILL_HERE: Duration = Duration::from_secs(10);

/// The first thing that went wrong while the body was made.
#[derive(Clone, Default)]
pub struct Failed(Arc<Mutex<Option<Error>>>);

impl Failed {
    pub fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, error: &Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
    }
}

/// The body, piece by piece; without a head it is added to a batch that is there. An error cuts
/// it off, and the server cancels what it has taken in of a new batch.
pub fn stream(
    head: Option<&BatchRequest>,
    plan: Plan,
    inputs: Inputs,
    failed: Failed,
) -> Result<impl Stream<Item = Result<Vec<u8>>> + Send + 'static> {
    let first = head.map(line).transpose()?;
    let plan = Arc::new(plan);
    let jobs = stream::iter(0..).zip(ahead(inputs)).map(move |(index, input)| {
        let plan = Arc::clone(&plan);
        async move { line(&plan.job(index, input?).await?) }
    });
    let pieces = jobs.buffered(AHEAD).ready_chunks(PER_PIECE).map(move |lines| {
        let piece: Result<Vec<Vec<u8>>> = lines.into_iter().collect();
        piece.inspect_err(|error| failed.set(error)).map(|lines| lines.concat())
    });
    Ok(still_here(stream::iter(first.map(Ok)).chain(pieces)))
}

/// Reads on a thread of its own, a little ahead, where a terminal or a pipe may keep it waiting for
/// ever.
fn ahead(inputs: Inputs) -> impl Stream<Item = Result<Input>> + Send {
    if inputs.at_hand {
        return stream::iter(inputs).left_stream();
    }
    let (reads, read) = mpsc::channel(PER_PIECE);
    std::thread::spawn(move || {
        for input in inputs {
            if reads.blocking_send(input).is_err() {
                return;
            }
        }
    });
    stream::unfold(read, |mut read| async { Some((read.recv().await?, read)) }).right_stream()
}

/// The same pieces, with blank lines while none comes.
fn still_here(
    pieces: impl Stream<Item = Result<Vec<u8>>> + Send + 'static,
) -> impl Stream<Item = Result<Vec<u8>>> + Send + 'static {
    stream::unfold(Box::pin(pieces), |mut pieces| async {
        match tokio::time::timeout(STILL_HERE, pieces.next()).await {
            Ok(piece) => Some((piece?, pieces)),
            Err(_) => Some((Ok(b"\n".to_vec()), pieces)),
        }
    })
}

fn line(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)
        .map_err(|error| Error::internal(format!("cannot write JSON: {error}")))?;
    line.push(b'\n');
    Ok(line)
}
