//! Steering: hold and release, limits and flows, projects, workers.

use gristmill_model::api::{
    Affected, Batch, DeclareRequest, Declared, FlowRequest, Flowing, Job, JobAt, Limited, Page,
    Project, ProjectRequest, Worker,
};
use gristmill_model::scope::{Flow, Limit, Scope};
use gristmill_model::{BatchId, WorkerId};
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Client;
use crate::error::Result;

impl Client {
    /// Asks for `hold` or `release` of a job.
    pub async fn steer_job(&self, job: JobAt, verb: &str) -> Result<Job> {
        self.post(&format!("v1/jobs/{job}/{verb}"), &serde_json::json!({})).await
    }

    /// Asks for `hold`, `release` or `close` of a batch.
    pub async fn steer_batch(&self, batch: BatchId, verb: &str) -> Result<Batch> {
        self.post(&format!("v1/batches/{batch}/{verb}"), &serde_json::json!({})).await
    }

    /// Asks for `pause`, `resume` or `drain` of a worker.
    pub async fn steer_worker(&self, worker: WorkerId, verb: &str) -> Result<Worker> {
        self.post(&format!("v1/workers/{worker}/{verb}"), &serde_json::json!({})).await
    }

    /// Asks for `cancel` or `retry` of all jobs that a filter finds; `dry_run` only counts them.
    pub async fn many(&self, verb: &str, filter: &str, dry_run: bool) -> Result<Affected> {
        let query = [("filter", filter.to_owned()), ("dry_run", dry_run.to_string())];
        let path = super::with_query(&format!("v1/jobs/{verb}"), &query);
        // Of very many jobs it takes as long as it takes.
        self.read(self.request_over(&self.patient, Method::POST, &path)).await
    }

    pub async fn limits(&self, project: Option<&str>) -> Result<Vec<Limited>> {
        let page: Page<Limited> = self.get(&of("v1/limits".into(), project)).await?;
        Ok(page.items)
    }

    pub async fn limit(&self, project: Option<&str>, scope: &Scope) -> Result<Limited> {
        self.get(&of(named("v1/limits", &scope.to_string()), project)).await
    }

    pub async fn set_limit(
        &self,
        project: Option<&str>,
        scope: &Scope,
        limit: &Limit,
    ) -> Result<Limited> {
        self.put(&of(named("v1/limits", &scope.to_string()), project), limit).await
    }

    pub async fn remove_limit(&self, project: Option<&str>, scope: &Scope) -> Result<()> {
        self.delete(&of(named("v1/limits", &scope.to_string()), project)).await
    }

    pub async fn flows(&self, project: Option<&str>) -> Result<Vec<Flowing>> {
        let page: Page<Flowing> = self.get(&of("v1/flows".into(), project)).await?;
        Ok(page.items)
    }

    pub async fn set_flow(
        &self,
        project: Option<&str>,
        scope: &Scope,
        flow: Flow,
    ) -> Result<Flowing> {
        let path = of(named("v1/flows", &scope.to_string()), project);
        self.put(&path, &FlowRequest { flow }).await
    }

    pub async fn projects(&self, limit: usize) -> Result<Vec<Project>> {
        self.pages("v1/projects", &[], limit, |project: &Project| project.name.clone()).await
    }

    pub async fn project(&self, name: &str) -> Result<Project> {
        self.get(&named("v1/projects", name)).await
    }

    pub async fn define_project(&self, name: &str, weight: u32) -> Result<Project> {
        self.put(&named("v1/projects", name), &ProjectRequest { weight }).await
    }

    pub async fn declared(&self) -> Result<Vec<Declared>> {
        let page: Page<Declared> = self.get("v1/declared-workers").await?;
        Ok(page.items)
    }

    pub async fn declare(&self, name: &str, request: &DeclareRequest) -> Result<Declared> {
        self.put(&named("v1/declared-workers", name), request).await
    }

    pub async fn forget_declared(&self, name: &str) -> Result<()> {
        self.delete(&named("v1/declared-workers", name)).await
    }

    pub(super) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        self.read(self.request(Method::PUT, path).json(body)).await
    }

    async fn delete(&self, path: &str) -> Result<()> {
        self.send(self.request(Method::DELETE, path)).await.map(drop)
    }
}

/// A path that ends in a name, whatever letters the name has.
pub(super) fn named(path: &str, name: &str) -> String {
    let mut url = Url::parse("http://x").expect("a constant that is a URL");
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(path.split('/')).push(name);
    }
    url.path().trim_start_matches('/').to_owned()
}

pub(super) fn of(path: String, project: Option<&str>) -> String {
    match project {
        Some(project) => super::with_query(&path, &[("project", project.to_owned())]),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_the_path() {
        assert_eq!(named("v1/limits", "stage:a/b"), "v1/limits/stage:a%2Fb");
        assert_eq!(named("v1/limits", "key:a b?c#d"), "v1/limits/key:a%20b%3Fc%23d");
    }
}
