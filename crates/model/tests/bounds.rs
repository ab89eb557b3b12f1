//! The page of bounds in the documentation is made from `limits.rs`, and is current.
//! `UPDATE_DOCS=1 cargo test -p gristmill-model --test bounds` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::fmt::Write;

use gristmill_model::Span;
use gristmill_model::limits::{self, Timing};

const SOURCE: &str = include_str!("../src/limits.rs");

/// One constant, as its source says it.
struct Bound {
    name: String,
    what: String,
    value: String,
}

/// The constants of the source with what their comments say, in its order.
fn bounds() -> Vec<Bound> {
    let mut known = BTreeMap::new();
    let mut words: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for line in SOURCE.lines() {
        if let Some(word) = line.strip_prefix("/// ") {
            words.push(word);
        } else if let Some(constant) = line.strip_prefix("pub const ") {
            let (name, rest) = constant.split_once(": ").unwrap();
            let (kind, value) = rest.trim_end_matches(';').split_once(" = ").unwrap();
            let value = if kind == "Span" { span(value) } else { number(name, value, &mut known) };
            found.push(Bound { name: name.into(), what: words.join(" "), value });
            words.clear();
        } else {
            words.clear();
        }
    }
    found
}

fn span(source: &str) -> String {
    let (unit, number) = source.trim_end_matches(')').split_once('(').unwrap();
    let number = number.replace('_', "").parse().unwrap();
    let span = match unit {
        "Span::seconds" => Span::seconds(number),
        "Span::millis" => Span::millis(number),
        other => panic!("{other} is not understood here"),
    };
    span.to_string()
}

/// A product or quotient of numbers and of constants that stand above.
fn number(name: &str, source: &str, known: &mut BTreeMap<String, u64>) -> String {
    let mut value = None;
    let mut divides = false;
    for word in source.split_whitespace() {
        match word {
            "*" => divides = false,
            "/" => divides = true,
            word => {
                let written = word.replace('_', "").parse().ok();
                // What stands below is named, not counted.
                let Some(factor) = written.or_else(|| known.get(word).copied()) else {
                    return format!("`{source}`");
                };
                value = Some(match value {
                    None => factor,
                    Some(value) if divides => value / factor,
                    Some(value) => value * factor,
                });
            }
        }
    }
    let value = value.unwrap();
    known.insert(name.into(), value);
    if name.ends_with("BYTES") || name == "LIST_MARKS" { bytes(value) } else { grouped(value) }
}

fn bytes(value: u64) -> String {
    for (size, unit) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if value >= size && value.is_multiple_of(size) {
            return format!("{} {unit}", value / size);
        }
    }
    grouped(value)
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[test]
fn the_documented_bounds_are_current() {
    let bounds = bounds();
    // Read wrongly, the source would show nothing or something else.
    assert!(bounds.len() > 100 && bounds.iter().all(|bound| !bound.what.is_empty()));
    let value = |name| bounds.iter().find(|bound| bound.name == name).unwrap().value.as_str();
    assert_eq!(value("LIVE_JOBS"), grouped(limits::LIVE_JOBS as u64));
    assert_eq!(value("CALL"), limits::CALL.to_string());
    assert_eq!(value("BODY_BYTES"), bytes(limits::BODY_BYTES as u64));

    let mut text = String::from(
        "# Bounds\n\n\
         Everything that can grow has a bound, and all bounds stand in one file,\n\
         `crates/model/src/limits.rs`, from which this page is made. What goes beyond one is\n\
         refused with a [problem](problems.md) that names it, or waits; nothing is dropped in\n\
         silence.\n\n\
         ## Times that a server can be given\n\n\
         | what | by default | flag of `serve` |\n|---|---|---|\n",
    );
    let Timing { lease, heartbeat, disconnect_grace, restart_grace, timeout_grace, keep_finished } =
        Timing::default();
    for (what, span, flag) in [
        ("a silent worker keeps its work for", lease, "`--lease`"),
        ("a worker is heard of every", heartbeat, "in proportion to `--lease`"),
        ("a broken connection may come back for", disconnect_grace, "in proportion to `--lease`"),
        ("after a restart workers may come back for", restart_grace, "in proportion to `--lease`"),
        ("a worker may overstay a stage's timeout by", timeout_grace, ""),
        ("a finished batch can be retried for", keep_finished, "`--keep-finished`"),
    ] {
        writeln!(text, "| {what} | {span} | {flag} |").unwrap();
    }
    text.push_str("\n## Constants\n\n| bound | value | of what |\n|---|---|---|\n");
    for Bound { name, what, value } in &bounds {
        writeln!(text, "| `{name}` | {value} | {what} |").unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/bounds.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "run with UPDATE_DOCS=1");
}
