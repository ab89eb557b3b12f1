//! One job's output as it is handed out: the bytes as they came, or line by line, as text or as
//! JSON that tells each line's stream.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use gristmill_model::api::{LogLine, LogStream};

use super::lines::{Lines, Origin, Wish, of_traceback};
use crate::logs::{Captured, Piece};

/// What is handed out, and how.
#[derive(Debug, Clone)]
pub(super) struct Printer {
    wish: Wish,
    form: Form,
}

/// See [`Printer`].
#[derive(Debug, Clone)]
enum Form {
    /// The bytes; whether the last of them ended a line.
    Bytes { whole: bool },
    /// The text of each line.
    Text(Lines),
    /// Lines of JSON.
    Json(Lines),
}

impl Printer {
    pub(super) fn new(as_json: bool, wish: Wish) -> Printer {
        let form = match (as_json, &wish.grep) {
            (true, _) => Form::Json(Lines::default()),
            (false, Some(_)) => Form::Text(Lines::default()),
            (false, None) => Form::Bytes { whole: true },
        };
        Printer { wish, form }
    }

    /// What an attempt printed.
    pub(super) fn print(&mut self, from: &Origin, captured: Captured) -> Vec<u8> {
        match &mut self.form {
            Form::Bytes { whole } => {
                let out = bytes(captured, &self.wish);
                *whole = out.last().map_or(*whole, |last| *last == b'\n');
                out
            }
            Form::Text(lines) => text(&lines.of(from, captured, &self.wish)),
            Form::Json(lines) => json(&lines.of(from, captured, &self.wish)),
        }
    }

    /// What is left when no more comes of an attempt, and where it failed.
    pub(super) fn finish(&mut self, from: &Origin, traceback: Option<&str>) -> Vec<u8> {
        let failed = traceback.map(|text| of_traceback(from, text, &self.wish)).unwrap_or_default();
        match &mut self.form {
            Form::Bytes { .. } if failed.is_empty() => Vec::new(),
            Form::Bytes { whole } => {
                let end = if std::mem::replace(whole, true) { "" } else { "\n" };
                let mut out = format!("{end}[traceback]\n").into_bytes();
                out.extend(text(&failed));
                out
            }
            Form::Text(lines) => text(&[lines.finish(from, &self.wish), failed].concat()),
            Form::Json(lines) => json(&[lines.finish(from, &self.wish), failed].concat()),
        }
    }

    pub(super) fn response(&self, body: Body) -> Response {
        match self.form {
            Form::Json(_) => response("application/x-ndjson", body),
            Form::Bytes { .. } | Form::Text(_) => response("text/plain; charset=utf-8", body),
        }
    }
}

/// Output is whatever a program printed: a browser must not take it for anything but text.
pub(super) fn response(kind: &'static str, body: Body) -> Response {
    ([(CONTENT_TYPE, kind), (X_CONTENT_TYPE_OPTIONS, "nosniff")], body).into_response()
}

/// Lines of JSON.
pub(super) fn json(lines: &[LogLine]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        // A line is made of words, which have a JSON form.
        out.extend(serde_json::to_vec(line).unwrap_or_default());
        out.push(b'\n');
    }
    out
}

fn text(lines: &[LogLine]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.text.as_bytes(), b"\n"].concat()).collect()
}

fn bytes(captured: Captured, wish: &Wish) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in captured.pieces {
        match piece {
            Piece::Said { stream, bytes, .. } if wish.takes(LogStream::from(stream)) => {
                out.extend(bytes);
            }
            Piece::Said { .. } => {}
            Piece::Skipped { bytes } => {
                out.extend(format!("\n[{bytes} bytes of output were not kept]\n").into_bytes());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use gristmill_model::wire::Stream;

    use super::super::lines::tests::{FROM, said};
    use super::*;

    fn printed(mut printer: Printer, traceback: Option<&str>) -> String {
        let pieces = vec![said(Stream::Stdout, b"one\ntwo"), said(Stream::Stderr, b" three")];
        let mut out = printer.print(&FROM, Captured { pieces, next: 0 });
        out.extend(printer.finish(&FROM, traceback));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bytes_are_told_as_they_came_and_a_traceback_apart() {
        let bytes = || Printer::new(false, Wish::default());
        assert_eq!(printed(bytes(), None), "one\ntwo three");
        assert_eq!(
            printed(bytes(), Some("at\nline 7")),
            "one\ntwo three\n[traceback]\nat\nline 7\n"
        );
        let out = Wish { stream: Some(LogStream::Stdout), grep: None };
        assert_eq!(printed(Printer::new(false, out), Some("at")), "one\ntwo");
    }

    #[test]
    fn what_is_sought_is_told_line_by_line() {
        let wish = Wish { stream: None, grep: Some("t".into()) };
        assert_eq!(printed(Printer::new(false, wish.clone()), Some("at\nx")), "two\n three\nat\n");
        let lines = printed(Printer::new(true, wish), None);
        let lines: Vec<LogLine> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[1].stream, &*lines[1].text), (Some(LogStream::Stderr), " three"));
    }
}
