//! The job that a path names: by its id, `j17`, or by its place in its batch, `b3.17`.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use gristmill_model::api::JobAt;
use gristmill_model::problem::Code;
use gristmill_model::{BatchId, JobId};

use super::Api;
use super::parts::Path;
use super::problem::{Answer, Refusal};

/// A job in the path. By its id it need not be there; by its place it is.
pub(super) struct At(pub(super) JobId);

impl FromRequestParts<Api> for At {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Answer<At> {
        let Path(at) = Path::<JobAt>::from_request_parts(parts, api).await?;
        find(api, at).await.map(At)
    }
}

async fn find(api: &Api, at: JobAt) -> Answer<JobId> {
    let (batch, index) = match at {
        JobAt::Id(job) => return Ok(job),
        JobAt::Place(batch, index) => (batch, index),
    };
    let known = move |state: &gristmill_engine::State| {
        let batch = state.batch(batch)?;
        Some(batch.job_at(index).ok_or_else(|| batch.total()))
    };
    match api.handle.look(known).await? {
        Some(Ok(job)) => Ok(job),
        Some(Err(jobs)) => Err(no_such(batch, index, jobs)),
        None => forgotten(api, batch, index).await,
    }
}

/// Of a batch that the engine has forgotten the tables still know.
async fn forgotten(api: &Api, batch: BatchId, index: u64) -> Answer<JobId> {
    let shown = super::batches::find(api, batch).await?;
    let page = api.ask(move |tables| tables.results(batch, index, 1)).await?;
    match page.items.first() {
        Some(job) if job.index == index => Ok(job.id),
        _ => Err(no_such(batch, index, shown.jobs)),
    }
}

fn no_such(batch: BatchId, index: u64, jobs: u64) -> Refusal {
    let detail = match jobs.checked_sub(1) {
        Some(last) => format!("no job {batch}/{index}: its places are 0 to {last}"),
        None => format!("no job {batch}/{index}: the batch has no jobs yet"),
    };
    Refusal::new(Code::NoSuchJob, detail)
}
