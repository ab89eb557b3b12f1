//! Brace patterns: bash's reading of groups, and any item from its index.
//!
//! Reading follows bash's own braces.c (5.2), whose verdict on lopsided braces nobody would guess;
//! `tests/brace.rs` holds the two against each other. What a pattern means stands with
//! [`Source::Brace`](super::Source::Brace).

use std::ops::Range;

use super::{invalid, too_many};
use crate::limits;
use crate::problem::Rejection;

/// A pattern, or an element of a list: parts in a row, the last of which goes fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    parts: Vec<Part>,
    count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    List { words: Vec<Word>, count: u64 },
    Sequence(Sequence),
}

/// Numbers or letters in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sequence {
    first: i64,
    /// Wider than a number, for a step may be as long as all numbers together.
    step: i128,
    count: u64,
    write: Write,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    Letter,
    /// With zeros in front up to a width, which a minus is part of.
    Number {
        width: usize,
    },
}

impl Word {
    pub(super) fn parse(pattern: &str) -> Result<Word, Rejection> {
        if pattern.is_empty() {
            return Err(invalid("the pattern is empty; write one like img-{001..250}.png".into()));
        }
        if pattern.len() > limits::PATH_BYTES {
            return Err(invalid(format!(
                "the pattern has {} bytes, at most {} are read; store the items as a list",
                pattern.len(),
                limits::PATH_BYTES
            )));
        }
        Reader { pattern }.word(0..pattern.len(), 0)
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The item with an index below the count.
    pub(super) fn item(&self, index: u64) -> String {
        let mut text = String::new();
        self.write(index, &mut text);
        text
    }

    /// Whether some item begins with a slash, without making up the items.
    pub(super) fn has_absolute(&self) -> bool {
        for part in &self.parts {
            if part.has_absolute() {
                return true;
            }
            if !part.may_be_empty() {
                return false;
            }
        }
        false
    }

    fn may_be_empty(&self) -> bool {
        self.parts.iter().all(Part::may_be_empty)
    }

    fn write(&self, mut index: u64, out: &mut String) {
        let mut rest = self.count;
        for part in &self.parts {
            rest /= part.count();
            part.write(index / rest, out);
            index %= rest;
        }
    }
}

impl Part {
    fn count(&self) -> u64 {
        match self {
            Part::Text(_) => 1,
            Part::List { count, .. } => *count,
            Part::Sequence(sequence) => sequence.count,
        }
    }

    fn has_absolute(&self) -> bool {
        match self {
            Part::Text(text) => text.starts_with('/'),
            Part::List { words, .. } => words.iter().any(Word::has_absolute),
            Part::Sequence(_) => false,
        }
    }

    fn may_be_empty(&self) -> bool {
        match self {
            Part::Text(text) => text.is_empty(),
            Part::List { words, .. } => words.iter().any(Word::may_be_empty),
            Part::Sequence(_) => false,
        }
    }

    fn write(&self, mut index: u64, out: &mut String) {
        match self {
            Part::Text(text) => out.push_str(text),
            Part::List { words, .. } => {
                for word in words {
                    if index < word.count {
                        return word.write(index, out);
                    }
                    index -= word.count;
                }
            }
            Part::Sequence(sequence) => sequence.write(index, out),
        }
    }
}

impl Sequence {
    fn write(&self, index: u64, out: &mut String) {
        let value = i128::from(self.first) + self.step * i128::from(index);
        match self.write {
            Write::Letter => out.push(char::from(value as u8)),
            Write::Number { width } => out.push_str(&format!("{value:0width$}")),
        }
    }
}

/// Reads spans of a pattern. Every character that means something is ASCII, so bytes will do.
struct Reader<'a> {
    pattern: &'a str,
}

