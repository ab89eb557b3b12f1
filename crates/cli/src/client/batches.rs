//! Batches: submit, follow, cancel, fetch results.

use std::time::Duration;

use gristmill_model::api::{
    Accepted, Affected, AppendRequest, Batch, BatchRequest, Job, JobRequest, Page, RangeRequest,
};
use gristmill_model::{BatchId, JobId, Span, limits};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, Method, Response};

use super::{Client, answer};
use crate::error::Result;

/// A full server is asked again this often; then its refusal stands.
const TRIES: u32 = 8;
/// No server is waited for longer than this between two tries, whatever it asks.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Client {
    /// Submits a batch with its jobs in one body.
    pub async fn submit(&self, batch: &BatchRequest, key: Option<&str>) -> Result<Accepted> {
        let mut tries = 0;
        loop {
            let mut request = self.request(Method::POST, "v1/batches").json(batch);
            if let Some(key) = key {
                request = request.header("Idempotency-Key", key);
            }
            let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
            tries += 1;
            match answer::pause(&answer) {
                Some(pause) if tries < TRIES => {
                    tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
                }
                _ => return self.accepted(answer).await,
            }
        }
    }

    /// Submits a batch as NDJSON: its head, then a job a line, as they come.
    pub async fn submit_lines(&self, lines: Body, key: Option<&str>) -> Result<Accepted> {
        let mut request = self
            .request(Method::POST, "v1/batches")
            .header(CONTENT_TYPE, "application/x-ndjson")
            .body(lines);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        self.accepted(answer).await
    }

    async fn accepted(&self, answer: Response) -> Result<Accepted> {
        let bytes = answer::check(answer).await?.bytes().await;
        let bytes = bytes.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            crate::error::Error::internal(format!("the server accepted unreadably: {error}"))
        })
    }

    /// Adds jobs to an open batch.
    pub async fn append(
        &self,
        batch: BatchId,
        jobs: Vec<JobRequest>,
        close: bool,
    ) -> Result<Accepted> {
        let path = format!("v1/batches/{batch}/jobs");
        self.post(&path, &AppendRequest { jobs, range: None, close }).await
    }

    /// Adds jobs to an open batch as one record.
    pub async fn append_range(
        &self,
        batch: BatchId,
        range: RangeRequest,
        close: bool,
    ) -> Result<Accepted> {
        let path = format!("v1/batches/{batch}/jobs");
        self.post(&path, &AppendRequest { jobs: Vec::new(), range: Some(range), close }).await
    }

    /// Adds jobs to an open batch as NDJSON, as they come.
    pub async fn append_lines(&self, batch: BatchId, lines: Body, close: bool) -> Result<Accepted> {
        let path = format!("v1/batches/{batch}/jobs?close={close}");
        let request = self.request(Method::POST, &path);
        let request = request.header(CONTENT_TYPE, "application/x-ndjson").body(lines);
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        self.accepted(answer).await
    }

    pub async fn batch(&self, batch: BatchId) -> Result<Batch> {
        self.get(&format!("v1/batches/{batch}")).await
    }

    /// The batch once it is finished, or as it stands after `hold`.
    pub async fn wait_for_batch(&self, batch: BatchId, hold: Duration) -> Result<Batch> {
        let hold = Span::from_std(hold).to_string();
        self.get_with(&format!("v1/batches/{batch}"), &[("wait", hold)]).await
    }

    pub async fn batches(&self, limit: usize) -> Result<Vec<Batch>> {
        self.pages("v1/batches", &[], limit, |batch: &Batch| batch.id.to_string()).await
    }

    pub async fn cancel_batch(&self, batch: BatchId) -> Result<Affected> {
        self.post(&format!("v1/batches/{batch}/cancel"), &serde_json::json!({})).await
    }

    /// Queues a batch's failed and cancelled jobs again.
    pub async fn retry_batch(&self, batch: BatchId) -> Result<Affected> {
        self.post(&format!("v1/batches/{batch}/retry"), &serde_json::json!({})).await
    }

    /// The batch's jobs in order of submission, after a job or from the first; at most a page.
    pub async fn results(&self, batch: BatchId, after: Option<JobId>) -> Result<Vec<Job>> {
        let mut query =
            vec![("filter", format!("batch={batch}")), ("limit", limits::PAGE.to_string())];
        query.extend(after.map(|after| ("after", after.to_string())));
        let page: Page<Job> = self.get_with("v1/jobs", &query).await?;
        Ok(page.items)
    }
}
