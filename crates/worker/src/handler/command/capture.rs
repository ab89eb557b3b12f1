//! A program's output: passed on in pieces while it comes, within a bound; beyond the bound only
//! the last of it is kept, and sent with a word about what was left out.

use std::io;

use gristmill_model::limits;
use gristmill_model::wire::Stream;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::core::Input;

/// What is known of the output once the program has ended.
#[derive(Debug, Default)]
pub(super) struct Captured {
    /// The beginning of standard output, without its last newline.
    pub(super) text: String,
    /// Whether standard output was longer than that.
    pub(super) cut: bool,
    /// The last line of standard error.
    pub(super) last_words: String,
}

impl Captured {
    pub(super) fn warnings(&self) -> Vec<String> {
        let bound = limits::TEXT_OUTPUT_BYTES;
        let cut = || format!("output cut: only its first {bound} bytes are kept as the result");
        self.cut.then(cut).into_iter().collect()
    }
}

/// Listens to a program.
pub(super) struct Capture<S> {
    channels: [Channel; 2],
    inputs: mpsc::Sender<Input>,
    say: S,
    /// Bytes that may still be passed on as they come.
    room: u64,
    flush_at: Option<Instant>,
}

/// One of the two streams.
struct Channel {
    stream: Stream,
    pipe: Option<Receiver>,
    /// Read and not yet passed on.
    pending: Vec<u8>,
    /// The first bytes; standard output becomes the result.
    head: Vec<u8>,
    /// The last bytes since there is no more room.
    tail: Vec<u8>,
    /// Bytes that fell out of the tail.
    dropped: u64,
    total: u64,
    last: Vec<u8>,
}

impl<S: Fn(Stream, Vec<u8>) -> Input> Capture<S> {
    pub(super) fn new(
        stdout: Option<Receiver>,
        stderr: Option<Receiver>,
        inputs: mpsc::Sender<Input>,
        say: S,
    ) -> Self {
        Capture {
            channels: [Channel::new(Stream::Stdout, stdout), Channel::new(Stream::Stderr, stderr)],
            inputs,
            say,
            room: limits::LOG_BYTES,
            flush_at: None,
        }
    }

    /// Listens while something else is awaited.
    pub(super) async fn during<T>(&mut self, other: impl Future<Output = T>) -> T {
        tokio::pin!(other);
        loop {
            tokio::select! {
                biased;
                value = &mut other => return value,
                () = self.step(), if self.is_busy() => {}
            }
        }
    }

    /// Listens to the end, if it comes soon after the program's; says whether it came.
    pub(super) async fn finish_soon(&mut self) -> bool {
        let finish = async {
            while self.is_open() {
                self.step().await;
            }
        };
        timeout(limits::OUTPUT_AFTER_EXIT.to_std(), finish).await.is_ok()
    }

    /// Passes on what is left.
    pub(super) async fn close(mut self) -> Captured {
        self.flush().await;
        for channel in &mut self.channels {
            let dropped = std::mem::take(&mut channel.dropped);
            let tail = std::mem::take(&mut channel.tail);
            if dropped > 0 {
                let line = format!("[{dropped} bytes of output left out here]\n").into_bytes();
                let _ = self.inputs.send((self.say)(Stream::Worker, line)).await;
            }
            if !tail.is_empty() {
                let _ = self.inputs.send((self.say)(channel.stream, tail)).await;
            }
        }
        let [out, err] = self.channels;
        let cut = out.total > out.head.len() as u64;
        Captured { text: text(out.head, cut), cut, last_words: last_line(&err.last) }
    }

    fn is_open(&self) -> bool {
        self.channels.iter().any(|channel| channel.pipe.is_some())
    }

    fn is_busy(&self) -> bool {
        self.is_open() || self.flush_at.is_some()
    }

