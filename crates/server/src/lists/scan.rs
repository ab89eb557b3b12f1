//! One pass over a list: counts its lines, judges each, and notes where some of them begin.

use std::ops::Range;
use std::str;

use gristmill_model::digest::Digest;
use gristmill_model::limits;
use gristmill_model::problem::{Code, Rejection};

use super::damaged;

/// Where some of a list's lines begin.
#[derive(Debug)]
pub(super) struct Index {
    /// A line and the place of its first byte, in order; the first line first.
    marks: Vec<(u64, u64)>,
    lines: u64,
    bytes: u64,
}

/// A part of a list that one read gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its first line.
    pub(super) first: u64,
    /// Its bytes, whole lines.
    pub(super) bytes: Range<u64>,
}

impl Index {
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// How many places are noted.
    pub(super) fn marks(&self) -> usize {
        self.marks.len()
    }

    /// The part in which a line lies.
    pub(super) fn part(&self, line: u64) -> Option<Part> {
        if line >= self.lines {
            return None;
        }
        let next = self.marks.partition_point(|(first, _)| *first <= line);
        let (first, start) = *self.marks.get(next.checked_sub(1)?)?;
        let end = self.marks.get(next).map_or(self.bytes, |(_, start)| *start);
        Some(Part { first, bytes: start..end })
    }
}

/// A pass that is not over.
pub(super) struct Scan {
    list: Digest,
    hasher: blake3::Hasher,
    index: Index,
    /// The line that is not at its end yet.
    line: Vec<u8>,
}

impl Scan {
    pub(super) fn new(list: Digest) -> Scan {
        let index = Index { marks: Vec::new(), lines: 0, bytes: 0 };
        Scan { list, hasher: blake3::Hasher::new(), index, line: Vec::new() }
    }

    /// Takes in the next bytes.
    ///
    /// # Errors
    /// A line is too long or no text.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<(), Rejection> {
        self.hasher.update(piece);
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end_line()?;
            } else {
                self.check_length()?;
            }
        }
        Ok(())
    }

    /// All bytes were taken in.
    ///
    /// # Errors
    /// The last line is too long or no text, there are too many lines, or the bytes are not those
    /// that the digest names.
    pub(super) fn finish(mut self) -> Result<Index, Rejection> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        if *self.hasher.finalize().as_bytes() != self.list.0 {
            return Err(damaged(self.list));
        }
        self.index.marks.shrink_to_fit();
        Ok(self.index)
    }

    fn end_line(&mut self) -> Result<(), Rejection> {
        self.check_length()?;
        let index = &mut self.index;
        if let Err(why) = str::from_utf8(&self.line) {
            let (line, list, place) = (index.lines + 1, self.list, why.valid_up_to() + 1);
            let detail = format!("line {line} of the list {list}: byte {place} is not UTF-8");
            return Err(Rejection::new(Code::InvalidRequest, detail));
        }
        if index.lines == limits::RANGE_ITEMS {
            let (list, most) = (self.list, limits::RANGE_ITEMS);
            let detail = format!("the list {list} has more than {most} lines: split it");
            return Err(Rejection::new(Code::TooLarge, detail));
        }
        let far = index.marks.last().is_none_or(|(line, start)| {
            index.lines - line >= limits::LIST_PART_LINES
                || index.bytes - start >= limits::LIST_PART_BYTES
        });
        if far {
            index.marks.push((index.lines, index.bytes));
        }
        index.lines += 1;
        index.bytes += self.line.len() as u64;
        self.line.clear();
        Ok(())
    }

    fn check_length(&self) -> Result<(), Rejection> {
        // Beside its text a line may have its end: a carriage return and a line feed.
        let text = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.len() <= limits::LINE_BYTES {
            return Ok(());
        }
        let (line, list, most) = (self.index.lines + 1, self.list, limits::LINE_BYTES);
        let detail = format!("line {line} of the list {list} has more than {most} bytes");
        Err(Rejection::new(Code::TooLarge, detail))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index as Place;

    use super::super::window::Window;
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_line_is_found_wherever_the_pieces_are_cut(
            lines in vec("[a-zé]{0,4}\r?", 0..4 * limits::LIST_PART_LINES as usize),
            long in proptest::option::of((any::<Place>(), 0..=limits::LINE_BYTES)),
            ends in any::<bool>(),
            cut in 1..9_000_usize,
            asked in vec(any::<Place>(), 1..20),
        ) {
            let mut lines = lines;
            if let Some((place, length)) = long.filter(|_| !lines.is_empty()) {
                *place.get_mut(&mut lines) = "x".repeat(length);
            }
            let mut text = lines.join("\n");
            if ends && !lines.is_empty() {
                text.push('\n');
            }
            let expected: Vec<&str> =
                text.split_inclusive('\n').map(|line| line.trim_end_matches('\n')).collect();
            let mut scan = Scan::new(Digest(*blake3::hash(text.as_bytes()).as_bytes()));
            for piece in text.as_bytes().chunks(cut) {
                scan.take(piece).unwrap();
            }
            let index = scan.finish().unwrap();
            prop_assert_eq!(index.lines(), expected.len() as u64);
            prop_assert_eq!(index.part(index.lines()), None);
            for place in asked.into_iter().filter(|_| !expected.is_empty()) {
                let number = place.index(expected.len());
                let part = index.part(number as u64).unwrap();
                let most = limits::LIST_PART_BYTES + limits::LINE_BYTES as u64 + 2;
                prop_assert!(part.bytes.end - part.bytes.start <= most);
                let bytes = &text.as_bytes()[part.bytes.start as usize..part.bytes.end as usize];
                let window = Window::of(part.first, bytes).unwrap();
                let line = expected[number];
                let line = line.strip_suffix('\r').unwrap_or(line);
                prop_assert_eq!(window.line(number as u64), Some(line));
            }
        }
    }
}
