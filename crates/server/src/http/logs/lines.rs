//! From pieces of output to lines, each with whose it is. A line is told when its end has come; one
//! that is too long is told in pieces.

use gristmill_model::api::{LogLine, LogStream};
use gristmill_model::attempt::Failure;
use gristmill_model::limits;
use gristmill_model::wire::Stream;
use gristmill_model::{AttemptId, BatchId, JobId, Time, WorkerId};

use crate::logs::{Captured, Piece};

/// Whose output it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) job: JobId,
    pub(super) batch: BatchId,
    pub(super) index: u64,
    pub(super) attempt: AttemptId,
    pub(super) worker: WorkerId,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Wish {
    /// Only this stream.
    pub(super) stream: Option<LogStream>,
    /// Only lines with this text in them.
    pub(super) grep: Option<String>,
}

impl Wish {
    pub(super) fn takes(&self, stream: LogStream) -> bool {
        self.stream.is_none_or(|only| only == stream)
    }

    fn finds(&self, text: &str) -> bool {
        self.grep.as_deref().is_none_or(|sought| text.contains(sought))
    }
}

const STREAMS: [Stream; 3] = [Stream::Stdout, Stream::Stderr, Stream::Worker];

/// What of each stream of an attempt has no line's end yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    begun: [Begun; STREAMS.len()],
}

/// A line that has no end yet, and when the last of it came.
#[derive(Debug, Clone, Default)]
struct Begun {
    bytes: Vec<u8>,
    at: Option<Time>,
}

impl Lines {
    /// Bytes that wait for a line's end.
    pub(super) fn held(&self) -> usize {
        self.begun.iter().map(|begun| begun.bytes.len()).sum()
    }

    /// The lines that have come to their ends.
    pub(super) fn of(&mut self, from: &Origin, captured: Captured, wish: &Wish) -> Vec<LogLine> {
        let mut lines = Vec::new();
        for piece in captured.pieces {
            match piece {
                Piece::Said { stream, bytes, at } if wish.takes(stream.into()) => {
                    self.said(from, stream, &bytes, at, &mut lines);
                }
                Piece::Said { .. } => {}
                Piece::Skipped { bytes } => {
                    // What came before it will not be finished.
                    lines.extend(self.rest(from));
                    let text = format!("[{bytes} bytes of output were not kept]");
                    lines.push(remark(from, &text));
                }
            }
        }
        // What was not kept may have held what is sought.
        lines.retain(|line| line.stream.is_none() || wish.finds(&line.text));
        lines
    }

    fn said(
        &mut self,
        from: &Origin,
        stream: Stream,
        bytes: &[u8],
        at: Option<Time>,
        lines: &mut Vec<LogLine>,
    ) {
        let begun = &mut self.begun[place(stream)];
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.bytes.extend(piece);
            begun.at = at;
            let ends = begun.bytes.ends_with(b"\n");
            if ends || begun.bytes.len() >= limits::LOG_LINE_BYTES {
                begun.bytes.truncate(begun.bytes.len() - usize::from(ends));
                lines.push(begun.take(from, stream));
            }
        }
    }

    /// What is left when no more comes of an attempt.
    pub(super) fn finish(&mut self, from: &Origin, wish: &Wish) -> Vec<LogLine> {
        let mut lines = self.rest(from);
        lines.retain(|line| wish.finds(&line.text));
        lines
    }

    fn rest(&mut self, from: &Origin) -> Vec<LogLine> {
        let begun = STREAMS.into_iter().zip(&mut self.begun);
        let begun = begun.filter(|(_, begun)| !begun.bytes.is_empty());
        begun.map(|(stream, begun)| begun.take(from, stream)).collect()
    }
}

impl Begun {
    fn take(&mut self, from: &Origin, stream: Stream) -> LogLine {
        let told = line(from, Some(stream.into()), self.at, lossy(&self.bytes));
        self.bytes.clear();
        told
    }
}

/// The lines of a traceback.
pub(super) fn of_traceback(from: &Origin, text: &str, wish: &Wish) -> Vec<LogLine> {
    if !wish.takes(LogStream::Traceback) {
        return Vec::new();
    }
    let lines = text.lines().filter(|text| wish.finds(text));
    lines.map(|text| line(from, Some(LogStream::Traceback), None, text.to_owned())).collect()
}

/// Where an attempt failed, unless it has printed that itself. `captured` is all that was kept.
pub(super) fn traceback<'f>(failure: Option<&'f Failure>, captured: &Captured) -> Option<&'f str> {
    let text = failure?.traceback.as_deref()?.trim_end();
    let printed = STREAMS.into_iter().any(|of| {
        let mut all = Vec::new();
        for piece in &captured.pieces {
            match piece {
                Piece::Said { stream, bytes, .. } if *stream == of => all.extend(bytes),
                _ => {}
            }
        }
        lossy(&all).contains(text.trim())
    });
    (!printed).then_some(text)
}

