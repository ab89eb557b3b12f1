//! One file a verb: judge first, then emit. A rejection emits nothing.

pub(crate) mod append;
pub(crate) mod callback;
pub(crate) mod cancel;
pub(crate) mod device;
pub(crate) mod greet;
pub(crate) mod heartbeat;
pub(crate) mod hold;
pub(crate) mod leave;
mod offers;
pub(crate) mod pipeline;
pub(crate) mod project;
pub(crate) mod report;
pub(crate) mod retry;
pub(crate) mod scope;
pub(crate) mod submit;
pub(crate) mod terms;
pub(crate) mod worker;

use gristmill_model::job::JobState;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{BatchId, JobId, JobRun, WorkerId, limits};

use crate::state::{Batch, Job, State, Worker};

fn find_batch(state: &State, id: BatchId) -> Result<&Batch, Rejection> {
    state.batch(id).ok_or_else(|| {
        if state.knows_batch(id) {
            return Rejection::forgotten(format_args!("batch {id}"));
        }
        Rejection::new(Code::NoSuchBatch, format!("no batch {id}"))
    })
}

fn find_worker(state: &State, id: WorkerId) -> Result<&Worker, Rejection> {
    state.worker(id).ok_or_else(|| Rejection::new(Code::NoSuchWorker, format!("no worker {id}")))
}

/// How a job stands. One that finished so long ago that it was forgotten is not there.
pub(crate) fn find_state(state: &State, id: JobId) -> Result<JobState, Rejection> {
    state.job_state(id).ok_or_else(|| {
        if state.knows_job(id) {
            return Rejection::forgotten(format_args!("job {id}"));
        }
        Rejection::new(Code::NoSuchJob, format!("no job {id}"))
    })
}

/// What of a job decides whether a verb is for it.
struct Standing {
    /// Its state, apart from its batch's gate.
    state: JobState,
    /// Whether an attempt of it was ever leased.
    untouched: bool,
}

/// Jobs among these ids for which a verb is, in order, gathered into runs.
fn select(state: &State, runs: &[JobRun], wanted: impl Fn(&Standing) -> bool) -> Vec<JobRun> {
    let mut found: Vec<JobRun> = Vec::new();
    for run in runs {
        let of_job = |job: &Job| Standing { state: job.state, untouched: job.is_untouched() };
        let here = state.jobs_in(*run).filter(|(_, job)| wanted(&of_job(job)));
        let here = JobRun::gather(here.map(|(id, _)| id));
        let folded = state.folds(*run).into_iter().filter_map(|(part, fold)| {
            wanted(&Standing { state: fold.state, untouched: true }).then_some(part)
        });
        found.extend(here.into_iter().chain(folded));
    }
    found
}

/// Jobs that no attempt was ever leased for, and that are not final.
pub(crate) fn unbegun(state: &State, runs: &[JobRun]) -> Vec<JobRun> {
    select(state, runs, |job| {
        job.untouched && matches!(job.state, JobState::Queued | JobState::Blocked)
    })
}

/// Jobs that are not final and of which no attempt is leased.
pub(crate) fn unleased(state: &State, runs: &[JobRun]) -> Vec<JobRun> {
    select(state, runs, |job| {
        !job.state.is_final() && !matches!(job.state, JobState::Running | JobState::Cancelling)
    })
}

/// Cuts a text to its bound, at a character's border.
fn cut(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
    }
}

/// How many jobs there are in runs.
fn count(runs: &[JobRun]) -> u64 {
    runs.iter().map(|run| run.count).sum()
}

/// A command names runs of ids that do not overlap, in order, and not too many of them.
fn check_runs(runs: &[JobRun]) -> Result<(), Rejection> {
    if runs.len() > limits::RUNS_PER_COMMAND {
        let detail = format!("{} runs of jobs: at most {}", runs.len(), limits::RUNS_PER_COMMAND);
        return Err(Rejection::new(Code::TooLarge, detail));
    }
    let in_order = runs.windows(2).all(|pair| pair[0].end() <= pair[1].first);
    let sound =
        runs.iter().all(|run| run.count > 0 && run.first.0.checked_add(run.count).is_some());
    if !(in_order && sound) {
        let detail = "runs of jobs come in order and do not overlap";
        return Err(Rejection::new(Code::InvalidRequest, detail));
    }
    Ok(())
}
