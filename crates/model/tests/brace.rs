//! Brace patterns against bash itself: the same items in the same order.
//!
//! Two differences are meant, and taken out before comparing: a shell drops an empty word, and
//! eats the backslash that a range from `Z` to `a` runs over.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::process::Command;

use gristmill_model::limits;
use gristmill_model::payload::Payload;
use gristmill_model::problem::Code;
use gristmill_model::source::{self, Source};
use proptest::collection::vec;
use proptest::prelude::*;

fn ours(pattern: &str) -> Vec<String> {
    let items = Source::Brace(pattern.into()).parse().unwrap();
    let text = |index| match items.item(index) {
        Some(Payload::Text(text)) => text,
        other => panic!("{pattern}: {other:?} is no text"),
    };
    assert_eq!(items.item(items.count()), None);
    (0..items.count()).map(text).collect()
}

/// What bash makes of each pattern. Patterns hold nothing else that a shell looks at.
fn bash(patterns: &[String]) -> Vec<Vec<String>> {
    let expand = |pattern: &String| {
        format!("for word in {pattern}\ndo printf '%s\\n' \"$word\"\ndone\necho END\n")
    };
    let script: String = patterns.iter().map(expand).collect();
    let output = Command::new("bash")
        .args(["--norc", "--noprofile", "-f", "-c", &script])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("bash is there");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{script}\n{stderr}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lists: Vec<Vec<String>> =
        text.split("END\n").map(|list| list.lines().map(str::to_owned).collect()).collect();
    assert_eq!(lists.pop(), Some(Vec::new()));
    assert_eq!(lists.len(), patterns.len());
    lists
}

fn without_empty(mut items: Vec<String>) -> Vec<String> {
    items.retain(|item| !item.is_empty());
    items
}

#[test]
fn a_table_of_patterns_reads_as_in_bash() {
    let patterns = [
        "plain",
        "img-{001..250}.png",
        "{a..z}",
        "{Z..A}",
        "{a..e..2}",
        "{e..a..2}",
        "{1..9..2}",
        "{1..9..-2}",
        "{9..1}",
        "{9..1..3}",
        "{1..9..0}",
        "{1..1}",
        "{-3..3}",
        "{3..-3}",
        "{-03..3}",
        "{03..-10}",
        "{-0..3}",
        "{-00..3}",
        "{+1..3}",
        "{+01..3}",
        "{+01..03}",
        "{0..10}",
        "{00..10}",
        "{0..010}",
        "{1..3..+2}",
        "{1..3..02}",
        "{9223372036854775805..9223372036854775807}",
        "{red,green,blue}",
        "{red,green,blue}-{1..3}",
        "{a,b{1..3},c}",
        "{a,b{x,y{p,q}}c,}z",
        "{{a,b},{c,d}}{e,f}",
        "{a,b}{c,d}{e,f}",
        "x{,y}z",
        "x{,}y",
        "{,}",
        "{a}",
        "{}",
        "{a",
        "a}",
        "{a,b",
        "a,b}",
        "a{b{c,d}e",
        "a{b{c,d}e}f",
        "{a{b,c}d}",
        "{a}b,c}",
        "{},a}",
        "x{},a}",
        "{a,{},b}",
        "{{1..3},x}",
        "{{1..3}}",
        "{{1..2}..3}",
        "{{a,b}..c}",
        "{{a,b}}",
        "{1..x}",
        "{x..1}",
        "{1..}",
        "{..1}",
        "{..}",
        "{1..3..}",
        "{1..3..x}",
        "{1..3.}",
        "{1...3}",
        "{1..3...2}",
        "{1..3..2..1}",
        "{ab..cd}",
        "{a..c..x}",
        "{1.5..3}",
        "{1..3}{",
        "}{1..3}",
        "{x}{1..3}{y",
        "\\{a,b}",
        "{a\\,b,c}",
        "{a,b\\}",
        "{a,b\\}c}",
        "\\{{a,b}\\}",
        "{\\{,\\}}",
        "a\\\\{b,c}",
        "{a\\\\,b}",
        "{a\\..c}",
        "{a..\\c}",
        "{\\..c}",
        "{é,ü}{1..2}",
        "{é..ü}",
        "\\é{1..2}",
    ];
    let patterns = patterns.map(str::to_owned);
    for (pattern, theirs) in patterns.iter().zip(bash(&patterns)) {
        assert_eq!(without_empty(ours(pattern)), theirs, "{pattern}");
    }
}

