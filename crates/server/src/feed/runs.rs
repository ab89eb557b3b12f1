//! Which batch a job belongs to, also long after the engine has dropped the job: ids come in runs.

use gristmill_model::event::Event;
use gristmill_model::restored::Part;
use gristmill_model::{BatchId, JobId, JobRun};

/// Where in the sequence of job ids another batch begins.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// Nothing for ids whose batch was forgotten before the log begins.
    starts: Vec<(JobId, Option<BatchId>)>,
    /// The first id that no job has yet.
    end: u64,
    /// Runs of a base, which come batch by batch.
    restored: Vec<(JobRun, BatchId)>,
}

impl Runs {
    /// Whether an event makes a difference here.
    pub(crate) const fn is_news(event: &Event) -> bool {
        matches!(event, Event::JobsAdded { .. } | Event::RangeAdded { .. } | Event::Restored(_))
    }

    /// Takes in an event; they come in order.
    pub(crate) fn learn(&mut self, event: &Event) {
        match event {
            Event::JobsAdded { batch, first, jobs } => {
                self.add(JobRun { first: *first, count: jobs.len() as u64 }, *batch);
            }
            Event::RangeAdded { batch, first, count, .. } => {
                self.add(JobRun { first: *first, count: *count }, *batch);
            }
            Event::Restored(Part::Batch(part)) => {
                self.restored.extend(part.runs.iter().map(|run| (*run, part.batch)));
            }
            // The last part: now all runs are known.
            Event::Restored(Part::Shares { .. }) => {
                let mut restored = std::mem::take(&mut self.restored);
                restored.sort_by_key(|(run, _)| run.first);
                restored.into_iter().for_each(|(run, batch)| self.add(run, batch));
            }
            _ => {}
        }
    }

    fn add(&mut self, run: JobRun, batch: BatchId) {
        if run.first.0 > self.end.max(1) {
            self.begin(JobId(self.end), None);
        }
        self.end = run.end().0;
        self.begin(run.first, Some(batch));
    }

    fn begin(&mut self, first: JobId, batch: Option<BatchId>) {
        if self.starts.last().is_none_or(|(_, last)| *last != batch) {
            self.starts.push((first, batch));
        }
    }

    /// The batch of a job that was accepted, unless it was forgotten before the log begins.
    pub(crate) fn batch_of(&self, job: JobId) -> Option<BatchId> {
        let place = self.starts.partition_point(|(first, _)| *first <= job);
        let (_, batch) = self.starts.get(place.checked_sub(1)?)?;
        batch.filter(|_| job.0 < self.end)
    }

    /// The batches to which jobs belong that were accepted, in the order of the jobs.
    pub(crate) fn batches_in(&self, jobs: JobRun) -> impl Iterator<Item = BatchId> {
        let place = self.starts.partition_point(|(first, _)| *first <= jobs.first);
        let from = self.starts.get(place.saturating_sub(1)..).unwrap_or_default();
        let end = jobs.end().0.min(self.end);
        let known = jobs.first.0 < end;
        let there = from.iter().take_while(move |(first, _)| known && first.0 < end);
        there.filter_map(|(_, batch)| *batch)
    }
}

#[cfg(test)]
mod tests {
    use gristmill_model::job::JobSpec;
    use gristmill_model::payload::Payload;
    use gristmill_model::restored::BatchPart;
    use gristmill_model::source::Source;
    use gristmill_model::{PipelineId, ProjectId};

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
    fn what_a_base_tells_batch_by_batch_is_known_by_job() {
        let part = |batch, runs: &[(u64, u64)]| {
            let runs =
                runs.iter().map(|(first, count)| JobRun { first: JobId(*first), count: *count });
            Event::Restored(Part::Batch(Box::new(batch_part(batch, runs.collect()))))
        };
        let mut runs = Runs::default();
        // Batch 1 was forgotten, and batch 4; batch 2 was added to after batch 3.
        runs.learn(&part(2, &[(4, 3), (9, 2)]));
        runs.learn(&part(3, &[(7, 2)]));
        runs.learn(&part(5, &[(15, 1)]));
        runs.learn(&Event::Restored(Part::Shares { served: 0, used: vec![], next: [20; 6] }));
        let source = Source::Brace("{1..2}".into());
        let (batch, first) = (BatchId(6), JobId(21));
        runs.learn(&Event::RangeAdded { batch, first, count: 2, source });
        let found = |job| runs.batch_of(JobId(job)).map_or(0, |batch| batch.0);
        assert_eq!(
            (0..24).map(found).collect::<Vec<_>>(),
            [0, 0, 0, 0, 2, 2, 2, 3, 3, 2, 2, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 6, 6, 0]
        );
        let among = runs.batches_in(JobRun { first: JobId(6), count: 20 });
        assert_eq!(among.map(|batch| batch.0).collect::<Vec<_>>(), [2, 3, 2, 5, 6]);
    }

    fn batch_part(batch: u64, runs: Vec<JobRun>) -> BatchPart {
        BatchPart {
            batch: BatchId(batch),
            project: ProjectId::DEFAULT,
            pipeline: PipelineId(1),
            name: None,
            key: None,
            priority: 0,
            open: false,
            runs,
            succeeded: 0,
            finished_at: None,
            announce: false,
            held: false,
            start_at: None,
            pending: Default::default(),
            age_from: None,
            expires_at: None,
            deadline: None,
            limit_key: None,
            callback: None,
        }
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
