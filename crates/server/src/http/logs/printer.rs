//! Output as it is handed out: the bytes as they came, or a line of JSON for each line that was
//! printed, which tells its stream.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use gristmill_model::AttemptId;
use gristmill_model::api::LogLine;
use gristmill_model::wire::Stream;

use crate::logs::{Captured, Piece};

/// A line without an end is handed out in pieces of this length.
const LONGEST: usize = 64 * 1024;

/// What is handed out, and how.
#[derive(Debug, Clone)]
pub(super) struct Printer {
    /// Only this stream.
    only: Option<Stream>,
    /// As JSON: what of each stream has no line's end yet.
    lines: Option<[Vec<u8>; STREAMS.len()]>,
}

const STREAMS: [Stream; 3] = [Stream::Stdout, Stream::Stderr, Stream::Worker];

impl Printer {
    pub(super) fn new(as_json: bool, only: Option<Stream>) -> Printer {
        Printer { only, lines: as_json.then(Default::default) }
    }

    /// What an attempt printed.
    pub(super) fn print(&mut self, attempt: AttemptId, captured: Captured) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in captured.pieces {
            match piece {
                Piece::Said { stream, bytes } if self.only.is_none_or(|only| only == stream) => {
                    self.said(attempt, stream, bytes, &mut out);
                }
                Piece::Said { .. } => {}
                Piece::Skipped { bytes } => {
                    let text = format!("[{bytes} bytes of output were not kept]");
                    match self.lines {
                        None => out.extend(format!("\n{text}\n").into_bytes()),
                        Some(_) => {
                            // What came before it will not be finished.
                            out.extend(self.finish(attempt));
                            write(&mut out, attempt, None, text.as_bytes());
                        }
                    }
                }
            }
        }
        out
    }

    fn said(&mut self, attempt: AttemptId, stream: Stream, bytes: Vec<u8>, out: &mut Vec<u8>) {
        let Some(begun) = &mut self.lines else { return out.extend(bytes) };
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = &mut begun[place(stream)];
            line.extend(piece);
            if line.ends_with(b"\n") {
                line.pop();
                write(out, attempt, Some(stream), line);
                line.clear();
            } else if line.len() >= LONGEST {
                write(out, attempt, Some(stream), line);
                line.clear();
            }
        }
    }

    /// What is left when no more comes of an attempt.
    pub(super) fn finish(&mut self, attempt: AttemptId) -> Vec<u8> {
        let mut out = Vec::new();
        for (stream, line) in STREAMS.into_iter().zip(self.lines.iter_mut().flatten()) {
            if !line.is_empty() {
                write(&mut out, attempt, Some(stream), line);
                line.clear();
            }
        }
        out
    }

    /// Output is whatever a program printed: a browser must not take it for anything but text.
    pub(super) fn response(&self, body: Body) -> Response {
        let kind = match self.lines {
            Some(_) => "application/x-ndjson",
            None => "text/plain; charset=utf-8",
        };
        ([(CONTENT_TYPE, kind), (X_CONTENT_TYPE_OPTIONS, "nosniff")], body).into_response()
    }
}

fn place(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
        Stream::Worker => 2,
    }
}

fn write(out: &mut Vec<u8>, attempt: AttemptId, stream: Option<Stream>, text: &[u8]) {
    let text = String::from_utf8_lossy(text).into_owned();
    // A line is made of words, which have a JSON form.
    out.extend(serde_json::to_vec(&LogLine { attempt, stream, text }).unwrap_or_default());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stream: Stream, text: &str) -> Piece {
        Piece::Said { stream, bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn lines_are_told_with_their_stream_and_letters_stay_whole() {
        let mut printer = Printer::new(true, None);
        let (first, last) = "é\n".as_bytes().split_at(1);
        let pieces = vec![
            said(Stream::Stdout, "one\nt"),
            Piece::Said { stream: Stream::Stderr, bytes: first.to_vec() },
            said(Stream::Stdout, "wo\n"),
            Piece::Said { stream: Stream::Stderr, bytes: last.to_vec() },
            said(Stream::Stdout, "cut off"),
            Piece::Skipped { bytes: 7 },
            said(Stream::Worker, "no end"),
        ];
        let mut out = printer.print(AttemptId(3), Captured { pieces, next: 0 });
        out.extend(printer.finish(AttemptId(3)));
        assert!(printer.finish(AttemptId(3)).is_empty());
        let lines = String::from_utf8(out).unwrap();
        let lines: Vec<LogLine> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told: Vec<_> = lines.iter().map(|line| (line.stream, &*line.text)).collect();
        assert_eq!(
            told,
            [
                (Some(Stream::Stdout), "one"),
                (Some(Stream::Stdout), "two"),
                (Some(Stream::Stderr), "é"),
                (Some(Stream::Stdout), "cut off"),
                (None, "[7 bytes of output were not kept]"),
                (Some(Stream::Worker), "no end"),
            ]
        );
    }

    #[test]
    fn a_line_without_an_end_is_handed_out_in_pieces() {
        let mut printer = Printer::new(true, Some(Stream::Stdout));
        let long = "x".repeat(LONGEST);
        let pieces = vec![said(Stream::Stdout, &long), said(Stream::Stderr, "other\n")];
        let out = printer.print(AttemptId(1), Captured { pieces, next: 0 });
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(printer.lines.unwrap().iter().all(Vec::is_empty));
    }
}
