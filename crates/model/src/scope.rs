//! Scopes: the parts of a project that limits bound and that people pause and drain.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

use crate::limits;
use crate::time::Span;

/// A part of a project's work.
///
/// ```
/// use gristmill_model::scope::Scope;
/// let scope: Scope = "stage:thumbs/resize".parse().unwrap();
/// assert_eq!(scope, Scope::Stage("thumbs".into(), "resize".into()));
/// assert_eq!(scope.to_string(), "stage:thumbs/resize");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All of it.
    Project,
    /// Every version of a pipeline, by name.
    Pipeline(String),
    /// One stage of a pipeline, by their names.
    Stage(String, String),
    /// Batches that were submitted with this free key.
    Key(String),
}

/// How many attempts of a scope may be leased at once, and how often one may begin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Attempts leased at a time.
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// How often attempts begin: on average so many in a span, and up to that many at once.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "100/1m")]
    pub rate: Option<Rate>,
}

/// So many in a span of time on average; up to that many at once after a pause. So in any window
/// at most `count`, and one more for each interval that the window is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least 1.
    pub count: u32,
    /// In which span.
    pub per: Span,
}

/// Whether work of a scope flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// As usual.
    #[default]
    Open,
    /// Nothing new begins; what runs goes on.
    Paused,
    /// Nothing new is taken in; what is there is finished.
    Draining,
}

impl Limit {
    /// Whether it bounds nothing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.concurrency.is_none() && self.rate.is_none()
    }
}

impl Rate {
    /// The span from one to the next when they come evenly; at least a microsecond.
    #[must_use]
    pub fn interval(self) -> Span {
        Span((self.per.0 / u64::from(self.count.max(1))).max(1))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Project => f.write_str("project"),
            Scope::Pipeline(name) => write!(f, "pipeline:{name}"),
            Scope::Stage(pipeline, stage) => write!(f, "stage:{pipeline}/{stage}"),
            Scope::Key(key) => write!(f, "key:{key}"),
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Scope, String> {
        let bad = || {
            format!(
                "`{text}` is not a scope: expected project, pipeline:NAME, stage:PIPELINE/STAGE \
                 or key:TEXT"
            )
        };
        if text == "project" {
            return Ok(Scope::Project);
        }
        let (kind, rest) = text.split_once(':').ok_or_else(bad)?;
        if rest.is_empty() || rest.len() > limits::KEY_BYTES {
            return Err(bad());
        }
        match kind {
            "pipeline" => Ok(Scope::Pipeline(rest.into())),
            "stage" => {
                let (pipeline, stage) = rest.split_once('/').ok_or_else(bad)?;
                if pipeline.is_empty() || stage.is_empty() {
                    return Err(bad());
                }
                Ok(Scope::Stage(pipeline.into(), stage.into()))
            }
            "key" => Ok(Scope::Key(rest.into())),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per.to_string().replace(' ', ""))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let bad = || format!("`{text}` is not a rate: expected COUNT/SPAN, as in 100/1m");
        let (count, per) = text.split_once('/').ok_or_else(bad)?;
        let count = count.parse().map_err(|_| bad())?;
        let per: Span = per.parse().map_err(|_| bad())?;
        if count == 0 || per == Span::ZERO {
            return Err(format!("`{text}` lets nothing through: pause the scope instead"));
        }
        Ok(Rate { count, per })
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

as_text!(Scope);
as_text!(Rate);

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flow::Open => "open",
            Flow::Paused => "paused",
            Flow::Draining => "draining",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_and_rates_survive_their_text() {
        for text in ["project", "pipeline:thumbs", "stage:thumbs/resize", "key:user:ada"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        assert_eq!("100/1m".parse::<Rate>().unwrap().to_string(), "100/1m");
        assert_eq!("100/1m".parse::<Rate>().unwrap().interval(), Span::millis(600));
    }

    #[test]
    fn bad_ones_name_what_was_expected() {
        assert!("thumbs".parse::<Scope>().unwrap_err().contains("expected project"));
        for text in ["stage:thumbs", "stage:thumbs/", "stage:/resize", "key:"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
        assert!("0/1s".parse::<Rate>().unwrap_err().contains("pause the scope"));
        assert!("5".parse::<Rate>().unwrap_err().contains("COUNT/SPAN"));
    }
}
