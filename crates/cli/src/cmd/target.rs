//! Verbs that take jobs and batches, or workers and scopes, tell them apart by their looks.

use std::str::FromStr;

use gristmill_model::api::JobAt;
use gristmill_model::scope::Scope;
use gristmill_model::{BatchId, WorkerId};

/// A job or a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Job(JobAt),
    Batch(BatchId),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let job = text.parse().map(Target::Job);
        job.or_else(|_| text.parse().map(Target::Batch)).map_err(|_| {
            format!("`{text}` is no id: expected a job's, like j17 or b3/17, or a batch's, like b3")
        })
    }
}

/// A worker, or a part of a project's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tap {
    Worker(WorkerId),
    Scope(Scope),
}

impl FromStr for Tap {
    type Err = String;

    fn from_str(text: &str) -> Result<Tap, String> {
        let worker = text.parse().map(Tap::Worker);
        worker.or_else(|_| text.parse().map(Tap::Scope)).map_err(|_| {
            format!(
                "`{text}` is neither a worker, like w3, nor a scope: expected project, \
                 pipeline:NAME, stage:PIPELINE/STAGE or key:TEXT"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use gristmill_model::JobId;

    use super::*;

    #[test]
    fn the_letter_tells() {
        assert_eq!("j17".parse(), Ok(Target::Job(JobAt::Id(JobId(17)))));
        assert_eq!("b3".parse(), Ok(Target::Batch(BatchId(3))));
        assert_eq!("b3/0".parse(), Ok(Target::Job(JobAt::Place(BatchId(3), 0))));
        assert!("17".parse::<Target>().unwrap_err().contains("j17"));
        assert_eq!("w3".parse(), Ok(Tap::Worker(WorkerId(3))));
        assert_eq!("pipeline:a".parse(), Ok(Tap::Scope(Scope::Pipeline("a".into()))));
        assert!("thumbs".parse::<Tap>().unwrap_err().contains("pipeline:NAME"));
    }
}