impl Reader<'_> {
    fn word(&self, span: Range<usize>, depth: usize) -> Result<Word, Rejection> {
        let mut word = Word { parts: Vec::new(), count: 1 };
        let mut text = String::new();
        let mut at = span.start;
        while let Some(group) = self.next_group(at..span.end) {
            self.unescape(at..group.start, &mut text);
            at = group.end;
            if let Some(part) = self.group(group.clone(), depth)? {
                let count = word.count.checked_mul(part.count());
                let count = count.filter(|count| *count <= limits::RANGE_ITEMS);
                word.count = count.ok_or_else(|| too_many(&self.at(&group)))?;
                if !text.is_empty() {
                    word.parts.push(Part::Text(std::mem::take(&mut text)));
                }
                word.parts.push(part);
            } else {
                self.unescape(group, &mut text);
            }
        }
        self.unescape(at..span.end, &mut text);
        if !text.is_empty() {
            word.parts.push(Part::Text(text));
        }
        Ok(word)
    }

    /// What the group between and with two braces stands for, if it is one.
    fn group(&self, group: Range<usize>, depth: usize) -> Result<Option<Part>, Rejection> {
        if depth == limits::BRACE_DEPTH {
            let at = self.at(&group);
            return Err(invalid(format!("{at}: more than {depth} groups within groups")));
        }
        let inner = group.start + 1..group.end - 1;
        if !self.has_comma(inner.clone()) {
            return Ok(self.sequence(inner, &group)?.map(Part::Sequence));
        }
        let (mut words, mut count, mut at) = (Vec::new(), 0_u64, inner.start);
        loop {
            let comma = self.seek(b',', at, inner.end);
            words.push(self.word(at..comma.unwrap_or(inner.end), depth + 1)?);
            count += words.last().map_or(0, |word| word.count);
            if count > limits::RANGE_ITEMS {
                return Err(too_many(&self.at(&group)));
            }
            match comma {
                Some(comma) => at = comma + 1,
                None => return Ok(Some(Part::List { words, count })),
            }
        }
    }

    /// The first brace in a span that opens a group, up to and with the one that closes it.
    fn next_group(&self, span: Range<usize>) -> Option<Range<usize>> {
        let mut at = span.start;
        loop {
            let open = self.seek(b'{', at, span.end)?;
            // `{}` in front stays what it is, as in `find -exec`.
            let empty = open == span.start && self.byte(open + 1, span.end) == Some(b'}');
            if !empty && let Some(close) = self.seek(b'}', open + 1, span.end) {
                return Some(open..close + 1);
            }
            at = open + 1;
        }
    }

    /// The next `wanted` that is neither escaped nor inside braces. A closing brace closes only
    /// where a comma or two dots came before it.
    fn seek(&self, wanted: u8, from: usize, end: usize) -> Option<usize> {
        let (mut level, mut at) = (0_usize, from);
        let mut ripe = wanted != b'}';
        while let Some(byte) = self.byte(at, end) {
            if byte == b'\\' {
                at += 2;
                continue;
            }
            if byte == wanted && level == 0 && ripe {
                return Some(at);
            }
            match byte {
                b'{' => level += 1,
                b'}' => level = level.saturating_sub(1),
                b',' if level == 0 => ripe = true,
                b'.' if level == 0 && self.byte(at + 1, end) == Some(b'.') => {
                    ripe |= self.byte(at + 2, end) != Some(b'}');
                }
                _ => {}
            }
            at += 1;
        }
        None
    }

    /// Whether an unescaped comma stands anywhere in a span, even in a group inside it.
    fn has_comma(&self, span: Range<usize>) -> bool {
        let mut at = span.start;
        while let Some(byte) = self.byte(at, span.end) {
            match byte {
                b',' => return true,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        false
    }

    fn byte(&self, at: usize, end: usize) -> Option<u8> {
        self.pattern.as_bytes()[..end].get(at).copied()
    }

    /// Appends a span without the backslashes that quote; one at the very end quotes nothing.
    fn unescape(&self, span: Range<usize>, out: &mut String) {
        let mut letters = self.pattern[span].chars();
        while let Some(letter) = letters.next() {
            out.push(if letter == '\\' { letters.next().unwrap_or('\\') } else { letter });
        }
    }

    /// A group and its column, for people.
    fn at(&self, group: &Range<usize>) -> String {
        let column = self.pattern[..group.start].chars().count() + 1;
        let text = &self.pattern[group.clone()];
        match text.char_indices().nth(64) {
            Some((cut, _)) => format!("the pattern at column {column}, `{}…`", &text[..cut]),
            None => format!("the pattern at column {column}, `{text}`"),
        }
    }

    /// `FIRST..LAST` or `FIRST..LAST..STEP`, both ends numbers or both letters.
    fn sequence(
        &self,
        inner: Range<usize>,
        group: &Range<usize>,
    ) -> Result<Option<Sequence>, Rejection> {
        let Some((first, rest)) = self.pattern[inner].split_once("..") else { return Ok(None) };
        let (last, step) = match rest.split_once("..") {
            Some((last, step)) => (last, Some(step)),
            None => (rest, None),
        };
        if step.is_some_and(|step| !is_number(step)) {
            return Ok(None);
        }
        let (ends, write) = if is_number(first) && is_number(last) {
            let ends = (self.number(first, group)?, self.number(last, group)?);
            (ends, Write::Number { width: width(first, last) })
        } else if let (Some(first), Some(last)) = (letter(first), letter(last)) {
            ((first, last), Write::Letter)
        } else {
            return Ok(None);
        };
        let step = step.map_or(Ok(1), |step| self.number(step, group))?;
        let distance = i128::from(ends.1) - i128::from(ends.0);
        // The ends say which way it goes, whatever the step's sign; no step is a step of one.
        let step = i128::from(step).abs().max(1);
        let count = u64::try_from(distance.abs() / step + 1).unwrap_or(u64::MAX);
        if count > limits::RANGE_ITEMS {
            return Err(too_many(&self.at(group)));
        }
        let step = if distance < 0 { -step } else { step };
        Ok(Some(Sequence { first: ends.0, step, count, write }))
    }

    fn number(&self, text: &str, group: &Range<usize>) -> Result<i64, Rejection> {
        let beyond = |_| {
            let (least, most) = (i64::MIN, i64::MAX);
            let at = self.at(group);
            invalid(format!("{at}: {text} is not between {least} and {most}"))
        };
        text.parse().map_err(beyond)
    }
}

/// A text as a pattern whose one item it is.
pub(super) fn quoted(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '{' | '}' | ',') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn letter(text: &str) -> Option<i64> {
    match text.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Some(i64::from(*letter)),
        _ => None,
    }
}

/// A zero in front of either end pads all numbers to the longer of the two; otherwise nothing.
fn width(first: &str, last: &str) -> usize {
    let padded = |end: &str| {
        let digits = end.strip_prefix('-').unwrap_or(end);
        digits.len() > 1 && digits.starts_with('0')
    };
    if padded(first) || padded(last) { first.len().max(last.len()) } else { 0 }
}
