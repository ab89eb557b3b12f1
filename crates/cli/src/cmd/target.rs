//! Verbs that take a job or a batch tell them apart by their letter.

use std::str::FromStr;

use gristmill_model::{BatchId, JobId};

/// A job or a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Job(JobId),
    Batch(BatchId),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let job = text.parse().map(Target::Job);
        job.or_else(|_| text.parse().map(Target::Batch)).map_err(|_| {
            format!("`{text}` is no id: expected a job's, like j17, or a batch's, like b3")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_tells() {
        assert_eq!("j17".parse(), Ok(Target::Job(JobId(17))));
        assert_eq!("b3".parse(), Ok(Target::Batch(BatchId(3))));
        assert!("17".parse::<Target>().unwrap_err().contains("j17"));
    }
}
