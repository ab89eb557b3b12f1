//! What a subscriber wants to hear of, in the words of the filter grammar.

use std::str::FromStr;

use gristmill_model::event::{EphemeralEvent, Event};
use gristmill_model::filter::{self, Field, Filter, Op};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{BatchId, JobId, WorkerId};

use super::view::About;

/// A choice of events; the default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topic {
    /// All of these must hold.
    terms: Vec<Term>,
}

/// Something that an event is about: one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Jobs(Vec<JobId>),
    Batches(Vec<BatchId>),
    Workers(Vec<WorkerId>),
}

impl Topic {
    /// What happens to one batch and its jobs.
    #[must_use]
    pub fn batch(batch: BatchId) -> Topic {
        Topic { terms: vec![Term::Batches(vec![batch])] }
    }

    /// What happens to one job.
    #[must_use]
    pub fn job(job: JobId) -> Topic {
        Topic { terms: vec![Term::Jobs(vec![job])] }
    }

    /// What happens to one worker and the attempts there.
    #[must_use]
    pub fn worker(worker: WorkerId) -> Topic {
        Topic { terms: vec![Term::Workers(vec![worker])] }
    }

    pub(super) fn concerns(&self, event: &Event, about: &About) -> bool {
        // They come all the time: only who asks for workers hears of them.
        let sampled = matches!(event, Event::Ephemeral(EphemeralEvent::DevicesSampled { .. }));
        if sampled && !self.terms.iter().any(|term| matches!(term, Term::Workers(_))) {
            return false;
        }
        self.terms.iter().all(|term| match term {
            Term::Jobs(jobs) => jobs.iter().any(|job| about.names_job(*job)),
            Term::Batches(batches) => about.batches.iter().any(|batch| batches.contains(batch)),
            Term::Workers(workers) => {
                event.worker().is_some_and(|worker| workers.contains(&worker))
            }
        })
    }
}

impl FromStr for Topic {
    type Err = Rejection;

    fn from_str(text: &str) -> Result<Topic, Rejection> {
        let filter: Filter = text.parse()?;
        Ok(Topic { terms: filter.terms.iter().map(parse).collect::<Result<_, _>>()? })
    }
}

fn parse(term: &filter::Term) -> Result<Term, Rejection> {
    match (&term.field, term.op) {
        (Field::Id, Op::Is) => Ok(Term::Jobs(ids(&term.values)?)),
        (Field::Batch, Op::Is) => Ok(Term::Batches(ids(&term.values)?)),
        (Field::Worker, Op::Is) => Ok(Term::Workers(ids(&term.values)?)),
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
