//! Where the items of a range come from: one record, however many items.
//!
//! A range is written down once, as a [`Source`]. [`Source::parse`] judges it and gives [`Items`],
//! which makes up any item from its index; nothing is stored per item.

mod brace;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::digest::Digest;
use crate::limits;
use crate::payload::{Line, Payload};
use crate::problem::{Code, Rejection};

/// Where the items of a range come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Numbers, in decimal.
    Numbers {
        /// The first.
        first: i64,
        /// No number lies beyond it; the last one where the steps lead there.
        last: i64,
        /// From one to the next; negative to count down, never 0.
        step: i64,
    },
    /// A pattern with groups in braces, read as bash reads it.
    ///
    /// A group is a list, `{red,green,blue}`, or a range: `{0..9}`, `{000..999}` with zeros in
    /// front, `{9..1}` downwards, `{1..9..2}` in steps, `{a..z}`. Groups may lie inside lists;
    /// of several in a row the last goes fastest. What is no group stays as it is, braces and
    /// all. A backslash takes the next character literally.
    ///
    /// Unlike in a shell an empty item is an item, a quote or a dollar is a plain character,
    /// and a number too large is refused where bash would leave the group as it is.
    #[schema(example = "frame-{0000..1499}.{left,right}.exr")]
    Brace(String),
    /// The lines of a stored list.
    Lines(Lines),
}

/// The lines of a stored blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lines {
    /// The blob.
    #[schema(value_type = String, example = "b3-af13…")]
    pub list: Digest,
    /// How many lines it has.
    pub count: u64,
}

/// The items of a source that was judged. A clone shares what it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Numbers { first: i64, step: i64, count: u64 },
    Brace(Arc<brace::Word>),
    Lines(Lines),
}

impl Source {
    /// Judges the source and gives its items.
    ///
    /// ```
    /// use gristmill_model::payload::Payload;
    /// use gristmill_model::source::Source;
    ///
    /// let items = Source::Brace("{left,right}/{08..10}.png".into()).parse()?;
    /// assert_eq!(items.count(), 6);
    /// assert_eq!(items.item(4), Some(Payload::Text("right/09.png".into())));
    /// assert_eq!(items.item(6), None);
    ///
    /// let error = Source::Brace("a-{0..18446744073709551615}".into()).parse().unwrap_err();
    /// assert!(error.detail.contains("column 3"), "{error}");
    /// # Ok::<(), gristmill_model::problem::Rejection>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_request`, naming what is wrong and where.
    pub fn parse(&self) -> Result<Items, Rejection> {
        match self {
            Source::Numbers { first, last, step } => numbers(*first, *last, *step),
            Source::Brace(pattern) => {
                Ok(Items(Kind::Brace(Arc::new(brace::Word::parse(pattern)?))))
            }
            Source::Lines(lines) if lines.count == 0 => {
                Err(invalid(format!("the list {} has no lines; name one that has", lines.list)))
            }
            Source::Lines(lines) if lines.count > limits::RANGE_ITEMS => {
                Err(too_many(&format!("the list {}", lines.list)))
            }
            Source::Lines(lines) => Ok(Items(Kind::Lines(*lines))),
        }
    }
}

/// A text as a brace pattern reads it literally.
///
/// ```
/// use gristmill_model::source;
/// assert_eq!(source::quoted(r"/a{1,2}\b"), r"/a\{1\,2\}\\b");
/// ```
#[must_use]
pub fn quoted(text: &str) -> String {
    brace::quoted(text)
}

fn numbers(first: i64, last: i64, step: i64) -> Result<Items, Rejection> {
    if step == 0 {
        return Err(invalid(format!(
            "numbers from {first} to {last}: step 0 leads nowhere; use 1 or -1"
        )));
    }
    let distance = i128::from(last) - i128::from(first);
    let steps = distance / i128::from(step);
    if distance.signum() == -i128::from(step.signum()) {
        return Err(invalid(format!(
            "numbers from {first}: step {step} leads away from {last}; turn its sign around"
        )));
    }
    match u64::try_from(steps + 1) {
        Ok(count) if count <= limits::RANGE_ITEMS => {
            Ok(Items(Kind::Numbers { first, step, count }))
        }
        _ => Err(too_many(&format!("numbers from {first} to {last} by {step}"))),
    }
}

impl Items {
    /// How many there are: at least one, at most [`limits::RANGE_ITEMS`].
    #[must_use]
    pub fn count(&self) -> u64 {
        match &self.0 {
            Kind::Numbers { count, .. } => *count,
            Kind::Brace(word) => word.count(),
            Kind::Lines(lines) => lines.count,
        }
    }

    /// Whether some item is an absolute path; lines are not read for it.
    #[must_use]
    pub fn has_absolute(&self) -> bool {
        matches!(&self.0, Kind::Brace(word) if word.has_absolute())
    }

