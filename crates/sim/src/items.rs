//! The items of ranges, made up by somebody who read the manual and not the engine; and the lists
//! whose lines the server fills in.

use gristmill_model::digest::Digest;
use gristmill_model::payload::{Line, Payload};
use gristmill_model::source::{Lines, Source};

/// The inputs that a source stands for, in order.
#[must_use]
pub fn of(source: &Source) -> Vec<Payload> {
    match source {
        Source::Numbers { first, last, step } => {
            let beyond = |number: &i64| if *step > 0 { number > last } else { number < last };
            let mut numbers = Vec::new();
            let mut number = *first;
            while *step != 0 && !beyond(&number) {
                numbers.push(Payload::Text(number.to_string()));
                number += step;
            }
            numbers
        }
        Source::Brace(pattern) => unbrace(pattern).into_iter().map(Payload::Text).collect(),
        Source::Lines(Lines { list, count }) => {
            (0..*count).map(|index| Payload::Line(Line { list: *list, index })).collect()
        }
    }
}

/// Reads the patterns that clients here write: groups in braces, of words or of numbers in a row.
fn unbrace(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else { return vec![pattern.to_owned()] };
    let (group, after) = rest.split_once('}').unwrap_or((rest, ""));
    let words: Vec<String> = match group.split_once("..") {
        Some((first, last)) => {
            let number = |text: &str| text.parse::<u64>().unwrap_or_default();
            (number(first)..=number(last)).map(|n| n.to_string()).collect()
        }
        None => group.split(',').map(str::to_owned).collect(),
    };
    let tails = unbrace(after);
    let join = |word: &String| {
        let word = word.clone();
        tails.iter().map(move |tail| format!("{before}{word}{tail}")).collect::<Vec<_>>()
    };
    words.iter().flat_map(join).collect()
}

/// The list of a client's request, as a digest would name it.
#[must_use]
pub fn list(client: usize, number: u64) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(client as u64).to_be_bytes());
    bytes[8..16].copy_from_slice(&number.to_be_bytes());
    Digest(bytes)
}

/// What a worker is told: lines stand there as their text.
#[must_use]
pub fn filled_in(input: &Payload) -> Payload {
    match input {
        Payload::Line(Line { list, index }) => {
            let name = list.to_string();
            Payload::Text(format!("line {index} of {}", &name[..40]))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_here_what_it_means_to_the_engine() {
        for pattern in ["a-{0..3}-{x,yy}.png", "plain", "{7..9}", "q{on,off}"] {
            let source = Source::Brace(pattern.into());
            let items = source.parse().expect("it is a pattern");
            let theirs: Vec<Payload> = (0..items.count()).filter_map(|at| items.item(at)).collect();
            assert_eq!(of(&source), theirs, "{pattern}");
        }
    }
}