/// Something that the server says of an attempt's output.
pub(super) fn remark(from: &Origin, text: &str) -> LogLine {
    line(from, None, None, text.to_owned())
}

fn line(from: &Origin, stream: Option<LogStream>, at: Option<Time>, text: String) -> LogLine {
    let Origin { job, batch, index, attempt, worker } = *from;
    LogLine { job, batch, index, attempt, worker, stream, at, text }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn place(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
        Stream::Worker => 2,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use gristmill_model::attempt::FailureKind;

    use super::*;

    pub(in crate::http::logs) const FROM: Origin = Origin {
        job: JobId(17),
        batch: BatchId(3),
        index: 2,
        attempt: AttemptId(21),
        worker: WorkerId(1),
    };

    pub(in crate::http::logs) fn said(stream: Stream, bytes: &[u8]) -> Piece {
        Piece::Said { stream, bytes: bytes.to_vec(), at: Some(Time(5)) }
    }

    fn captured(pieces: Vec<Piece>) -> Captured {
        Captured { pieces, next: 0 }
    }

    #[test]
    fn lines_are_told_with_their_stream_and_letters_stay_whole() {
        let (first, last) = "é\n".as_bytes().split_at(1);
        let pieces = vec![
            said(Stream::Stdout, b"one\nt"),
            said(Stream::Stderr, first),
            said(Stream::Stdout, b"wo\n"),
            said(Stream::Stderr, last),
            said(Stream::Stdout, b"cut off"),
            Piece::Skipped { bytes: 7 },
            said(Stream::Worker, b"no end"),
        ];
        let (mut lines, wish) = (Lines::default(), Wish::default());
        let mut told = lines.of(&FROM, captured(pieces), &wish);
        assert_eq!(lines.held(), 6);
        told.extend(lines.finish(&FROM, &wish));
        assert!(lines.finish(&FROM, &wish).is_empty());
        let shown: Vec<_> = told.iter().map(|line| (line.stream, &*line.text)).collect();
        assert_eq!(
            shown,
            [
                (Some(LogStream::Stdout), "one"),
                (Some(LogStream::Stdout), "two"),
                (Some(LogStream::Stderr), "é"),
                (Some(LogStream::Stdout), "cut off"),
                (None, "[7 bytes of output were not kept]"),
                (Some(LogStream::Worker), "no end"),
            ]
        );
        assert_eq!((told[0].job, told[0].index, told[0].at), (FROM.job, 2, Some(Time(5))));
    }

    #[test]
    fn a_line_without_an_end_is_told_in_pieces() {
        let long = vec![b'x'; limits::LOG_LINE_BYTES];
        let pieces = vec![said(Stream::Stdout, &long), said(Stream::Stderr, b"other\n")];
        let mut lines = Lines::default();
        let wish = Wish { stream: Some(LogStream::Stdout), grep: None };
        let told = lines.of(&FROM, captured(pieces), &wish);
        assert_eq!((told.len(), lines.held()), (1, 0));
    }

    #[test]
    fn only_what_is_sought_is_told_and_what_was_not_kept() {
        let pieces = vec![
            said(Stream::Stdout, b"loss 3\nstep\nloss 2\n"),
            Piece::Skipped { bytes: 9 },
            said(Stream::Stdout, b"the end"),
        ];
        let wish = Wish { stream: None, grep: Some("loss".into()) };
        let mut lines = Lines::default();
        let told = lines.of(&FROM, captured(pieces), &wish);
        let told: Vec<&str> = told.iter().map(|line| &*line.text).collect();
        assert_eq!(told, ["loss 3", "loss 2", "[9 bytes of output were not kept]"]);
        assert!(lines.finish(&FROM, &wish).is_empty());
    }

    #[test]
    fn a_traceback_is_told_where_it_was_not_printed() {
        let text = "Traceback:\n  app.py, line 7\nValueError: no\n".to_owned();
        let failure = Failure {
            traceback: Some(text.clone()),
            ..Failure::new(FailureKind::Failed, "ValueError", "no".to_owned())
        };
        let silent = captured(vec![said(Stream::Stdout, b"begun\n")]);
        assert_eq!(traceback(Some(&failure), &silent), Some(text.trim_end()));
        assert_eq!(traceback(None, &silent), None);
        // In two pieces, with words of another stream between them.
        let (first, last) = text.as_bytes().split_at(9);
        let printed = vec![
            said(Stream::Stderr, first),
            said(Stream::Stdout, b"x\n"),
            said(Stream::Stderr, last),
        ];
        assert_eq!(traceback(Some(&failure), &captured(printed)), None);
        let told = of_traceback(&FROM, text.trim_end(), &Wish::default());
        assert_eq!((told.len(), told[2].stream), (3, Some(LogStream::Traceback)));
        let out = Wish { stream: Some(LogStream::Stdout), grep: None };
        assert!(of_traceback(&FROM, &text, &out).is_empty());
    }
}
