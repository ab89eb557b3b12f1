//! What clients were told, and that it stays true.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_engine::State;
use gristmill_model::command::{Command, Reply, Submission, Submitted};
use gristmill_model::job::JobSpec;
use gristmill_model::{BatchId, JobId};

use super::history::History;
use super::{Verdict, Violation, require};

const DURABLE: &str = "acknowledged means durable";
const KEPT: &str = "nothing acknowledged is lost";
const ONCE: &str = "one key makes one batch";

/// Everything that was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Promises {
    batches: BTreeSet<BatchId>,
    jobs: BTreeSet<JobId>,
    by_key: BTreeMap<String, BatchId>,
}

impl Promises {
    /// An answer reached its client.
    pub(super) fn answered(
        &mut self,
        command: &Command,
        reply: &Reply,
        history: &History,
    ) -> Verdict {
        match (command, reply) {
            (Command::Submit(submission), Reply::Batch(submitted)) => {
                self.submitted(submission, submitted, history)
            }
            (Command::Append { batch, jobs, .. }, Reply::Batch(submitted)) => {
                let same = *batch == submitted.batch;
                require(same, DURABLE, || format!("{batch} became {}", submitted.batch))?;
                self.taken_in(jobs, submitted, history)
            }
            (Command::CancelJob(job), Reply::Count(_)) => cancelled(*job, history),
            (Command::CancelBatch(batch), Reply::Count(_)) => {
                let found = history.batch(*batch).ok_or_else(|| unknown(*batch))?;
                require(!found.open, DURABLE, || format!("{batch} is cancelled and open"))?;
                found.jobs.iter().try_for_each(|job| cancelled(*job, history))
            }
            (Command::RetryJob(_), Reply::Count(_))
            | (Command::DefinePipeline { .. }, Reply::Pipeline(..))
            | (Command::Drain(_), Reply::Done) => Ok(()),
            (_, reply) => Err(Violation::new(DURABLE, format!("not an answer: {reply:?}"))),
        }
    }

    /// All that was acknowledged is there.
    pub(super) fn are_kept(&self, state: &State) -> Verdict {
        let lost = self.batches.iter().find(|batch| state.batch(**batch).is_none());
        require(lost.is_none(), KEPT, || format!("batch {lost:?} is gone"))?;
        let lost = self.jobs.last().filter(|job| !state.knows_job(**job));
        require(lost.is_none(), KEPT, || format!("job {lost:?} is gone"))
    }

    fn submitted(
        &mut self,
        submission: &Submission,
        submitted: &Submitted,
        history: &History,
    ) -> Verdict {
        let batch = submitted.batch;
        history.batch(batch).ok_or_else(|| unknown(batch))?;
        if let Some(key) = submission.key.as_ref().map(|key| &key.key) {
            let first = *self.by_key.entry(key.clone()).or_insert(batch);
            require(first == batch, ONCE, || format!("{key} made {first} and {batch}"))?;
            let found = history.batch_by_key(key);
            require(found == Some(batch), ONCE, || format!("{key} leads to {found:?}"))?;
        }
        self.batches.insert(batch);
        if submitted.replayed {
            return Ok(());
        }
        self.taken_in(&submission.jobs, submitted, history)
    }

    /// Every job of a submission is in the log, by its place or by its key.
    fn taken_in(&mut self, jobs: &[JobSpec], submitted: &Submitted, history: &History) -> Verdict {
        let Submitted { first, count, known, .. } = submitted;
        let complete = *count + known.len() as u64 == jobs.len() as u64;
        require(complete, DURABLE, || format!("{count} of {} jobs were taken", jobs.len()))?;
        let known: BTreeMap<u64, JobId> = known.iter().copied().collect();
        let mut new = (first.0..).map(JobId);
        for (index, spec) in jobs.iter().enumerate() {
            let by_key = known.get(&(index as u64)).copied();
            let id = by_key.or_else(|| new.next()).expect("numbers do not end");
            let job = history.job(id);
            let same = job.is_some_and(|job| job.first_input == spec.input);
            require(same, DURABLE, || format!("{id} is not the job that was submitted"))?;
            self.jobs.insert(id);
        }
        Ok(())
    }
}

/// A job that was cancelled has been, or had ended, or was put back by hand since.
fn cancelled(id: JobId, history: &History) -> Verdict {
    let job = history.job(id);
    let holds = job.is_some_and(|job| job.cancels + job.retries > 0 || job.state.is_final());
    require(holds, DURABLE, || format!("{id} was to be cancelled and is not in the log"))
}

fn unknown(batch: BatchId) -> Violation {
    Violation::new(DURABLE, format!("{batch} is not in the log"))
}
