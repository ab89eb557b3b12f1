//! The measurements, one function each.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use gristmill_model::api::{Batch, BatchRequest, JobRequest};
use gristmill_model::pipeline::{CommandSpec, Handler, ImagesSpec, StageSpec};
use gristmill_model::retry::RetryPolicy;
use gristmill_model::{BatchId, limits};
use reqwest::Body;

use super::stage::Stage;
use super::wire::{self, Wire};
use super::{Figure, percentiles};
use crate::error::{Error, Result};

/// Clients that submit one job each.
pub const CLIENTS: usize = 64;
/// Requests that a client sends at once where it does not wait for each answer.
const PIPELINED: usize = 16;
/// Between two looks at whether the queue is empty.
const GLANCE: Duration = Duration::from_millis(5);
/// No measurement takes longer.
const BOUND: Duration = Duration::from_secs(300);
/// The no-op worker's handler: nobody reads its recipe.
pub const NO_OP: fn() -> Handler = || Handler::Images(ImagesSpec { recipe: "{}".into() });

/// Distinct jobs in one NDJSON submission; they wait, for no worker is there.
pub async fn bulk(stage: &Stage, jobs: u32) -> Result<Figure> {
    let head = body(&batch(NO_OP(), Vec::new()))?;
    let lines = stream::iter(0..jobs.div_ceil(1_000)).map(move |piece| {
        let of = piece * 1_000..((piece + 1) * 1_000).min(jobs);
        let text: String = of.map(|n| format!("{{\"input\":\"input {n}\"}}\n")).collect();
        Ok::<_, std::io::Error>(text)
    });
    let body = stream::iter([Ok(format!("{head}\n"))]).chain(lines);
    let started = Instant::now();
    let accepted = stage.client.submit_lines(Body::wrap_stream(body), None).await?;
    Ok(rate("submit in bulk", accepted.jobs, started))
}

/// A worker comes and takes all that waits: lease, report and durable completion. The second
/// figure is taken when the batch is shown as finished, which the read tables must know of.
pub async fn drain(stage: &Stage, jobs: u32) -> Result<[Figure; 2]> {
    let started = Instant::now();
    let worker = stage.no_op_worker().await?;
    settle(stage).await?;
    let done = rate("drain: lease + complete", jobs.into(), started);
    finished(stage, BatchId(1), started).await?;
    let shown = rate("drain, until the read tables show it", jobs.into(), started);
    stage.dismiss(worker).await?;
    Ok([done, shown])
}

/// One job a request, over many connections at once: one request after the other, and pipelined.
pub async fn singles(stage: &Stage, count: u32) -> Result<[Figure; 2]> {
    let request = wire::post("/v1/batches", &body(&batch(NO_OP(), vec![job("one")]))?);
    let one = submit_one_by_one(stage, &request, count, 1).await?;
    let some = submit_one_by_one(stage, &request, count, PIPELINED).await?;
    Ok([
        rate("submit one by one, 64 clients", one.0, one.1),
        rate("submit one by one, pipelined", some.0, some.1),
    ])
}

/// Submissions over [`CLIENTS`] connections, `depth` of them on their way in each. Returns how many
/// there were and when they began.
async fn submit_one_by_one(
    stage: &Stage,
    request: &[u8],
    count: u32,
    depth: usize,
) -> Result<(u64, Instant)> {
    let turns = (count as usize).div_ceil(CLIENTS * depth);
    let wires: Vec<Wire> =
        stream::iter(0..CLIENTS).then(|_| Wire::open(stage)).try_collect().await?;
    let requests = request.repeat(depth);
    let started = Instant::now();
    let client = async |mut wire: Wire| {
        for _ in 0..turns {
            wire.ask(&requests, depth).await?;
        }
        Ok::<(), Error>(())
    };
    try_join_all(wires.into_iter().map(client)).await?;
    Ok(((turns * CLIENTS * depth) as u64, started))
}

/// From submission to the result, one job at a time, in one request that waits for it.
pub async fn trips(stage: &Stage, count: u32) -> Result<[Figure; 2]> {
    let worker = stage.no_op_worker().await?;
    let body = body(&batch(NO_OP(), vec![job("one")]))?;
    let request = wire::post("/v1/batches?wait=60s", &body);
    // What the earlier measurements left is drained first, or it would be measured.
    settle(stage).await?;
    let mut wire = Wire::open(stage).await?;
    let mut took = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let started = Instant::now();
        let answer = wire.ask(&request, 1).await?;
        took.push(started.elapsed());
        let batch: Batch = serde_json::from_slice(&answer)
            .map_err(|error| Error::internal(format!("no batch was answered: {error}")))?;
        if !batch.finished {
            return Err(Error::internal(format!("{} did not finish in time", batch.id)));
        }
    }
    stage.dismiss(worker).await?;
    let (median, late) = percentiles(took);
    Ok([
        Figure::ms("round trip, idle: p50", median, count.into()),
        Figure::ms("round trip, idle: p99", late, count.into()),
    ])
}

/// A process for each job.
pub async fn processes(stage: &Stage, count: u32) -> Result<Figure> {
    let argv = vec!["true".to_owned()];
    let command = Handler::Command(CommandSpec { argv, shell: false, env: Default::default() });
    let worker = stage.process_worker().await?;
    let started = Instant::now();
    let mut batches = Vec::new();
    for piece in 0..(count as usize).div_ceil(limits::JOBS_PER_COMMAND) {
        let left = count as usize - piece * limits::JOBS_PER_COMMAND;
        let jobs = vec![job(""); left.min(limits::JOBS_PER_COMMAND)];
        batches.push(stage.client.submit(&batch(command.clone(), jobs), None).await?.batch);
    }
    for batch in batches {
        finished(stage, batch, started).await?;
    }
    let figure = rate("processes: spawn `true`", count.into(), started);
    stage.dismiss(worker).await?;
    Ok(figure)
}

async fn finished(stage: &Stage, batch: BatchId, started: Instant) -> Result<()> {
    while !stage.client.wait_for_batch(batch, Duration::from_secs(20)).await?.finished {
        if started.elapsed() > BOUND {
            return Err(Error::internal(format!("{batch} did not finish within {BOUND:?}")));
        }
    }
    Ok(())
}

async fn settle(stage: &Stage) -> Result<()> {
    let started = Instant::now();
    while stage.client.health().await?.jobs.values().any(|count| *count > 0) {
        if started.elapsed() > BOUND {
            return Err(Error::internal("the queue did not empty"));
        }
        tokio::time::sleep(GLANCE).await;
    }
    Ok(())
}

pub fn batch(handler: Handler, jobs: Vec<JobRequest>) -> BatchRequest {
    let stage = StageSpec { retry: RetryPolicy::never(), ..StageSpec::new("bench", handler) };
    BatchRequest { stages: Some(vec![stage]), jobs, ..BatchRequest::default() }
}

fn job(input: &str) -> JobRequest {
    JobRequest { input: Some(input.into()), ..JobRequest::default() }
}

pub fn rate(figure: &'static str, count: u64, started: Instant) -> Figure {
    let value = count as f64 / started.elapsed().as_secs_f64();
    Figure { figure, value, unit: "jobs/s", count }
}

pub fn body(batch: &BatchRequest) -> Result<String> {
    serde_json::to_string(batch)
        .map_err(|error| Error::internal(format!("cannot write JSON: {error}")))
}