    /// The item with an index, from 0 on; none beyond the last.
    #[must_use]
    pub fn item(&self, index: u64) -> Option<Payload> {
        if index >= self.count() {
            return None;
        }
        Some(match &self.0 {
            Kind::Numbers { first, step, .. } => {
                let number = i128::from(*first) + i128::from(*step) * i128::from(index);
                Payload::Text(number.to_string())
            }
            Kind::Brace(word) => Payload::Text(word.item(index)),
            Kind::Lines(lines) => Payload::Line(Line { list: lines.list, index }),
        })
    }
}

fn invalid(detail: String) -> Rejection {
    Rejection::new(Code::InvalidRequest, detail)
}

fn too_many(what: &str) -> Rejection {
    let most = limits::RANGE_ITEMS;
    invalid(format!("{what}: more than {most} items; split it into several ranges"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(first: i64, last: i64, step: i64) -> Result<Items, Rejection> {
        Source::Numbers { first, last, step }.parse()
    }

    fn texts(items: &Items) -> Vec<String> {
        let text = |payload| match payload {
            Payload::Text(text) => text,
            other => panic!("{other:?} is no text"),
        };
        (0..).map_while(|index| items.item(index).map(text)).collect()
    }

    #[test]
    fn numbers_go_up_and_down_and_end_at_the_last() {
        assert_eq!(texts(&numbers(-1, 1, 1).unwrap()), ["-1", "0", "1"]);
        assert_eq!(texts(&numbers(9, 1, -4).unwrap()), ["9", "5", "1"]);
        assert_eq!(texts(&numbers(1, 9, 5).unwrap()), ["1", "6"]);
        assert_eq!(texts(&numbers(7, 7, -3).unwrap()), ["7"]);
        assert_eq!(
            texts(&numbers(i64::MIN, i64::MAX, i64::MAX).unwrap()),
            ["-9223372036854775808", "-1", "9223372036854775806",]
        );
    }

    #[test]
    fn a_source_that_cannot_be_says_why() {
        let detail = |source: Source| {
            let error = source.parse().unwrap_err();
            assert_eq!(error.code, Code::InvalidRequest);
            error.detail
        };
        let numbers = |first, last, step| detail(Source::Numbers { first, last, step });
        assert!(numbers(1, 9, 0).contains("step 0 leads nowhere"));
        assert!(numbers(1, 9, -1).contains("step -1 leads away from 9"));
        assert!(numbers(9, 1, 20).contains("step 20 leads away from 1"));
        assert!(numbers(1, 1_000_000_001, 1).contains("more than 1000000000 items"));
        assert!(numbers(i64::MIN, i64::MAX, 1).contains("more than 1000000000 items"));
        assert!(numbers(i64::MAX, i64::MIN, -1).contains("more than 1000000000 items"));
        let lines = |count| detail(Source::Lines(Lines { list: Digest([7; 32]), count }));
        assert!(lines(0).contains("has no lines"));
        assert!(lines(u64::MAX).contains("more than 1000000000 items"));
    }

    #[test]
    fn a_line_is_named_and_not_read() {
        let list = Digest([7; 32]);
        let items = Source::Lines(Lines { list, count: 3 }).parse().unwrap();
        assert_eq!(items.item(2), Some(Payload::Line(Line { list, index: 2 })));
        assert_eq!((items.item(3), items.item(2).unwrap().inline_len()), (None, 40));
    }

    #[test]
    fn a_source_has_one_form_in_json_and_survives_the_log() {
        let list = Digest([7; 32]);
        let sources = [
            (Source::Numbers { first: 1, last: 9, step: 2 }, "numbers"),
            (Source::Brace("{1..3}".into()), "brace"),
            (Source::Lines(Lines { list, count: 3 }), "lines"),
        ];
        for (source, name) in sources {
            let json = serde_json::to_value(&source).unwrap();
            assert!(json.get(name).is_some(), "{json}");
            assert_eq!(serde_json::from_value::<Source>(json).unwrap(), source);
            let packed = rmp_serde::to_vec(&source).unwrap();
            assert_eq!(rmp_serde::from_slice::<Source>(&packed).unwrap(), source);
        }
    }

    proptest! {
        #[test]
        fn numbers_are_what_counting_gives(
            first in -50..50_i64, last in -50..50_i64, step in -7..8_i64,
        ) {
            let mut counted = Vec::new();
            let mut number = first;
            while step != 0 && (if step > 0 { number <= last } else { number >= last }) {
                counted.push(number.to_string());
                number += step;
            }
            match numbers(first, last, step) {
                Ok(items) => {
                    prop_assert_eq!(items.count(), counted.len() as u64);
                    prop_assert_eq!(texts(&items), counted);
                }
                Err(_) => prop_assert!(counted.is_empty()),
            }
        }
    }
}
