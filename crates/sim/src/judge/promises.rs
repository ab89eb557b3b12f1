//! What clients were told, and that it stays true.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_engine::State;
use gristmill_model::command::{Command, Reply, Submission, Submitted};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::scope::Flow;
use gristmill_model::source::Source;
use gristmill_model::terms::Target;
use gristmill_model::{BatchId, JobId};

use super::history::History;
use super::{Verdict, Violation, require};
use crate::items;

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
            (Command::Append { batch, jobs, range, .. }, Reply::Batch(submitted)) => {
                let same = *batch == submitted.batch;
                require(same, DURABLE, || format!("{batch} became {}", submitted.batch))?;
                self.taken_in(jobs, range.as_ref(), submitted, history)
            }
            (Command::CancelJob(job), Reply::Count(_)) => cancelled(*job, history),
            (Command::CancelJobs(runs), Reply::Count(_)) => {
                let mut jobs = runs.iter().flat_map(|run| run.jobs());
                jobs.try_for_each(|job| cancelled(job, history))
            }
            (Command::CancelBatch(batch), Reply::Count(_)) => {
                let found = history.batch(*batch).ok_or_else(|| unknown(*batch))?;
                require(!found.open, DURABLE, || format!("{batch} is cancelled and open"))?;
                found.jobs.iter().try_for_each(|job| cancelled(*job, history))
            }
            (Command::Hold(target), Reply::Count(count)) => {
                let holds = match target {
                    Target::Job(job) => history.job(*job).map(|job| job.holds),
                    Target::Batch(batch) => history.batch(*batch).map(|batch| batch.holds),
                };
                let kept = *count == 0 || holds.is_some_and(|holds| holds > 0);
                require(kept, DURABLE, || format!("the hold of {target} is not in the log"))
            }
            (command, reply) => settings_are_kept(command, reply, history),
        }
    }

    /// All that was acknowledged is there.
    pub(super) fn are_kept(&self, state: &State, history: &History) -> Verdict {
        let pruned = |id| history.batch(id).is_some_and(|batch| batch.pruned);
        let lost = self.batches.iter().find(|id| state.batch(**id).is_none() && !pruned(**id));
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
        let found = history.batch(batch).ok_or_else(|| unknown(batch))?;
        if let Some(key) = submission.key.as_ref().map(|key| &key.key) {
            // A key leads to its batch until that is forgotten; then it may make another.
            let known = self.by_key.get(key).copied();
            let first = known.filter(|id| history.batch(*id).is_some_and(|batch| !batch.pruned));
            let first = first.unwrap_or(batch);
            require(first == batch || found.pruned, ONCE, || {
                format!("{key} made {first} and {batch}")
            })?;
            let leads = history.batch_by_key(&submission.project, key);
            require(leads == Some(batch) || found.pruned, ONCE, || {
                format!("{key} leads to {leads:?}")
            })?;
            self.by_key.insert(key.clone(), first);
        }
        self.batches.insert(batch);
        let whole = submission.jobs.len() + submission.range.as_ref().map_or(0, count_of);
        if submitted.replayed {
            let there = found.jobs.len() >= whole || has_keys(&submission.jobs);
            return require(there, DURABLE, || format!("{batch} has {} jobs", found.jobs.len()));
        }
        self.taken_in(&submission.jobs, submission.range.as_ref(), submitted, history)
    }

    /// Every job of a submission is in the log, by its place or by its key.
    fn taken_in(
        &mut self,
        jobs: &[JobSpec],
        range: Option<&Source>,
        submitted: &Submitted,
        history: &History,
    ) -> Verdict {
        let Submitted { first, count, known, .. } = submitted;
        let inputs: Vec<Payload> = jobs.iter().map(|job| job.input.clone()).collect();
        let inputs = inputs.into_iter().chain(range.into_iter().flat_map(items::of));
        let inputs: Vec<Payload> = inputs.collect();
        let complete = *count + known.len() as u64 == inputs.len() as u64;
        require(complete, DURABLE, || format!("{count} of {} jobs were taken", inputs.len()))?;
        let known: BTreeMap<u64, JobId> = known.iter().copied().collect();
        let mut new = (first.0..).map(JobId);
        for (index, input) in (0..).zip(inputs) {
            let by_key = known.get(&index).copied();
            let id = by_key.or_else(|| new.next()).expect("numbers do not end");
            let same = history.job(id).is_some_and(|job| job.first_input == input);
            require(same, DURABLE, || format!("{id} is not the job that was submitted"))?;
            self.jobs.insert(id);
        }
        Ok(())
    }
}

fn count_of(source: &Source) -> usize {
    items::of(source).len()
}

fn has_keys(jobs: &[JobSpec]) -> bool {
    jobs.iter().any(|job| job.key.is_some())
}

/// What was acknowledged as set was set: the log says so.
fn settings_are_kept(command: &Command, reply: &Reply, history: &History) -> Verdict {
    let words = match (command, reply) {
        (Command::SetLimit { project, scope, limit }, Reply::Done) if !limit.is_none() => {
            history.project_named(project).map(|project| format!("{project} {scope} {limit:?}"))
        }
        (Command::SetFlow { project, scope, flow }, Reply::Done) if *flow != Flow::Open => {
            history.project_named(project).map(|project| format!("{project} {scope} {flow}"))
        }
        (Command::PauseWorker { worker, paused: true }, Reply::Done) => {
            Some(format!("{worker} paused true"))
        }
        (Command::SetDevice { worker, device, quarantined: Some(_) }, Reply::Done) => {
            Some(format!("{worker} without {device}"))
        }
        (Command::DefineProject { name, weight }, Reply::Done) if *weight != 1 => {
            Some(format!("{name} weighs {weight}"))
        }
        (Command::DeclareWorker { name, shape: Some(_) }, Reply::Done) => {
            Some(format!("declared {name} true"))
        }
        (
            Command::SetLimit { .. }
            | Command::SetFlow { .. }
            | Command::PauseWorker { .. }
            | Command::DefineProject { .. }
            | Command::DeclareWorker { .. }
            | Command::SetDevice { .. }
            | Command::Drain(_),
            Reply::Done,
        )
        | (Command::RetryJob(_) | Command::RetryJobs(_) | Command::Release(_), Reply::Count(_))
        | (Command::DefinePipeline { .. }, Reply::Pipeline(..)) => None,
        (_, reply) => return Err(Violation::new(DURABLE, format!("not an answer: {reply:?}"))),
    };
    let kept = words.as_ref().is_none_or(|words| history.ever_set(words));
    require(kept, DURABLE, || format!("`{}` is not in the log", words.unwrap_or_default()))
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
