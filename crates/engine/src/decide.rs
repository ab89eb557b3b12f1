//! One file a verb: judge first, then emit. A rejection emits nothing.

pub(crate) mod append;
pub(crate) mod cancel;
pub(crate) mod greet;
pub(crate) mod heartbeat;
pub(crate) mod leave;
pub(crate) mod pipeline;
pub(crate) mod report;
pub(crate) mod retry;
pub(crate) mod submit;

use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{BatchId, JobId, WorkerId};

use crate::state::{Batch, Job, State, Worker};

fn find_batch(state: &State, id: BatchId) -> Result<&Batch, Rejection> {
    state.batch(id).ok_or_else(|| Rejection::new(Code::NoSuchBatch, format!("no batch {id}")))
}

fn find_worker(state: &State, id: WorkerId) -> Result<&Worker, Rejection> {
    state.worker(id).ok_or_else(|| Rejection::new(Code::NoSuchWorker, format!("no worker {id}")))
}

/// A job that is live or open to a retry; one that succeeded is known but no longer here.
pub(crate) fn find_job(state: &State, id: JobId) -> Result<&Job, Rejection> {
    state.job(id).ok_or_else(|| {
        if state.knows_job(id) {
            Rejection::new(Code::WrongState, format!("job {id} has succeeded already"))
        } else {
            Rejection::new(Code::NoSuchJob, format!("no job {id}"))
        }
    })
}
