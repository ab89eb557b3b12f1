//! The kinds of value that a setting can have.

use std::fmt;

use crate::error::{Error, Result};

/// What a setting's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A text that is never shown.
    Secret,
    /// A whole number, at least 1.
    Count,
    /// Words: a list in the file, separated by commas in the environment.
    List,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Count(u32),
    List(Vec<String>),
}

impl Kind {
    const fn expected(self) -> &'static str {
        match self {
            Kind::Text | Kind::Secret => "a text",
            Kind::Count => "a whole number, at least 1",
            Kind::List => "a list of texts",
        }
    }

    /// Reads a value as it stands in the environment; `name` is for the error.
    pub fn parse(self, name: &str, text: &str) -> Result<Value> {
        match self {
            Kind::Text | Kind::Secret => Some(Value::Text(text.to_owned())),
            Kind::Count => text.parse().ok().filter(|n| *n > 0).map(Value::Count),
            Kind::List => {
                let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
                Some(Value::List(words.map(str::to_owned).collect()))
            }
        }
        .ok_or_else(|| self.refuse(name, &format!("`{text}`")))
    }

    /// Takes a value as it stands in the file.
    pub fn take(self, name: &str, value: toml::Value) -> Result<Value> {
        let shown = match self {
            Kind::Secret => "a value of another kind".to_owned(),
            _ => format!("`{value}`"),
        };
        let taken = match (self, value) {
            (Kind::Text | Kind::Secret, toml::Value::String(text)) => Some(Value::Text(text)),
            (Kind::Count, toml::Value::Integer(count)) => {
                u32::try_from(count).ok().filter(|n| *n > 0).map(Value::Count)
            }
            (Kind::List, toml::Value::Array(items)) => items
                .into_iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .map(Value::List),
            _ => None,
        };
        taken.ok_or_else(|| self.refuse(name, &shown))
    }

    fn refuse(self, name: &str, shown: &str) -> Error {
        Error::usage(format!("{name} is {shown}: expected {}", self.expected()))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Count(count) => count.fmt(f),
            Value::List(words) => f.write_str(&words.join(",")),
        }
    }
}
