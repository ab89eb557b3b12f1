//! Names of things: small numbers that the engine hands out once and never reuses.
//!
//! On disk and on the worker link an id is its bare number. For people (JSON, CLI, URLs) it wears
//! a letter, `j17` or `b3`, so that an id pasted into the wrong place is refused by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadId {
    given: String,
    kind: &'static str,
    letter: char,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given, kind, letter } = self;
        write!(
            f,
            "`{given}` is not a {kind} id: expected `{letter}` and a number, as in {letter}17"
        )
    }
}

impl std::error::Error for BadId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $letter:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix($letter)
                    .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|digits| digits.parse().ok())
                    .map($name)
                    .ok_or_else(|| BadId { given: text.into(), kind: $kind, letter: $letter })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                if to.is_human_readable() { to.collect_str(self) } else { to.serialize_u64(self.0) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if from.is_human_readable() {
                    String::deserialize(from)?.parse().map_err(de::Error::custom)
                } else {
                    u64::deserialize(from).map($name)
                }
            }
        }
    };
}

id!(
    /// A job: one input on its way through a pipeline's stages.
    JobId, 'j', "job"
);
id!(
    /// A batch: the jobs of one submission.
    BatchId, 'b', "batch"
);
id!(
    /// An attempt: one try of one stage of one job on one worker. It is also the fence: a report
    /// is believed only while its attempt is the live one.
    AttemptId, 'a', "attempt"
);
id!(
    /// A worker: a connected process on a machine.
    WorkerId, 'w', "worker"
);
id!(
    /// A version of a pipeline.
    PipelineId, 'p', "pipeline"
);
id!(
    /// A project: owns pipelines and jobs; the lane in which work is shared out fairly.
    ProjectId, 'o', "project"
);

/// Jobs with consecutive ids: what is said of many jobs is said in runs of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobRun {
    /// The first.
    pub first: JobId,
    /// How many; at least 1.
    pub count: u64,
}

impl JobRun {
    /// A single job.
    #[must_use]
    pub const fn one(job: JobId) -> JobRun {
        JobRun { first: job, count: 1 }
    }

    /// The id after the last.
    #[must_use]
    pub const fn end(self) -> JobId {
        JobId(self.first.0 + self.count)
    }

    /// The jobs, in order.
    pub fn jobs(self) -> impl Iterator<Item = JobId> {
        (self.first.0..self.first.0 + self.count).map(JobId)
    }

    /// Whether a job is one of them.
    #[must_use]
    pub const fn contains(self, job: JobId) -> bool {
        self.first.0 <= job.0 && job.0 < self.first.0 + self.count
    }

    /// Gathers ids that come in ascending order into as few runs as will do.
    ///
    /// ```
    /// use gristmill_model::{JobId, JobRun};
    /// let runs = JobRun::gather([3, 4, 5, 9].map(JobId));
    /// assert_eq!(runs, [JobRun { first: JobId(3), count: 3 }, JobRun::one(JobId(9))]);
    /// ```
    #[must_use]
    pub fn gather(ids: impl IntoIterator<Item = JobId>) -> Vec<JobRun> {
        let mut runs: Vec<JobRun> = Vec::new();
        for id in ids {
            match runs.last_mut() {
                Some(last) if last.end() == id => last.count += 1,
                _ => runs.push(JobRun::one(id)),
            }
        }
        runs
    }
}

/// Name of the project that work belongs to when nobody says otherwise.
pub const DEFAULT_PROJECT: &str = "default";

impl ProjectId {
    /// The project that work belongs to when nobody says otherwise.
    pub const DEFAULT: ProjectId = ProjectId(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_wears_its_letter_for_people_and_none_on_disk() {
        assert_eq!(serde_json::to_string(&JobId(17)).unwrap(), "\"j17\"");
        assert_eq!("j17".parse::<JobId>(), Ok(JobId(17)));
        let error = "b17".parse::<JobId>().unwrap_err().to_string();
        assert_eq!(error, "`b17` is not a job id: expected `j` and a number, as in j17");
        assert!("j".parse::<JobId>().is_err());
        assert!("j+1".parse::<JobId>().is_err());
    }
}
