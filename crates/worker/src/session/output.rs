//! What a host prints: passed on to the logs of the attempts that it works on, or kept for whoever
//! asks why it would not load.

use std::collections::VecDeque;

use gristmill_model::limits;
use gristmill_model::wire::Stream;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;

/// Pieces that wait to be looked at; beyond it the host's own writes wait.
const PIECES: usize = 16;

/// Both streams of a process, piece by piece.
#[derive(Debug)]
pub(super) struct Output {
    pieces: mpsc::Receiver<(Stream, Vec<u8>)>,
    /// The last bytes that nobody's log has taken.
    tail: VecDeque<u8>,
}

impl Output {
    pub(super) fn new(stdout: Option<Receiver>, stderr: Option<Receiver>) -> Output {
        let (sender, pieces) = mpsc::channel(PIECES);
        for (stream, pipe) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
            if let Some(pipe) = pipe {
                tokio::spawn(listen(stream, pipe, sender.clone()));
            }
        }
        Output { pieces, tail: VecDeque::new() }
    }

    /// The next piece; never comes once both streams have closed.
    pub(super) async fn next(&mut self) -> (Stream, Vec<u8>) {
        match self.pieces.recv().await {
            Some(piece) => piece,
            None => std::future::pending().await,
        }
    }

    /// What is there already, without waiting.
    pub(super) fn take_waiting(&mut self) -> Vec<(Stream, Vec<u8>)> {
        std::iter::from_fn(|| self.pieces.try_recv().ok()).collect()
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
    /// that has ended left in its pipes.
    pub(super) async fn last_words(&mut self, session: &str) -> Option<String> {
        let rest = async {
            while let Some((_, bytes)) = self.pieces.recv().await {
                self.tail.extend(&bytes);
            }
        };
        let _ = tokio::time::timeout(limits::OUTPUT_AFTER_EXIT.to_std(), rest).await;
        self.keep(session, &[]);
        let text = String::from_utf8_lossy(self.tail.make_contiguous()).trim_end().to_owned();
        Some(text).filter(|text| !text.is_empty())
    }
}

async fn listen(stream: Stream, mut pipe: Receiver, sender: mpsc::Sender<(Stream, Vec<u8>)>) {
    loop {
        let mut bytes = Vec::with_capacity(limits::LOG_PIECE_BYTES);
        match pipe.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                if sender.send((stream, bytes)).await.is_err() {
                    return;
                }
            }
        }
    }
}