#[test]
fn a_range_over_both_cases_keeps_its_backslash() {
    let between = ["Z", "[", "\\", "]", "^", "_", "`", "a"];
    assert_eq!(ours("{Z..a}"), between);
    assert_eq!(ours("{a..Z}"), between.into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn what_a_shell_would_look_at_is_plain_here() {
    assert_eq!(ours("\"{a,b}\""), ["\"a\"", "\"b\""]);
    assert_eq!(ours("${a,b}"), ["$a", "$b"]);
    assert_eq!(ours("{a, b}"), ["a", " b"]);
    assert_eq!(ours("{,a}"), ["", "a"], "an empty item is an item");
    assert_eq!(ours("a\\"), ["a\\"]);
}

#[test]
fn a_pattern_that_cannot_be_says_what_and_where() {
    let nested = |depth| format!("{}x{}", "{a,".repeat(depth), "}".repeat(depth));
    let long = "x".repeat(limits::PATH_BYTES + 1);
    let refused = [
        ("", "the pattern is empty"),
        (long.as_str(), "the pattern has 4097 bytes"),
        ("{0..18446744073709551615}", "at column 1, `{0..18446744073709551615}`"),
        ("é{-9223372036854775809..1}", "at column 2"),
        ("{1..2..99999999999999999999}", "99999999999999999999 is not between"),
        ("{1..1000000001}", "more than 1000000000 items"),
        ("{-9223372036854775808..9223372036854775807}", "more than 1000000000 items"),
        ("{1..100000}{1..100000}", "at column 12, `{1..100000}`: more than"),
        ("x{{1..600000000},{1..600000000}}", "at column 2"),
        (&nested(limits::BRACE_DEPTH + 1), "more than 32 groups within groups"),
    ];
    for (pattern, what) in refused {
        let error = Source::Brace(pattern.into()).parse().unwrap_err();
        assert_eq!(error.code, Code::InvalidRequest);
        assert!(error.detail.contains(what), "{pattern}: {}", error.detail);
    }
    assert_eq!(ours(&nested(limits::BRACE_DEPTH)).len(), limits::BRACE_DEPTH + 1);
}

#[test]
fn the_largest_range_costs_no_more_than_its_pattern() {
    let items = Source::Brace("{000..999}/{000..999}-{000..999}".into()).parse().unwrap();
    assert_eq!(items.count(), limits::RANGE_ITEMS);
    assert_eq!(items.item(999_999_999), Some(Payload::Text("999/999-999".into())));
    assert_eq!(items.item(123_004_567), Some(Payload::Text("123/004-567".into())));
    assert_eq!(items.item(1_000_000_000), None);
    let items =
        Source::Brace("{-9223372036854775808..9223372036854775807..9223372036854775807}".into());
    let last = items.parse().unwrap().item(2);
    assert_eq!(last, Some(Payload::Text("9223372036854775806".into())));
}

/// Pieces that make braces match, nearly match and not match at all.
fn pattern() -> impl Strategy<Value = String> {
    let whole = ["{1..3}", "{a,b}", "{01..3}", "{c..a}", "{-1..1..2}", "{,x}", "{}", "\\,", "\\}"];
    let rest = ["a", "b", "2", "0", "-", "+", ".", "..", "\\{", "\\\\", "\\.", "é"];
    let piece = prop_oneof![
        6 => prop::sample::select(vec!["{", "}", ","]),
        2 => prop::sample::select(whole.to_vec()),
        3 => prop::sample::select(rest.to_vec()),
    ];
    vec(piece, 1..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_small_pattern_reads_as_in_bash(patterns in vec(pattern(), 64)) {
        let (mut asked, mut expected) = (Vec::new(), Vec::new());
        for pattern in patterns {
            let items = Source::Brace(pattern.clone()).parse();
            prop_assert!(items.is_ok(), "{pattern}: {items:?}");
            // A few digits in a row can make more than is worth comparing.
            if items.is_ok_and(|items| items.count() < 20_000) {
                expected.push(without_empty(ours(&pattern)));
                asked.push(pattern);
            }
        }
        for ((pattern, ours), theirs) in asked.iter().zip(expected).zip(bash(&asked)) {
            prop_assert_eq!(ours, theirs, "{}", pattern);
        }
    }
}

#[test]
fn a_folder_in_front_is_read_literally() {
    for folder in ["/srv/data", r"/a{1..3}/b,c", r"/back\slash", "/open{", "/}{}"] {
        assert_eq!(ours(&source::quoted(folder)), [folder]);
        let pattern = format!("{}/{{x,y}}.tar", source::quoted(folder));
        assert_eq!(ours(&pattern), ["x", "y"].map(|name| format!("{folder}/{name}.tar")));
    }
}

#[test]
fn an_absolute_item_is_noticed_wherever_it_comes_from() {
    let absolute = |pattern: &str| Source::Brace(pattern.into()).parse().unwrap().has_absolute();
    for pattern in ["/a", "{a,/b}", "{a,}/b", "{,a}{x,{y,/z}}", r"\/a", "{{,/}b,c}"] {
        assert!(absolute(pattern), "{pattern}");
    }
    for pattern in ["a/b", "{a,b}/c", "{1..3}/x", "./{,/}a", "{a,b/}"] {
        assert!(!absolute(pattern), "{pattern}");
    }
}
