//! The work done in this process: a server without a listener over `DST/.gristmill`, and a worker
//! over the link inside the process. The same code as anywhere else, only without sockets.

mod records;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use gristmill_model::access::Actor;
use gristmill_model::api::Job;
use gristmill_model::command::{Command, PipelineRef, Reply, Submission, Submitted};
use gristmill_model::filter::{Field, Filter, Op, Term};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::{Artifact, Payload, Place};
use gristmill_model::pipeline::{PipelineSpec, StageSpec};
use gristmill_model::resources::Resources;
use gristmill_model::{BatchId, JobId, limits};
use gristmill_server::feed::{Missed, Subscription, Topic};
use gristmill_server::read::JobPage;
use gristmill_server::{Handle, Server};
use gristmill_worker::device::Claimed;
use gristmill_worker::{Connection, Shutdown, WorkerConfig, WorkerError};
use tokio::task::JoinHandle;

use super::drive::Drive;
use super::end::End;
use super::mill::{News, Order, Placed};
use crate::error::{Error, Result};

/// Thousandths of a CPU that a picture books here. It takes a whole one; but then the next picture
/// would be started when the last one is done, and its thread would wait for it. There are no more
/// threads than CPUs, so booked at half the next one lies ready.
const READY: u32 = 500;

/// A server and a worker of this process.
pub struct Local {
    server: Server,
    handle: Handle,
    feed: Subscription,
    worker: JoinHandle<std::result::Result<(), WorkerError>>,
    shutdown: Shutdown,
    stage: StageSpec,
    /// This run's batch, once something was submitted.
    batch: Option<BatchId>,
}

impl Local {
    /// Opens the records of earlier runs, or begins them; with `fresh` they are thrown away.
    pub async fn open(folder: &Path, stage: StageSpec, workers: u32, fresh: bool) -> Result<Local> {
        let server = records::open(folder, fresh)?;
        let handle = server.handle();
        records::clear(&handle).await?;
        let feed = handle.feed().subscribe(Topic::default(), None);
        let shutdown = Shutdown::new();
        let parts = records::parts(folder)?;
        let worker = work(&handle, folder, &parts, workers, shutdown.clone());
        let resources = Resources { cpus: READY, ..stage.resources };
        let stage = StageSpec { resources, ..stage };
        Ok(Local { server, handle, feed, worker, shutdown, stage, batch: None })
    }

    pub async fn known(&self, keys: &[&str]) -> Result<Vec<Job>> {
        self.ask(Field::Key, keys.iter().map(|key| (*key).to_owned()).collect()).await
    }

    pub async fn look(&self, jobs: &[JobId]) -> Result<Vec<Job>> {
        self.ask(Field::Id, jobs.iter().map(JobId::to_string).collect()).await
    }

