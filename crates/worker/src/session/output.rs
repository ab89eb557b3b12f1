//! What a host prints: passed on to the logs of the attempts that it works on, or kept for whoever
//! asks why it would not load.

use std::collections::VecDeque;
use std::io;

use gristmill_model::limits;
use gristmill_model::wire::Stream;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, timeout_at};

/// The most that one pipe holds, unless it was made larger (pipe(7), "Pipe capacity").
const PIPE_BYTES: usize = 64 * 1024;

/// Both streams of a process, piece by piece.
#[derive(Debug)]
pub(super) struct Output {
    stdout: Option<Receiver>,
    stderr: Option<Receiver>,
    /// The last bytes that nobody's log has taken.
    tail: VecDeque<u8>,
}

impl Output {
    pub(super) fn new(stdout: Option<Receiver>, stderr: Option<Receiver>) -> Output {
        Output { stdout, stderr, tail: VecDeque::new() }
    }

    /// The next piece; never comes once both streams have closed. Nothing is lost where this is
    /// given up in between.
    pub(super) async fn next(&mut self) -> (Stream, Vec<u8>) {
        loop {
            if let Some(piece) = self.take() {
                return piece;
            }
            tokio::select! {
                () = readable(self.stdout.as_ref()) => {}
                () = readable(self.stderr.as_ref()) => {}
            }
        }
    }

    /// What is there already, without waiting: a host flushes before it says that an item has
    /// ended, so what the item printed is here by then. No more than fits into both pipes, so that
    /// one who prints without end holds nothing up.
    pub(super) fn printed(&mut self) -> Vec<(Stream, Vec<u8>)> {
        std::iter::from_fn(|| self.take()).take(2 * PIPE_BYTES / limits::LOG_PIECE_BYTES).collect()
    }

    fn take(&mut self) -> Option<(Stream, Vec<u8>)> {
        let out = read(&mut self.stdout).map(|bytes| (Stream::Stdout, bytes));
        out.or_else(|| read(&mut self.stderr).map(|bytes| (Stream::Stderr, bytes)))
    }

    /// Keeps a piece for [`Output::last_words`], and shows it in the worker's own log.
    pub(super) fn keep(&mut self, session: &str, bytes: &[u8]) {
        for line in String::from_utf8_lossy(bytes).lines().filter(|line| !line.is_empty()) {
            tracing::info!(session, "{line}");
        }
        self.tail.extend(bytes);
        let over = self.tail.len().saturating_sub(limits::TRACEBACK_BYTES);
        self.tail.drain(..over);
    }

    /// The last that was printed and kept, where anything was. Waits a moment for what a process
    /// that ends leaves in its pipes.
    pub(super) async fn last_words(&mut self, session: &str) -> Option<String> {
        let until = Instant::now() + limits::OUTPUT_AFTER_EXIT.to_std();
        while self.stdout.is_some() || self.stderr.is_some() {
            match timeout_at(until, self.next_or_end()).await {
                Ok(Some((_, bytes))) => self.keep(session, &bytes),
                Ok(None) => {}
                Err(_) => break,
            }
        }
        let text = String::from_utf8_lossy(self.tail.make_contiguous()).trim_end().to_owned();
        Some(text).filter(|text| !text.is_empty())
    }

    /// The next piece, or that a stream has closed.
    async fn next_or_end(&mut self) -> Option<(Stream, Vec<u8>)> {
        tokio::select! {
            () = readable(self.stdout.as_ref()) => {}
            () = readable(self.stderr.as_ref()) => {}
        }
        self.take()
    }
}

async fn readable(pipe: Option<&Receiver>) {
    match pipe {
        // Where it is broken, reading says so too.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}

/// Reads what is there; lets go of a pipe that has closed.
fn read(pipe: &mut Option<Receiver>) -> Option<Vec<u8>> {
    let mut bytes = vec![0; limits::LOG_PIECE_BYTES];
    let open = pipe.as_ref()?;
    // tokio reads only what it has heard of; what came since is in the pipe all the same.
    let got = open.try_read(&mut bytes).or_else(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Ok(rustix::io::read(open, &mut bytes)?),
        _ => Err(error),
    });
    match got {
        Ok(0) => *pipe = None,
        Ok(count) => {
            bytes.truncate(count);
            return Some(bytes);
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(_) => *pipe = None,
    }
    None
}
