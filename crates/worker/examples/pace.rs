//! How fast a worker is by itself: programs that do nothing, and images beside the same work done
//! by bare threads. `cargo run --release -p gristmill-worker --example pace [FOLDER [MILLICPUS]]`
//!
//! The server's side is a loop that keeps the worker's backlog full and settles what it reports.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gristmill_imaging::{Limits, Recipe, Workspace, process};
use gristmill_model::attempt::Outcome;
use gristmill_model::payload::{Artifact, Payload, Place};
use gristmill_model::pipeline::{CommandSpec, Handler, ImagesSpec};
use gristmill_model::resources::Resources;
use gristmill_model::wire::{Assignment, FromWorker, ToWorker, Welcome};
use gristmill_model::{AttemptId, BatchId, JobId, Span, WorkerId, limits};
use gristmill_worker::device::Claimed;
use gristmill_worker::{Connection, HttpBlobs, Shutdown, WorkerConfig, probe};
use tokio::sync::mpsc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const RECIPE: &str = r#"{"operations":[{"resize":{"width":512,"height":512}}]}"#;
const IMAGES: usize = 400;
const ROUNDS: usize = 12;
const PROGRAMS: usize = 4_000;
const LOOK_AHEAD: usize = 64;

#[tokio::main]
async fn main() -> Result<()> {
    let home = tempfile::tempdir()?;
    let program = || {
        let argv = vec!["true".to_owned()];
        Handler::Command(CommandSpec { argv, shell: false, env: BTreeMap::new() })
    };
    let work: Vec<Assignment> = (0..PROGRAMS).map(|n| assignment(n, program())).collect();
    let each = |wall: Duration, count: usize| wall.as_secs_f64() * 1e6 / count as f64;
    let before = own_cpu();
    let bare = by_spawning()?;
    let between = own_cpu();
    let wall = through_worker(home.path(), work).await?;
    println!(
        "programs: {:.0}/s, {:.0} us of CPU each beside the program's own; bare threads that spawn \
         and wait: {:.0}/s, {:.0} us",
        1e6 / each(wall, PROGRAMS),
        each(own_cpu() - between, PROGRAMS),
        1e6 / each(bare, PROGRAMS),
        each(between - before, PROGRAMS),
    );

    let Some(folder) = std::env::args().nth(1) else { return Ok(()) };
    // What one image books: with half a CPU the next one lies ready while a thread is busy.
    let cpus = std::env::args().nth(2).map_or(Ok(1_000), |milli| milli.parse())?;
    let sources: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok()?.path().canonicalize().ok())
        .collect();
    let (mut bare, mut worker) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        bare = bare.min(by_threads(home.path(), &sources)?);
        let work = images(home.path(), &sources, cpus);
        worker = worker.min(through_worker(home.path(), work).await?);
    }
    let (bare, worker) = (each(bare, IMAGES), each(worker, IMAGES));
    let over = (worker / bare - 1.0) * 100.0;
    println!("images, best of {ROUNDS}: bare {bare:.0} us, worker {worker:.0} us, {over:+.2} %");
    Ok(())
}

/// What this process has used of the CPUs, its children left out.
fn own_cpu() -> Duration {
    // SAFETY: a zeroed `rusage` is a valid one, and a valid place for the result.
    let used = unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut used);
        used
    };
    let span = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs())
            + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    span(used.ru_utime) + span(used.ru_stime)
}

fn assignment(n: usize, handler: Handler) -> Assignment {
    Assignment {
        attempt: AttemptId(n as u64 + 1),
        job: JobId(n as u64 + 1),
        batch: BatchId(1),
        stage: "work".into(),
        number: 1,
        handler,
        resources: Resources::default(),
        timeout: None,
        input: Payload::empty(),
        output: None,
        seat: None,
        alone: false,
    }
}

fn images(home: &Path, sources: &[PathBuf], cpus: u32) -> Vec<Assignment> {
    let image = |n: usize| {
        let path = sources[n % sources.len()].to_string_lossy().into_owned();
        let input =
            Payload::File(Artifact { name: "in".into(), size: 0, place: Place::Path(path) });
        let output = Some(home.join(format!("out/{n}.jpg")).to_string_lossy().into_owned());
        let handler = Handler::Images(ImagesSpec { recipe: RECIPE.into() });
        let resources = Resources { cpus, ..Resources::default() };
        Assignment { input, output, resources, ..assignment(n, handler) }
    };
    (0..IMAGES).map(image).collect()
}