    async fn ask(&self, field: Field, values: Vec<String>) -> Result<Vec<Job>> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let filter = Filter { terms: vec![Term { field, op: Op::Is, values }] };
        let page = JobPage { filter, after: None, limit: limits::PAGE, newest_first: false };
        let found = self.handle.read().ask(move |tables| tables.jobs(&page)).await;
        Ok(found.map_err(records::unreadable)?.items)
    }

    fn submission(&self, jobs: Vec<JobSpec>) -> Submission {
        let (name, stages) = ("images".into(), vec![self.stage.clone()]);
        Submission::new(PipelineRef::Inline(PipelineSpec { name, stages }), jobs)
    }

    pub async fn submit(&mut self, orders: &[Order<'_>]) -> Result<Vec<Placed>> {
        let jobs = orders.iter().map(job).collect();
        let command = match self.batch {
            Some(batch) => Command::Append { batch, jobs, range: None, close: false },
            None => Command::Submit(Box::new(Submission { open: true, ..self.submission(jobs) })),
        };
        let Reply::Batch(submitted) = self.handle.request(Actor::LOCAL, command).await? else {
            return Err(Error::internal("a submission was not answered with a batch"));
        };
        self.batch = Some(submitted.batch);
        Ok(placed(&submitted, orders.len()))
    }

    pub async fn again(&mut self, job: JobId) -> Result<()> {
        self.handle.request(Actor::LOCAL, Command::RetryJob(job)).await?;
        Ok(())
    }

    pub async fn next(&mut self) -> Result<News> {
        loop {
            let event = tokio::select! {
                event = self.feed.next() => match event {
                    Ok(event) => event,
                    // So many ended meanwhile that some were not told: they are asked after.
                    Err(Missed { .. }) => return Ok(News::LookAgain),
                },
                why = self.handle.failed() => return Err(why.into()),
                left = &mut self.worker => {
                    let why = left.map_or_else(|panic| panic.to_string(), |left| match left {
                        Ok(()) => "it left".into(),
                        Err(error) => error.to_string(),
                    });
                    return Err(Error::internal(format!("the worker in this process ended: {why}")));
                }
            };
            let Some(event) = event else {
                return Err(Error::internal("the server in this process ended"));
            };
            match (event.job, event.state) {
                (Some(job), Some(state)) if state.is_final() => {
                    return Ok(
                        End::told(&event).map_or(News::LookAgain, |end| News::Ended(job, end))
                    );
                }
                _ => {}
            }
        }
    }

    /// Lets the worker finish what it holds, hears of it, and closes the records.
    pub async fn close(mut self, interrupted: bool, drive: &mut Drive<'_>) -> Result<()> {
        self.shutdown.drain();
        if let (false, Some(batch)) = (interrupted, self.batch) {
            let close = Command::Append { batch, jobs: Vec::new(), range: None, close: true };
            self.handle.request(Actor::LOCAL, close).await?;
        }
        // It leaves when all that it did is recorded. A second Ctrl-C ends the process.
        if !self.worker.is_finished() {
            let _ = (&mut self.worker).await;
        }
        for job in self.look(&drive.out()).await? {
            if job.state.is_final() {
                drive.ended(job.id, End::of(job));
            }
        }
        let Local { server, handle, feed, .. } = self;
        drop((handle, feed));
        tokio::task::spawn_blocking(move || server.close())
            .await
            .map_err(|error| Error::internal(format!("the records were not closed: {error}")))
    }
}

fn work(
    handle: &Handle,
    folder: &Path,
    parts: &Path,
    workers: u32,
    shutdown: Shutdown,
) -> JoinHandle<std::result::Result<(), WorkerError>> {
    let (sender, receiver) = handle.connect_worker();
    let config = WorkerConfig {
        name: "local".into(),
        handlers: vec!["images".into()],
        cpus: workers,
        // One image at a time on each worker: the images' own limits bound their memory.
        named: BTreeMap::new(),
        labels: BTreeMap::new(),
        devices: Claimed::default(),
        sessions: Vec::new(),
        memory: 0,
        // Only this process submits, and only what the user named.
        shared_roots: vec!["/".into()],
        scratch: folder.join("scratch"),
        parts: Some(parts.to_owned()),
        prefetch: limits::PREFETCH,
        stop_grace: crate::cmd::work::stop_grace(),
    };
    let blobs = Arc::new(records::NoBlobs);
    let connection = Connection::InProcess { sender, receiver, blobs };
    tokio::spawn(async move { gristmill_worker::run(config, connection, &shutdown).await })
}

fn job(order: &Order<'_>) -> JobSpec {
    let image = order.image;
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let name = image.source.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    JobSpec {
        output: Some(path(&image.path)),
        key: order.keyed.then(|| image.key.clone()),
        ..JobSpec::of(Payload::File(Artifact {
            name,
            size: image.source.size,
            place: Place::Path(path(&image.source.path)),
        }))
    }
}

/// Which job each order became: known ones by their place, new ones without gaps.
fn placed(submitted: &Submitted, orders: usize) -> Vec<Placed> {
    let known: HashMap<u64, JobId> = submitted.known.iter().copied().collect();
    let mut next = submitted.first.0;
    let place = |index: u64| match known.get(&index) {
        Some(job) => Placed { job: *job, known: true },
        None => {
            next += 1;
            Placed { job: JobId(next - 1), known: false }
        }
    };
    (0..orders as u64).map(place).collect()
}
