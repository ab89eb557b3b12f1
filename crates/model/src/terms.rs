//! The terms of a batch: when its jobs may begin, by when they must have, what they wait for, and
//! who hears of the end.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

use crate::ids::{BatchId, JobId};
use crate::time::Time;

/// Under what terms a batch's jobs run. The default asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Terms {
    /// No job begins before this time.
    pub start_at: Option<Time>,
    /// A job that has not begun by then expires.
    pub expires_at: Option<Time>,
    /// A job that is not final by then expires; one that runs is stopped.
    pub deadline: Option<Time>,
    /// Held from the start, until a person releases it.
    pub held: bool,
    /// What must have ended first.
    pub after: Vec<Dependency>,
    /// A free key that limits may speak of: `user:ada`, `api.example.org`.
    pub limit_key: Option<String>,
    /// A URL to call when the batch has finished.
    pub callback: Option<String>,
}

impl Terms {
    /// Whether jobs under these terms may begin at once.
    #[must_use]
    pub fn open_at_once(&self) -> bool {
        self.start_at.is_none() && !self.held && self.after.is_empty()
    }
}

/// Something that must have ended before a batch's jobs may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// What is waited for.
    #[schema(value_type = String, example = "b3")]
    pub on: Target,
    /// How it must have ended.
    #[serde(default)]
    pub when: When,
}

/// A job or a batch: what can be waited for, held and released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// One job.
    Job(JobId),
    /// All jobs of a batch, once it is closed.
    Batch(BatchId),
}

/// How something must have ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Every job succeeded.
    #[default]
    Succeeded,
    /// At least one job did not.
    Failed,
    /// However it ended.
    Finished,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Job(job) => job.fmt(f),
            Target::Batch(batch) => batch.fmt(f),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        text.parse()
            .map(Target::Job)
            .or_else(|_| text.parse().map(Target::Batch))
            .map_err(|_| format!("`{text}` is neither a job (j17) nor a batch (b3)"))
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            When::Succeeded => "succeeded",
            When::Failed => "failed",
            When::Finished => "finished",
        })
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        match text {
            "succeeded" => Ok(When::Succeeded),
            "failed" => Ok(When::Failed),
            "finished" => Ok(When::Finished),
            _ => Err(format!("`{text}`: expected succeeded, failed or finished")),
        }
    }
}

// On disk a target is a pair of kind and number, for people it is the id.
impl Serialize for Target {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            return to.collect_str(self);
        }
        match self {
            Target::Job(job) => (0u8, job.0).serialize(to),
            Target::Batch(batch) => (1u8, batch.0).serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            return String::deserialize(from)?.parse().map_err(de::Error::custom);
        }
        match <(u8, u64)>::deserialize(from)? {
            (0, id) => Ok(Target::Job(JobId(id))),
            (1, id) => Ok(Target::Batch(BatchId(id))),
            (kind, _) => Err(de::Error::custom(format!("unknown kind of target {kind}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_says_what_it_is() {
        assert_eq!("j17".parse(), Ok(Target::Job(JobId(17))));
        assert_eq!("b3".parse(), Ok(Target::Batch(BatchId(3))));
        assert!("w3".parse::<Target>().unwrap_err().contains("neither a job (j17) nor a batch"));
        assert_eq!(serde_json::to_string(&Target::Batch(BatchId(3))).unwrap(), "\"b3\"");
    }
}
