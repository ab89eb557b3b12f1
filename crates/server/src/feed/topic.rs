//! What a subscriber wants to hear of, in the words of the filter grammar.

use std::str::FromStr;

use gristmill_model::event::Event;
use gristmill_model::filter::{Field, Filter, Op, Term};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{BatchId, JobId, WorkerId};

use super::view;

/// A choice of events; the default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topic {
    /// All of these must hold.
    terms: Vec<About>,
}

/// Something that an event is about: one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
enum About {
    Jobs(Vec<JobId>),
    Batches(Vec<BatchId>),
    Workers(Vec<WorkerId>),
}

impl Topic {
    /// What happens to one batch and its jobs.
    #[must_use]
    pub fn batch(batch: BatchId) -> Topic {
        Topic { terms: vec![About::Batches(vec![batch])] }
    }

    /// What happens to one job.
    #[must_use]
    pub fn job(job: JobId) -> Topic {
        Topic { terms: vec![About::Jobs(vec![job])] }
    }

    /// What happens to one worker and the attempts there.
    #[must_use]
    pub fn worker(worker: WorkerId) -> Topic {
        Topic { terms: vec![About::Workers(vec![worker])] }
    }

    pub(super) fn concerns(&self, event: &Event, about: &[BatchId]) -> bool {
        // They come all the time: only who asks for workers hears of them.
        let sampled = matches!(event, Event::DevicesSampled { .. });
        if sampled && !self.terms.iter().any(|term| matches!(term, About::Workers(_))) {
            return false;
        }
        self.terms.iter().all(|term| match term {
            About::Jobs(jobs) => jobs.iter().any(|job| view::names_job(event, *job)),
            About::Batches(batches) => about.iter().any(|batch| batches.contains(batch)),
            About::Workers(workers) => {
                view::worker_of(event).is_some_and(|worker| workers.contains(&worker))
            }
        })
    }
}

impl FromStr for Topic {
    type Err = Rejection;

    fn from_str(text: &str) -> Result<Topic, Rejection> {
        let filter: Filter = text.parse()?;
        Ok(Topic { terms: filter.terms.iter().map(about).collect::<Result<_, _>>()? })
    }
}

fn about(term: &Term) -> Result<About, Rejection> {
    match (&term.field, term.op) {
        (Field::Id, Op::Is) => Ok(About::Jobs(ids(&term.values)?)),
        (Field::Batch, Op::Is) => Ok(About::Batches(ids(&term.values)?)),
        (Field::Worker, Op::Is) => Ok(About::Workers(ids(&term.values)?)),
        _ => Err(Rejection::new(
            Code::InvalidFilter,
            format!("`{term}`: events can be chosen by id=JOB, batch=BATCH and worker=WORKER"),
        )),
    }
}

fn ids<T: FromStr<Err: ToString>>(values: &[String]) -> Result<Vec<T>, Rejection> {
    let id = |value: &String| {
        value.parse().map_err(|why: T::Err| Rejection::new(Code::InvalidFilter, why.to_string()))
    };
    values.iter().map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_read_from_the_filter_grammar() {
        assert_eq!("".parse(), Ok(Topic::default()));
        assert_eq!("batch=b3".parse(), Ok(Topic::batch(BatchId(3))));
        assert_eq!("id=j3".parse(), Ok(Topic::job(JobId(3))));
        assert_eq!("worker=w3".parse(), Ok(Topic::worker(WorkerId(3))));
        let wrong = "state=failed".parse::<Topic>().unwrap_err();
        assert_eq!(wrong.code, Code::InvalidFilter);
        assert!(wrong.detail.contains("batch=BATCH"), "{}", wrong.detail);
    }
}
