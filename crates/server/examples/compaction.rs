//! What a compaction of the log costs and brings: restarts and sizes before and after, its time and
//! CPU, and how long appends wait while it works.
//!
//! ```text
//! cargo run --release -p gristmill-server --example compaction -- [DONE] [WAITING] [FOLDER]
//! ```
//!
//! DONE no-op jobs are done, WAITING more are left waiting. Server and worker share this process.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gristmill_model::access::Actor;
use gristmill_model::attempt::{Outcome, Success, Usage};
use gristmill_model::command::{Command, PipelineRef, Submission};
use gristmill_model::job::JobSpec;
use gristmill_model::limits::{self, Timing};
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::resources::{Capacity, Resources};
use gristmill_model::wire::{Ended, FromWorker, Hello, PROTOCOL, ToWorker};
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{AttemptId, Span};
use gristmill_server::{Config, Durability, Handle, Server};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Pause between two appends that are timed.
const PACE: Duration = Duration::from_millis(2);
/// How long appends are timed while nothing else happens.
const QUIET: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let done: usize = words.next().map_or(Ok(100_000), |n| n.parse())?;
    let waiting: usize = words.next().map_or(Ok(0), |n| n.parse())?;
    let folder = words
        .next()
        .map_or_else(|| std::env::temp_dir().join("gristmill-compaction"), PathBuf::from);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let (durability, timing) = (Durability::Full, Timing::default());
    let whole = Config { data: folder.clone(), durability, timing, keep_events: None };

    let server = Server::open(whole.clone())?;
    fill(&server.handle(), done, waiting).await?;
    server.close();
    let server = restart(&whole, "before")?;
    probe(&server.handle(), "while nothing else happens", async |_, since| since.elapsed() > QUIET)
        .await?;
    server.close();
    sizes(&folder, "before")?;

    println!("memory before: {} MiB", memory()?);
    let server = Server::open(Config { keep_events: Some(0), ..whole.clone() })?;
    let mut most = 0;
    let began = Instant::now();
    probe(&server.handle(), "until the base is in force", async |handle, _| {
        most = most.max(memory().unwrap_or_default());
        handle.kept_after() > 0
    })
    .await?;
    println!(
        "base in force after {:.1} s, memory at most {most} MiB",
        began.elapsed().as_secs_f64()
    );
    probe(&server.handle(), "while the events are cleared", async |_, since| {
        since.elapsed() > QUIET
    })
    .await?;
    println!("CPU of the compactor: {:.1} s", compactor_cpu()?);
    server.close();
    sizes(&folder, "after")?;
    restart(&whole, "after")?.close();
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Has jobs submitted and done.
async fn fill(handle: &Handle, done: usize, waiting: usize) -> Result<()> {
    let (says, mut hears) = handle.connect_worker();
    says.send(FromWorker::Hello(hello())).await?;
    let started = Instant::now();
    let worker = tokio::spawn(async move {
        let mut settled = 0;
        while settled < done {
            match hears.recv().await.ok_or("the link broke")? {
                ToWorker::Run(run) => {
                    for some in run.chunks(limits::REPORTS_PER_FRAME) {
                        let ended = some.iter().map(|a| success(a.attempt)).collect();
                        says.send(FromWorker::Ended(ended)).await?;
                    }
                }
                ToWorker::Settled(some) => settled += some.len(),
                _ => {}
            }
        }
        says.send(FromWorker::Goodbye).await?;
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });
    submit(handle, done).await?;
    worker.await??;
    println!("{done} jobs done in {:.1} s", started.elapsed().as_secs_f64());
    submit(handle, waiting).await
}

async fn submit(handle: &Handle, jobs: usize) -> Result<()> {
    for first in (0..jobs).step_by(limits::JOBS_PER_COMMAND) {
        let piece = first..jobs.min(first + limits::JOBS_PER_COMMAND);
        let specs = piece.map(|n| JobSpec::of(Payload::Text(n.to_string()))).collect();
        let command =
            CommandSpec { argv: vec!["true".into()], shell: false, env: Default::default() };
        let mut stage = StageSpec::new("only", Handler::Command(command));
        stage.resources = Resources { cpus: 0, ..stage.resources };
        let spec = PipelineSpec { name: "noop".into(), stages: vec![stage] };
        let submission = Submission::new(PipelineRef::Inline(spec), specs);
        handle
            .request(Actor::LOCAL, Command::Submit(Box::new(submission)))
            .await
            .map_err(refused)?;
    }
    Ok(())
}

fn refused(rejection: gristmill_model::problem::Rejection) -> String {
    rejection.detail
}

/// Times appends of one event, one after the other, until it is enough.
async fn probe(
    handle: &Handle,
    what: &str,
    mut enough: impl AsyncFnMut(&Handle, Instant) -> bool,
) -> Result<()> {
    let since = Instant::now();
    let mut took = Vec::new();
    while !enough(handle, since).await {
        let (name, weight) = ("probe".into(), took.len() as u32 % 2 + 1);
        let begun = Instant::now();
        let command = Command::DefineProject { name, weight };
        handle.request(Actor::LOCAL, command).await.map_err(refused)?;
        took.push(begun.elapsed());
        tokio::time::sleep(PACE).await;
    }
    took.sort();
    let at =
        |per_mille: usize| took.get(took.len() * per_mille / 1_000).copied().unwrap_or_default();
    println!(
        "{} appends {what}: p50 {:?}, p99 {:?}, longest {:?}",
        took.len(),
        at(500),
        at(990),
        took.last().copied().unwrap_or_default()
    );
    Ok(())
}

fn restart(config: &Config, when: &str) -> Result<Server> {
    let started = Instant::now();
    let server = Server::open(config.clone())?;
    println!("restart {when}: {:.3} s", started.elapsed().as_secs_f64());
    Ok(server)
}

/// The log's file, and how much of it is in use.
fn sizes(folder: &Path, when: &str) -> Result<()> {
    let connection = rusqlite::Connection::open(folder.join("log.db"))?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (pages, free, size) =
        (number("page_count")?, number("freelist_count")?, number("page_size")?);
    let mib = |pages: i64| pages * size / (1 << 20);
    let read = std::fs::metadata(folder.join("read.db"))?.len() >> 20;
    println!(
        "log.db {when}: {} MiB, of which {} MiB in use; read.db: {read} MiB",
        mib(pages),
        mib(pages - free)
    );
    Ok(())
}

/// What this process has in memory, in MiB.
fn memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
}

/// Seconds of CPU that the compactor's thread has had.
fn compactor_cpu() -> Result<f64> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        if let Some((_, rest)) = stat.split_once("(compactor) ") {
            let fields: Vec<&str> = rest.split(' ').collect();
            let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
            return Ok(ticks / 100.0);
        }
    }
    Err("no compactor".into())
}

fn hello() -> Hello {
    Hello {
        protocol: PROTOCOL,
        instance: 1,
        description: WorkerDescription::new("bench", &["command"], Capacity::of_cpus(64)),
        prefetch: 1_024,
        holds: vec![],
        offers: vec![],
    }
}

fn success(attempt: AttemptId) -> Ended {
    let success = Success { output: Payload::empty(), artifacts: vec![], warnings: vec![] };
    let usage = Usage { wall: Span::millis(1), ..Usage::default() };
    Ended { attempt, outcome: Outcome::Succeeded(success), usage, devices: vec![] }
}
