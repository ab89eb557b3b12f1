//! Lines of a body as they come, each within its bound. Empty lines are passed over but counted, so
//! that an error names the line that an editor shows.

use axum::body::{Body, Bytes};
use bytes::{Buf, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use gristmill_model::limits;
use gristmill_model::problem::Code;

use super::body;
use super::problem::{Answer, Refusal};

/// The lines of a body.
pub(super) struct Lines {
    pieces: BoxStream<'static, Answer<Bytes>>,
    buffer: BytesMut,
    /// Up to where the buffer is known to hold no end of a line.
    searched: usize,
    number: u64,
}

impl Lines {
    pub(super) fn of(body: Body) -> Lines {
        let pieces = body::pieces(body).boxed();
        Lines { pieces, buffer: BytesMut::new(), searched: 0, number: 0 }
    }

    /// The next line that is not empty, with its number from 1 on.
    pub(super) async fn next(&mut self) -> Answer<Option<(u64, Bytes)>> {
        loop {
            if let Some(line) = self.line()? {
                if !line.trim_ascii().is_empty() {
                    return Ok(Some((self.number, line)));
                }
                continue;
            }
            match self.pieces.next().await {
                Some(piece) => self.buffer.extend_from_slice(&piece?),
                None if self.buffer.is_empty() => return Ok(None),
                // A last line without its end.
                None => self.buffer.extend_from_slice(b"\n"),
            }
        }
    }

    /// Reads to the end without looking, so that the client can hear an answer that came early.
    pub(super) async fn drain(&mut self) {
        self.buffer.clear();
        while let Some(Ok(_)) = self.pieces.next().await {}
    }

    fn line(&mut self) -> Answer<Option<Bytes>> {
        let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
        let length = self.searched + end.unwrap_or(self.buffer.len() - self.searched);
        if length > limits::LINE_BYTES {
            let detail = format!(
                "line {} has more than {} bytes: send what is large as a blob",
                self.number + 1,
                limits::LINE_BYTES
            );
            return Err(Refusal::new(Code::TooLarge, detail));
        }
        if end.is_none() {
            self.searched = length;
            return Ok(None);
        }
        let line = self.buffer.split_to(length).freeze();
        self.buffer.advance(1);
        self.searched = 0;
        self.number += 1;
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn lines_are_found_wherever_the_pieces_are_cut() {
        let text = b"one\n\n two \r\nthree";
        for cut in 1..text.len() {
            let pieces: Vec<_> =
                text.chunks(cut).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
            let mut lines = Lines::of(Body::from_stream(futures::stream::iter(pieces)));
            let mut found = Vec::new();
            while let Some((number, line)) = lines.next().await.unwrap() {
                found.push((number, String::from_utf8(line.to_vec()).unwrap()));
            }
            let expected = [(1, "one"), (3, " two \r"), (4, "three")];
            assert_eq!(found, expected.map(|(number, line)| (number, line.to_owned())), "{cut}");
        }
    }

    #[tokio::test]
    async fn a_line_beyond_the_bound_is_named() {
        let mut lines = Lines::of(Body::from(format!("x\n{}", "y".repeat(limits::LINE_BYTES + 1))));
        assert!(lines.next().await.unwrap().is_some());
        let refusal = lines.next().await.unwrap_err();
        assert_eq!(refusal.rejection().code, Code::TooLarge);
        assert!(refusal.rejection().detail.starts_with("line 2 "));
    }

    proptest! {
        #[test]
        fn any_lines_are_those_that_an_editor_shows(
            text in "[ab \t\r\n]{0,60}",
            cuts in vec(1..9_usize, 1..30),
        ) {
            let (mut pieces, mut rest) = (Vec::new(), text.as_bytes());
            for cut in cuts.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, more) = rest.split_at(cut.min(rest.len()));
                pieces.push(Ok::<_, std::io::Error>(piece.to_vec()));
                rest = more;
            }
            let mut lines = Lines::of(Body::from_stream(futures::stream::iter(pieces)));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let found = runtime.unwrap().block_on(async {
                let mut found = Vec::new();
                while let Some(line) = lines.next().await.unwrap() {
                    found.push(line);
                }
                found
            });
            let shown = (1..).zip(text.split('\n').map(|line| Bytes::from(line.to_owned())));
            let expected = shown.filter(|(_, line)| !line.trim_ascii().is_empty());
            prop_assert_eq!(found, expected.collect::<Vec<_>>());
        }
    }
}
