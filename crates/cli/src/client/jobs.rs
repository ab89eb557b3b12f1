//! Jobs: look, cancel, retry, explain, read what they printed.

use futures::{Stream, TryStreamExt};
use gristmill_model::api::{Attempt, Explanation, Job, JobAt, Page};
use gristmill_model::limits;
use reqwest::header::ACCEPT;
use reqwest::{Method, RequestBuilder};

use super::Client;
use crate::error::Result;

impl Client {
    pub async fn job(&self, job: JobAt) -> Result<Job> {
        self.get(&format!("v1/jobs/{job}")).await
    }

    /// The job once it is final.
    pub async fn wait_for_job(&self, job: JobAt) -> Result<Job> {
        loop {
            let found: Job = self
                .get_with(&format!("v1/jobs/{job}"), &[("wait", limits::WAIT.to_string())])
                .await?;
            if found.state.is_final() {
                return Ok(found);
            }
        }
    }

    pub async fn jobs(&self, filter: &str, limit: usize) -> Result<Vec<Job>> {
        self.pages("v1/jobs", &[("filter", filter.to_owned())], limit, |job: &Job| {
            job.id.to_string()
        })
        .await
    }

    pub async fn attempts(&self, job: JobAt) -> Result<Vec<Attempt>> {
        let page: Page<Attempt> = self.get(&format!("v1/jobs/{job}/attempts")).await?;
        Ok(page.items)
    }

    pub async fn explain(&self, job: JobAt) -> Result<Explanation> {
        self.get(&format!("v1/jobs/{job}/explain")).await
    }

    pub async fn cancel_job(&self, job: JobAt) -> Result<Job> {
        self.post(&format!("v1/jobs/{job}/cancel"), &serde_json::json!({})).await
    }

    pub async fn retry_job(&self, job: JobAt) -> Result<Job> {
        self.post(&format!("v1/jobs/{job}/retry"), &serde_json::json!({})).await
    }

    /// What a job printed, as bytes or as lines of JSON; with `follow` until it ends.
    pub async fn logs(
        &self,
        job: JobAt,
        query: &[(&str, String)],
        as_json: bool,
    ) -> Result<impl Stream<Item = Result<Vec<u8>>> + use<>> {
        let path = super::with_query(&format!("v1/jobs/{job}/logs"), query);
        let request = self.request_over(&self.patient, Method::GET, &path);
        self.output(if as_json { request.header(ACCEPT, "application/x-ndjson") } else { request })
            .await
    }

    /// What many jobs printed together, as lines of JSON.
    pub async fn joint_logs(
        &self,
        query: &[(&str, String)],
    ) -> Result<impl Stream<Item = Result<Vec<u8>>> + use<>> {
        let path = super::with_query("v1/logs", query);
        self.output(self.request_over(&self.patient, Method::GET, &path)).await
    }

    async fn output(
        &self,
        request: RequestBuilder,
    ) -> Result<impl Stream<Item = Result<Vec<u8>>> + use<>> {
        let answer = self.send(request).await?;
        let client = self.clone();
        let bytes = answer.bytes_stream().map_ok(|bytes| bytes.to_vec());
        Ok(bytes.map_err(move |error| client.unreachable(&error)))
    }
}
