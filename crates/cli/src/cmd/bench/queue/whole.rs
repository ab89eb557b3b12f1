//! What a whole server costs: its memory, a range of a million jobs, a command from the shell, and
//! its start with a million jobs that wait.

use std::process::Stdio;
use std::time::{Duration, Instant};

use gristmill_model::api::RangeRequest;
use tokio::process::Command;

use super::measure::{self, NO_OP};
use super::stage::{self, Stage};
use super::wire::{self, Wire};
use super::{Figure, percentiles};
use crate::error::{Error, Result};

/// Items of the range.
const RANGE: &str = "data/file_{000000..999999}.tar";
const ITEMS: u64 = 1_000_000;
/// Submissions of the range; the median counts.
const RANGES: usize = 9;

/// What a server that has nothing to do holds of the machine's memory.
pub fn memory(stage: &Stage) -> Result<[Figure; 2]> {
    let mib = |figure, value| Figure { figure, value, unit: "MiB", count: 1 };
    Ok([
        mib("server: idle memory", stage.resident()?),
        mib("server: idle memory, program file left out", stage.anonymous()?),
    ])
}

/// A range of a million items, submitted and acknowledged; each is cancelled again.
pub async fn range(stage: &Stage) -> Result<Figure> {
    let mut batch = measure::batch(NO_OP(), Vec::new());
    batch.range = Some(RangeRequest::Brace(RANGE.into()));
    let request = wire::post("/v1/batches", &measure::body(&batch)?);
    let mut wire = Wire::open(stage).await?;
    let mut took = Vec::with_capacity(RANGES);
    for _ in 0..RANGES {
        let started = Instant::now();
        wire.ask(&request, 1).await?;
        took.push(started.elapsed());
        let newest = stage.client.batches(1).await?.pop();
        let newest = newest.ok_or_else(|| Error::internal("the range's batch is not there"))?;
        stage.client.cancel_batch(newest.id).await?;
    }
    Ok(Figure::ms("submit a range of 1,000,000", percentiles(took).0, ITEMS))
}

/// `gristmill submit --wait -- true`, one after the other: the program's start, its job's whole
/// way, and its end.
pub async fn shell(stage: &Stage, count: u32) -> Result<[Figure; 2]> {
    let worker = stage.process_worker().await?;
    let mut took = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let mut submit = Command::new(stage::this()?);
        submit.args(["submit", "--server", &stage.url, "--wait", "--", "true"]);
        submit.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let status = submit.status().await;
        took.push(started.elapsed());
        if !status.is_ok_and(|status| status.success()) {
            return Err(Error::internal("`gristmill submit --wait -- true` failed"));
        }
    }
    stage.dismiss(worker).await?;
    let (median, late) = percentiles(took);
    Ok([
        Figure::ms("shell: submit --wait -- true, p50", median, count.into()),
        Figure::ms("shell: submit --wait -- true, p99", late, count.into()),
    ])
}

/// From the start of a server to its first answer, with so many jobs that wait. Its memory then,
/// beside that of an empty one, is told by job.
pub async fn restart(stage: &mut Stage, live: u32) -> Result<[Figure; 2]> {
    let empty = stage.resident()?;
    measure::bulk(stage, live).await?;
    // The read tables take in what they have not yet: a start would wait for nothing of it.
    stage.stop().await?;
    let started = Instant::now();
    stage.start().await?;
    let took = started.elapsed();
    // What recovery used and gave back is counted for a moment longer.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let bytes = (stage.resident()? - empty) * f64::from(1 << 20) / f64::from(live);
    Ok([
        Figure {
            figure: "server: start with waiting jobs",
            value: took.as_secs_f64(),
            unit: "s",
            count: live.into(),
        },
        Figure {
            figure: "server: memory by waiting job",
            value: bytes,
            unit: "bytes",
            count: live.into(),
        },
    ])
}