async fn through_worker(home: &Path, work: Vec<Assignment>) -> Result<Duration> {
    let (sender, mut from) = mpsc::channel(limits::FRAMES_PER_WORKER);
    let (to, receiver) = mpsc::channel(limits::FRAMES_PER_WORKER);
    let blobs = Arc::new(HttpBlobs::new("http://127.0.0.1:9", None)?);
    let config = WorkerConfig {
        name: "pace".into(),
        handlers: vec!["command".into(), "images".into()],
        cpus: probe::cpus(),
        memory: 0,
        named: BTreeMap::new(),
        labels: BTreeMap::new(),
        devices: Claimed::default(),
        sessions: Vec::new(),
        shared_roots: vec!["/".into()],
        scratch: home.join("scratch"),
        prefetch: limits::PREFETCH,
        parts: None,
        stop_grace: limits::STOP_GRACE.to_std(),
    };
    let shutdown = Shutdown::new();
    let asked = shutdown.clone();
    let connection = Connection::InProcess { sender, receiver, blobs };
    let worker =
        tokio::spawn(async move { gristmill_worker::run(config, connection, &asked).await });
    let total = work.len();
    let mut work = work.into_iter();
    let (mut done, mut began) = (0, Instant::now());
    while done < total {
        match from.recv().await.ok_or("the worker left")? {
            FromWorker::Hello(_) => {
                began = Instant::now();
                let (heartbeat, lease) = (Span::seconds(3), Span::seconds(15));
                let welcome = Welcome { worker: WorkerId(1), heartbeat, lease, stale: vec![] };
                to.send(ToWorker::Welcome(welcome)).await?;
                to.send(ToWorker::Run(work.by_ref().take(LOOK_AHEAD).collect())).await?;
            }
            FromWorker::Ended(batch) => {
                done += batch.len();
                if let Some(Outcome::Failed(why)) = batch
                    .iter()
                    .map(|ended| &ended.outcome)
                    .find(|o| matches!(o, Outcome::Failed(_)))
                {
                    return Err(format!("{}: {}", why.code, why.message).into());
                }
                let next: Vec<Assignment> = work.by_ref().take(batch.len()).collect();
                to.send(ToWorker::Settled(batch.iter().map(|ended| ended.attempt).collect()))
                    .await?;
                if !next.is_empty() {
                    to.send(ToWorker::Run(next)).await?;
                }
            }
            _ => {}
        }
    }
    let wall = began.elapsed();
    shutdown.drain();
    drop(from);
    worker.await??;
    Ok(wall)
}

/// The floor for programs: as many threads as CPUs, doing nothing but starting and waiting.
fn by_spawning() -> Result<Duration> {
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..probe::cpus() {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < PROGRAMS {
                    let output = std::process::Command::new("true").output();
                    assert!(output.is_ok_and(|output| output.status.success()));
                }
            });
        }
    });
    Ok(began.elapsed())
}

/// The floor for images: as many threads as CPUs, reading, processing and writing files.
fn by_threads(home: &Path, sources: &[PathBuf]) -> Result<Duration> {
    let recipe: Recipe = serde_json::from_str(RECIPE)?;
    let next = AtomicUsize::new(0);
    std::fs::create_dir_all(home.join("bare"))?;
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..probe::cpus() {
            scope.spawn(|| {
                let mut workspace = Workspace::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= IMAGES {
                        return;
                    }
                    let made = std::fs::read(&sources[n % sources.len()]).ok().and_then(|bytes| {
                        process(&mut workspace, &bytes, &recipe, &Limits::default()).ok()
                    });
                    let target = home.join(format!("bare/{n}.jpg"));
                    let aside = home.join(format!("bare/.{n}.part"));
                    let written = made.map(|made| {
                        std::fs::write(&aside, made.bytes)
                            .and_then(|()| std::fs::rename(&aside, &target))
                    });
                    assert!(matches!(written, Some(Ok(()))), "{n} was not made");
                }
            });
        }
    });
    Ok(began.elapsed())
}
