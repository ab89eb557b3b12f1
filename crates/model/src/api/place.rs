//! A job as people point at it: by its id, or by its place in its batch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::ids::{BatchId, JobId};

/// A job, by its id or by its place in its batch.
///
/// ```
/// use gristmill_model::api::JobAt;
/// use gristmill_model::{BatchId, JobId};
///
/// assert_eq!("j17".parse(), Ok(JobAt::Id(JobId(17))));
/// assert_eq!("b3/17".parse(), Ok(JobAt::Place(BatchId(3), 17)));
/// assert_eq!("b3.17".parse(), Ok(JobAt::Place(BatchId(3), 17)));
/// assert_eq!(JobAt::Place(BatchId(3), 17).to_string(), "b3.17");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobAt {
    /// `j17`
    Id(JobId),
    /// `b3/17` on the command line, `b3.17` in a URL: the job at this place of its batch, from 0.
    Place(BatchId, u64),
}

impl fmt::Display for JobAt {
    /// As a URL has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobAt::Id(job) => job.fmt(f),
            JobAt::Place(batch, index) => write!(f, "{batch}.{index}"),
        }
    }
}

impl FromStr for JobAt {
    type Err = String;

    fn from_str(text: &str) -> Result<JobAt, String> {
        let place = || {
            let (batch, index) = text.split_once(['/', '.'])?;
            let digits = index.bytes().all(|byte| byte.is_ascii_digit());
            let index = index.parse().ok().filter(|_| digits)?;
            Some(JobAt::Place(batch.parse().ok()?, index))
        };
        text.parse()
            .map(JobAt::Id)
            .or_else(|bad| place().ok_or_else(|| format!("{bad}, or a place in a batch: b3/17")))
    }
}

impl<'de> Deserialize<'de> for JobAt {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_id_nor_place_names_both() {
        for text in ["b1", "17", "b3/", "b3/+1", "j3/1", "b3/1/2", "b3/99999999999999999999"] {
            let error = text.parse::<JobAt>().unwrap_err();
            assert!(error.contains("is not a job id") && error.contains("b3/17"), "{error}");
        }
    }
}
