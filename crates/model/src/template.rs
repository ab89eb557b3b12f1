//! Placeholders in the words of a command: `{input}`, `{output}`, `{job}`, `{attempt}`.
//!
//! Only a brace pair around lower-case letters is a placeholder, so JSON and shell braces pass
//! through untouched; `{{input}}` stands for the literal text `{input}`.

use std::fmt;

/// The placeholders that a command template may use.
pub const PLACEHOLDERS: [&str; 4] = ["input", "output", "job", "attempt"];

/// A placeholder that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPlaceholder(pub String);

impl fmt::Display for UnknownPlaceholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown placeholder `{{{0}}}`: expected one of {{{1}}} (write {{{{{0}}}}} for the text itself)",
            self.0,
            PLACEHOLDERS.join("}, {")
        )
    }
}

impl std::error::Error for UnknownPlaceholder {}

enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// Judges one word of a template.
///
/// # Errors
/// The first placeholder that does not exist.
pub fn check(word: &str) -> Result<(), UnknownPlaceholder> {
    fill(word, |_| String::new()).map(drop)
}

/// Whether a word uses the placeholder `name`.
#[must_use]
pub fn mentions(word: &str, name: &str) -> bool {
    pieces(word).iter().any(|piece| matches!(piece, Piece::Placeholder(found) if *found == name))
}

/// Writes a word out, asking `value` for each placeholder's text.
///
/// ```
/// use gristmill_model::template::fill;
/// let word = fill("--in={input} {{input}} {\"a\":1}", |_| "x.bin".into()).unwrap();
/// assert_eq!(word, "--in=x.bin {input} {\"a\":1}");
/// assert!(fill("{inptu}", |_| String::new()).is_err());
/// ```
///
/// # Errors
/// The first placeholder that does not exist.
pub fn fill(word: &str, value: impl Fn(&str) -> String) -> Result<String, UnknownPlaceholder> {
    let mut out = String::with_capacity(word.len());
    for piece in pieces(word) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Placeholder(name) if PLACEHOLDERS.contains(&name) => out.push_str(&value(name)),
            Piece::Placeholder(name) => return Err(UnknownPlaceholder(name.into())),
        }
    }
    Ok(out)
}

/// A text as a word of a template that is filled with nothing: placeholders in it stand for
/// themselves.
///
/// ```
/// use gristmill_model::template::quoted;
/// assert_eq!(quoted("/srv/{input}/{X}"), "/srv/{{input}}/{X}");
/// ```
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        word.push_str(&rest[..open]);
        rest = &rest[open..];
        let length = name_between(rest, "{", "}").map_or(1, |name| name.len() + 2);
        let (piece, after) = rest.split_at(length);
        word.push_str(&if length > 1 { format!("{{{piece}}}") } else { piece.to_owned() });
        rest = after;
    }
    word.push_str(rest);
    word
}

fn pieces(word: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some(open) = rest.find('{') {
        pieces.push(Piece::Text(&rest[..open]));
        let after = &rest[open..];
        let (piece, length) = brace(after);
        pieces.push(piece);
        rest = &after[length..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Reads what starts with an opening brace; returns it with the bytes it took.
fn brace(text: &str) -> (Piece<'_>, usize) {
    if let Some(name) = name_between(text, "{{", "}}") {
        return (Piece::Text(&text[1..name.len() + 3]), name.len() + 4);
    }
    match name_between(text, "{", "}") {
        Some(name) => (Piece::Placeholder(name), name.len() + 2),
        None => (Piece::Text(&text[..1]), 1),
    }
}

fn name_between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let inner = text.strip_prefix(open)?;
    let name = &inner[..inner.find(close)?];
    (!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_that_are_no_placeholder_stay() {
        for word in ["{}", "{ input }", "{INPUT}", "${x}9{", "}{", "{\"input\":2}"] {
            let filled = fill(word, |_| "!".into());
            if word == "${x}9{" {
                assert_eq!(filled, Err(UnknownPlaceholder("x".into())));
            } else {
                assert_eq!(filled.as_deref(), Ok(word));
            }
        }
    }

    #[test]
    fn a_quoted_text_is_filled_with_nothing() {
        for text in ["/plain", "{input}", "{{input}}", "a{b{input}}c{", "{{{x}}}", "{}", "{INPUT}"]
        {
            assert_eq!(fill(&quoted(text), |_| "!".into()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn the_error_names_the_way_out() {
        let error = check("{inptu}").unwrap_err().to_string();
        assert!(error.contains("`{inptu}`") && error.contains("{input}, {output}"), "{error}");
        assert!(error.contains("{{inptu}}"), "{error}");
    }
}
