//! Named resources as people write them: `licence=3`, `gpu-share=0.5`.
//!
//! Inside they are whole thousandths, so that half a share is a number and sums are exact.

use std::collections::BTreeMap;

use crate::limits;
use crate::problem::{Code, Rejection};

/// Judges the named resources of a request or of a worker.
///
/// ```
/// use std::collections::BTreeMap;
/// use gristmill_model::resources::named;
///
/// assert!(named::check(&BTreeMap::from([("licence".into(), 3_000)])).is_ok());
/// let error = named::check(&BTreeMap::from([("a b".into(), 1)])).unwrap_err();
/// assert!(error.detail.contains("`a b` is not a resource name"));
/// ```
///
/// # Errors
/// `invalid_request` for too many of them, or the first name that breaks the rule.
pub fn check(named: &BTreeMap<String, u32>) -> Result<(), Rejection> {
    let most = limits::NAMED_RESOURCES;
    if named.len() > most {
        return Err(bad(format!("{} named resources: at most {most}", named.len())));
    }
    named.keys().try_for_each(|name| check_name(name))
}

/// Reads `NAME=AMOUNT`, exactly: name and thousandths.
///
/// ```
/// use gristmill_model::resources::named;
///
/// assert_eq!(named::parse("licence=3"), Ok(("licence".into(), 3_000)));
/// assert_eq!(named::parse("gpu-share=0.5"), Ok(("gpu-share".into(), 500)));
/// assert!(named::parse("gpu-share=0.0005").is_err());
/// ```
///
/// # Errors
/// `invalid_request`, naming what was given and what was expected.
pub fn parse(text: &str) -> Result<(String, u32), Rejection> {
    let Some((name, amount)) = text.split_once('=') else {
        return Err(bad(format!("`{text}` has no amount: expected NAME=AMOUNT, as in licence=3")));
    };
    check_name(name)?;
    let thousandths = thousandths(amount).ok_or_else(|| {
        let most = self::amount(u32::MAX);
        bad(format!(
            "`{text}`: `{amount}` is no amount: expected a number from 0 to {most} with at most \
             three decimals, as in 3 or 0.5"
        ))
    })?;
    Ok((name.to_owned(), thousandths))
}

/// Writes `NAME=AMOUNT` as [`parse`] reads it, with no more decimals than needed.
///
/// ```
/// use gristmill_model::resources::named;
///
/// assert_eq!(named::print("gpu-share", 500), "gpu-share=0.5");
/// assert_eq!(named::print("licence", 3_000), "licence=3");
/// ```
#[must_use]
pub fn print(name: &str, thousandths: u32) -> String {
    format!("{name}={}", amount(thousandths))
}

/// An amount for people: `3` or `0.5`.
///
/// ```
/// assert_eq!(gristmill_model::resources::named::amount(1_250), "1.25");
/// ```
#[must_use]
pub fn amount(thousandths: u32) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// No float on the way: what is written is what is booked.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, decimals) = match text.split_once('.') {
        Some((_, decimals)) if decimals.is_empty() || decimals.len() > 3 => return None,
        Some((whole, decimals)) => (whole, decimals),
        None => (text, ""),
    };
    let digits = format!("{whole}{decimals:0<3}");
    if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

fn check_name(name: &str) -> Result<(), Rejection> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if name.is_empty() || name.len() > limits::NAME_BYTES || !name.chars().all(plain) {
        return Err(bad(format!(
            "`{name}` is not a resource name: expected 1 to {} letters, digits, `.`, `_` or `-`",
            limits::NAME_BYTES
        )));
    }
    Ok(())
}

fn bad(detail: String) -> Rejection {
    Rejection::new(Code::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_amount_is_read_exactly_or_not_at_all() {
        let read = |text: &str| parse(&format!("n={text}")).map(|(_, amount)| amount);
        for (text, amount) in [
            ("0", 0),
            ("3", 3_000),
            ("003", 3_000),
            ("0.5", 500),
            ("0.05", 50),
            ("1.001", 1_001),
            ("2.500", 2_500),
            ("4294967.295", u32::MAX),
        ] {
            assert_eq!(read(text), Ok(amount), "{text}");
        }
        for text in
            ["", ".", ".5", "5.", "0.0005", "1.0000", "-1", "+1", "1e3", "1,5", "1.2.3", " 1", "½"]
        {
            let error = read(text).unwrap_err();
            assert_eq!(error.code, Code::InvalidRequest);
            assert!(error.detail.contains("at most three decimals"), "{text}: {error}");
        }
        assert!(read("4294967.296").is_err() && read("99999999999999999999999").is_err());
    }

    #[test]
    fn a_name_is_plain_and_there_are_not_too_many() {
        let long = "x".repeat(limits::NAME_BYTES + 1);
        for name in ["", "a b", "é", "a/b", long.as_str()] {
            let error = parse(&format!("{name}=1")).unwrap_err();
            assert!(error.detail.contains("is not a resource name"), "{error}");
            assert_eq!(check(&BTreeMap::from([(name.to_owned(), 1)])), Err(error));
        }
        assert!(parse("licence").unwrap_err().detail.contains("has no amount"));
        let many = |count: usize| (0..count).map(|at| (format!("n{at}"), 1)).collect();
        assert_eq!(check(&many(limits::NAMED_RESOURCES)), Ok(()));
        let error = check(&many(limits::NAMED_RESOURCES + 1)).unwrap_err();
        assert_eq!(error.detail, "33 named resources: at most 32");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(name in "[A-Za-z0-9._-]{1,128}", amount in any::<u32>()) {
            prop_assert_eq!(parse(&print(&name, amount)), Ok((name, amount)));
        }
    }
}