    /// Takes in what is there, or passes on what has waited long enough. Safe to drop half-way.
    async fn step(&mut self) {
        let [out, err] = &self.channels;
        let flush_at = self.flush_at.unwrap_or_else(Instant::now);
        let index = tokio::select! {
            () = readable(&out.pipe) => 0,
            () = readable(&err.pipe) => 1,
            () = sleep_until(flush_at), if self.flush_at.is_some() => {
                return self.flush().await;
            }
        };
        self.channels[index].read(&mut self.room);
        let pending = |channel: &Channel| channel.pending.len();
        let longest = self.channels.iter().map(pending).max().unwrap_or_default();
        if longest >= limits::LOG_PIECE_BYTES {
            self.flush().await;
        } else if longest > 0 && self.flush_at.is_none() {
            self.flush_at = Some(Instant::now() + limits::LOG_PIECE_WAIT.to_std());
        }
    }

    /// Waits for room in the worker's inbox before it takes anything: dropped, it loses nothing.
    async fn flush(&mut self) {
        for channel in &mut self.channels {
            if !channel.pending.is_empty() {
                let permit = self.inputs.reserve().await;
                let bytes = std::mem::take(&mut channel.pending);
                // Without a listener the worker is leaving.
                if let Ok(permit) = permit {
                    permit.send((self.say)(channel.stream, bytes));
                }
            }
        }
        self.flush_at = None;
    }
}

impl Channel {
    fn new(stream: Stream, pipe: Option<Receiver>) -> Channel {
        Channel {
            stream,
            pipe,
            pending: Vec::new(),
            head: Vec::new(),
            tail: Vec::new(),
            dropped: 0,
            total: 0,
            last: Vec::new(),
        }
    }

    fn read(&mut self, room: &mut u64) {
        let Some(pipe) = &self.pipe else { return };
        let mut buffer = [0; limits::LOG_PIECE_BYTES];
        match pipe.try_read(&mut buffer) {
            Ok(0) => self.pipe = None,
            Ok(length) => self.take_in(&buffer[..length], room),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.pipe = None,
        }
    }

    fn take_in(&mut self, bytes: &[u8], room: &mut u64) {
        self.total += bytes.len() as u64;
        let wanted = limits::TEXT_OUTPUT_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(wanted)]);
        keep_last(&mut self.last, bytes, LAST_WORDS_BYTES);
        let passed = bytes.len().min(usize::try_from(*room).unwrap_or(usize::MAX));
        *room -= passed as u64;
        self.pending.extend_from_slice(&bytes[..passed]);
        self.dropped += keep_last(&mut self.tail, &bytes[passed..], TAIL_BYTES);
    }
}

/// How much of the end of standard error can become part of a failure's message.
const LAST_WORDS_BYTES: usize = limits::MESSAGE_BYTES / 2;

/// Each stream's share of the tail.
const TAIL_BYTES: usize = limits::LOG_TAIL_BYTES / 2;

/// Appends bytes and keeps only the last `most`; says how many fell out.
fn keep_last(kept: &mut Vec<u8>, bytes: &[u8], most: usize) -> u64 {
    let surplus = (kept.len() + bytes.len()).saturating_sub(most);
    kept.drain(..surplus.min(kept.len()));
    kept.extend_from_slice(&bytes[bytes.len().saturating_sub(most)..]);
    surplus as u64
}

async fn readable(pipe: &Option<Receiver>) {
    match pipe {
        // An error shows again when it is read.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}

/// Bytes as text, without the newline that ends them, or the half character where they were cut.
fn text(mut bytes: Vec<u8>, cut: bool) -> String {
    if let (true, Err(error)) = (cut, std::str::from_utf8(&bytes))
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    if !cut && bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end().lines().next_back().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_bytes_are_kept_and_the_rest_is_counted() {
        let mut kept = Vec::new();
        assert_eq!(keep_last(&mut kept, b"abc", 4), 0);
        assert_eq!(keep_last(&mut kept, b"def", 4), 2);
        assert_eq!(kept, b"cdef");
        assert_eq!(keep_last(&mut kept, b"0123456789", 4), 10);
        assert_eq!(kept, b"6789");
    }

    #[test]
    fn output_becomes_text_whatever_its_bytes() {
        assert_eq!(text(b"a\n\n".to_vec(), false), "a\n", "one newline is the line's own");
        assert_eq!(text("né".as_bytes()[..2].to_vec(), true), "n");
        assert_eq!(text(vec![b'a', 0xff, b'b'], false), "a\u{fffd}b");
        assert_eq!(last_line(b"one\ntwo\n\n"), "two");
        assert_eq!(last_line(b""), "");
    }
}
