//! The work done by a server's workers: by paths on a shared disk, or with pictures sent up and
//! results fetched.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use gristmill_model::api::{BatchRequest, FeedEvent, Job, JobRequest};
use gristmill_model::attempt::{Failure, FailureKind};
use gristmill_model::digest::Digest;
use gristmill_model::payload::{Artifact, Place};
use gristmill_model::pipeline::StageSpec;
use gristmill_model::{BatchId, JobId};
use tokio::task::JoinSet;

use super::end::End;
use super::mill::{News, Order, Placed};
use super::plan::Image;
use crate::client::{Client, Events};
use crate::error::Result;

/// Transfers at once.
const TRANSFERS: usize = 8;
/// Keys or ids in one question: a URL stays under what servers take.
const ASKED: usize = 50;
/// Jobs of earlier batches are not in our feed; they are asked after at this pace.
const GLANCE: Duration = Duration::from_secs(1);

/// A server and the batch of this run.
pub struct Remote {
    client: Client,
    batch: BatchId,
    events: Events,
    /// Workers see our disk.
    shared: bool,
    /// Where results go, for jobs that are out.
    paths: HashMap<JobId, PathBuf>,
    fetching: JoinSet<(JobId, End)>,
    /// Some jobs are of earlier batches.
    foreign: bool,
    glance: tokio::time::Interval,
}

impl Remote {
    /// Opens a batch for this run and listens to it.
    pub async fn open(
        client: Client,
        stage: StageSpec,
        shared: bool,
        src: &Path,
    ) -> Result<Remote> {
        let name = src.file_name().map(|name| name.to_string_lossy().into_owned());
        let batch = BatchRequest {
            stages: Some(vec![stage]),
            name: name.filter(|name| name.len() <= gristmill_model::limits::NAME_BYTES),
            open: true,
            ..BatchRequest::default()
        };
        let batch = client.submit(&batch, None).await?.batch;
        let events = client.events(batch).await?;
        let mut glance = tokio::time::interval(GLANCE);
        glance.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Ok(Remote {
            client,
            batch,
            events,
            shared,
            paths: HashMap::new(),
            fetching: JoinSet::new(),
            foreign: false,
            glance,
        })
    }

    pub async fn known(&self, keys: &[&str]) -> Result<Vec<Job>> {
        self.ask("key", keys).await
    }

    pub async fn look(&self, jobs: &[JobId]) -> Result<Vec<Job>> {
        let ids: Vec<String> = jobs.iter().map(JobId::to_string).collect();
        self.ask("id", &ids.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    async fn ask(&self, field: &str, values: &[&str]) -> Result<Vec<Job>> {
        let filters: Vec<String> =
            values.chunks(ASKED).map(|some| format!("{field}={}", some.join(","))).collect();
        let pages: Vec<Vec<Job>> = stream::iter(filters)
            .map(|filter| async move { self.client.jobs(&filter, ASKED).await })
            .buffered(TRANSFERS)
            .try_collect()
            .await?;
        Ok(pages.into_iter().flatten().collect())
    }

    pub async fn submit(&mut self, orders: &[Order<'_>]) -> Result<Vec<Placed>> {
        let this = &*self;
        let jobs: Vec<JobRequest> = stream::iter(orders)
            .map(|order| this.request(order))
            .buffered(TRANSFERS)
            .try_collect()
            .await?;
        let accepted = self.client.append(self.batch, jobs, false).await?;
        let known: HashMap<u64, JobId> =
            accepted.known.iter().map(|known| (known.index, known.job)).collect();
        let mut next = accepted.first_job.0;
        let mut placed = Vec::with_capacity(orders.len());
        for (index, order) in orders.iter().enumerate() {
            let known = known.get(&(index as u64)).copied();
            let job = known.unwrap_or_else(|| {
                next += 1;
                JobId(next - 1)
            });
            self.paths.insert(job, order.image.path.clone());
            placed.push(Placed { job, known: known.is_some() });
        }
        Ok(placed)
    }

    async fn request(&self, order: &Order<'_>) -> Result<JobRequest> {
        let image = order.image;
        let name = image.source.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (place, size, output) = if self.shared {
            let path = image.source.path.to_string_lossy().into_owned();
            (Place::Path(path), image.source.size, Some(image.path.to_string_lossy().into_owned()))
        } else {
            let (digest, size) = self.client.upload(&image.source.path).await?;
            (Place::Blob(digest), size, None)
        };
        Ok(JobRequest {
            file: Some(Artifact { name, size, place }),
            output,
            key: order.keyed.then(|| image.key.clone()),
            ..JobRequest::default()
        })
    }

    pub async fn again(&mut self, job: JobId, image: &Image) -> Result<()> {
        self.client.retry_job(gristmill_model::api::JobAt::Id(job)).await?;
        self.paths.insert(job, image.path.clone());
        self.foreign = true;
        Ok(())
    }

    /// Begins to fetch a result that lies in the server's store.
    pub fn fetch(&mut self, job: JobId, image: &Image, end: &End) -> bool {
        match end.blob() {
            Some(digest) => self.download(job, image.path.clone(), digest, end.clone()),
            None => return false,
        }
        true
    }

    fn download(&mut self, job: JobId, path: PathBuf, digest: Digest, end: End) {
        let client = self.client.clone();
        self.paths.remove(&job);
        self.fetching.spawn(async move {
            let fetched = client.download(digest, &path).await;
            let failed = |error: crate::error::Error| {
                End::Failed(Failure::new(FailureKind::Failed, "download_failed", error.message))
            };
            (job, fetched.map_or_else(failed, |_| end))
        });
    }

    pub async fn next(&mut self) -> Result<News> {
        loop {
            tokio::select! {
                Some(fetched) = self.fetching.join_next(), if !self.fetching.is_empty() => {
                    if let Ok((job, end)) = fetched {
                        return Ok(News::Ended(job, end));
                    }
                }
                // While transfers are at their bound events wait in the feed.
                event = self.events.next(), if self.fetching.len() < TRANSFERS => {
                    if let Some(news) = self.hear(&event?) {
                        return Ok(news);
                    }
                }
                _ = self.glance.tick(), if self.foreign => return Ok(News::LookAgain),
            }
        }
    }

    /// What an event means to us: the end of one of our jobs, or nothing yet.
    fn hear(&mut self, event: &FeedEvent) -> Option<News> {
        if !event.state?.is_final() {
            return None;
        }
        // An event about many jobs at once names none: somebody cancelled them.
        let Some(job) = event.job else { return Some(News::LookAgain) };
        if !self.paths.contains_key(&job) {
            return None;
        }
        let Some(end) = End::told(event) else { return Some(News::LookAgain) };
        let path = self.paths.remove(&job)?;
        match end.blob() {
            Some(digest) => {
                self.download(job, path, digest, end);
                None
            }
            None => Some(News::Ended(job, end)),
        }
    }

    /// Takes no more jobs; when interrupted, those that wait are cancelled, and a later run tries
    /// them again.
    pub async fn close(self, interrupted: bool) -> Result<()> {
        if interrupted {
            self.client.cancel_batch(self.batch).await?;
        } else {
            self.client.append(self.batch, Vec::new(), true).await?;
        }
        Ok(())
    }
}
