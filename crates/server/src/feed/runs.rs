//! Which batch a job belongs to, also long after the engine has dropped the job: ids come in runs.

use gristmill_model::event::Event;
use gristmill_model::{BatchId, JobId, JobRun};

/// Where in the sequence of job ids another batch begins.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    starts: Vec<(JobId, BatchId)>,
    /// The first id that no job has yet.
    end: u64,
}

impl Runs {
    /// Whether an event makes a difference here.
    pub(crate) const fn is_news(event: &Event) -> bool {
        matches!(event, Event::JobsAdded { .. } | Event::RangeAdded { .. })
    }

    /// Takes in an event; they come in order.
    pub(crate) fn learn(&mut self, event: &Event) {
        let (batch, first, count) = match event {
            Event::JobsAdded { batch, first, jobs } => (batch, first, jobs.len() as u64),
            Event::RangeAdded { batch, first, count, .. } => (batch, first, *count),
            _ => return,
        };
        self.end = first.0 + count;
        if self.starts.last().is_none_or(|(_, last)| last != batch) {
            self.starts.push((*first, *batch));
        }
    }

    /// The batch of a job that was accepted.
    pub(crate) fn batch_of(&self, job: JobId) -> Option<BatchId> {
        let place = self.starts.partition_point(|(first, _)| *first <= job);
        let (_, batch) = self.starts.get(place.checked_sub(1)?)?;
        (job.0 < self.end).then_some(*batch)
    }

    /// The batches to which jobs belong that were accepted, in the order of the jobs.
    pub(crate) fn batches_in(&self, jobs: JobRun) -> impl Iterator<Item = BatchId> {
        let place = self.starts.partition_point(|(first, _)| *first <= jobs.first);
        let from = self.starts.get(place.saturating_sub(1)..).unwrap_or_default();
        let end = jobs.end().0.min(self.end);
        let known = jobs.first.0 < end;
        let there = from.iter().take_while(move |(first, _)| known && first.0 < end);
        there.map(|(_, batch)| *batch)
    }
}

#[cfg(test)]
mod tests {
    use gristmill_model::job::JobSpec;
    use gristmill_model::payload::Payload;
    use gristmill_model::source::Source;

    use super::*;

    #[test]
    fn a_job_is_found_by_the_run_it_lies_in() {
        let mut runs = Runs::default();
        for (batch, first, count) in [(1, 1, 3), (2, 4, 1), (2, 5, 5), (1, 10, 1)] {
            let jobs = vec![JobSpec::of(Payload::empty()); count];
            runs.learn(&Event::JobsAdded { batch: BatchId(batch), first: JobId(first), jobs });
        }
        let found = |job| runs.batch_of(JobId(job)).map(|batch| batch.0);
        assert_eq!(
            [0, 1, 3, 4, 9, 10, 11].map(found),
            [None, Some(1), Some(1), Some(2), Some(2), Some(1), None]
        );
        assert_eq!(runs.starts.len(), 3, "neighbouring runs of one batch are one");
        let among = |first, count| {
            let jobs = JobRun { first: JobId(first), count };
            runs.batches_in(jobs).map(|batch| batch.0).collect::<Vec<_>>()
        };
        assert_eq!(among(1, 3), [1]);
        assert_eq!(among(3, 8), [1, 2, 1]);
        assert_eq!(among(9, 1), [2]);
        assert_eq!(among(11, 5), [0; 0]);
    }

    #[test]
    fn a_range_is_a_run() {
        let mut runs = Runs::default();
        let source = Source::Brace("{1..9}".into());
        runs.learn(&Event::RangeAdded { batch: BatchId(4), first: JobId(1), count: 9, source });
        assert_eq!(runs.batch_of(JobId(9)), Some(BatchId(4)));
        assert_eq!(runs.batch_of(JobId(10)), None);
    }
}
