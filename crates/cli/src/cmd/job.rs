//! `gristmill job ID`: one job and its attempts.

use gristmill_model::api::{Attempt, Job, JobAt};
use gristmill_model::problem::exit;
use serde::Serialize;

use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{Table, ago, bytes, duration, one_line, payload};

/// Show one job and its attempts
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job, like j17, or b3/17 for the job at place 17 of batch b3
    id: JobAt,
    #[command(flatten)]
    connection: Connection,
}

/// A job with its attempts; `attempts` of the job is their number.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    job: &'a Job,
    attempt_list: &'a [Attempt],
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let client = args.connection.client(&context.settings)?;
    let job = client.job(args.id).await?;
    let attempts = client.attempts(args.id).await?;
    if context.output.json {
        context.output.json(&Whole { job: &job, attempt_list: &attempts })?;
        return Ok(exit::OK);
    }
    print(context, &job)?;
    print_attempts(context, &attempts)?;
    Ok(exit::OK)
}

/// Facts, one a line; also what `retry` and `cancel` show afterwards.
pub fn print(context: &Context, job: &Job) -> Result<()> {
    let fact = |name: &str, value: &str| context.output.line(format!("{name:<10}{value}"));
    fact("job", &format!("{} ({}/{})", job.id, job.batch, job.index))?;
    fact("state", &context.output.state(job.state))?;
    fact("pipeline", &format!("{}, stage {}", job.pipeline, job.stage))?;
    fact("created", &format!("{} ({})", job.created_at, ago(job.created_at)))?;
    if let (Some(start), Some(end)) = (job.started_at, job.finished_at) {
        fact("took", &duration(end.since(start).to_std()))?;
    }
    if !job.labels.is_empty() {
        let labels: Vec<String> = job.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        fact("labels", &labels.join(" "))?;
    }
    if let Some(key) = &job.key {
        fact("key", key)?;
    }
    fact("input", &one_line(&payload(&job.input), 400))?;
    if let Some(result) = &job.result {
        fact("result", &one_line(&payload(result), 400))?;
    }
    for artifact in &job.artifacts {
        fact("artifact", &format!("{} ({} bytes)", artifact.name, artifact.size))?;
    }
    for warning in &job.warnings {
        fact("warning", warning)?;
    }
    if let Some(failure) = &job.failure {
        fact("failure", &format!("{} ({}, {})", failure.message, failure.kind, failure.code))?;
        if let Some(traceback) = &failure.traceback {
            context.output.line(traceback.trim_end())?;
        }
    }
    Ok(())
}

fn print_attempts(context: &Context, attempts: &[Attempt]) -> Result<()> {
    if attempts.is_empty() {
        return Ok(());
    }
    context.output.line("")?;
    let headings =
        ["attempt", "stage", "worker", "devices", "state", "took", "cpu", "memory", "why"];
    let mut table = Table::new(headings);
    for attempt in attempts {
        let state = serde_json::to_value(attempt.state).unwrap_or_default();
        let took = attempt.ended_at.map(|end| duration(end.since(attempt.leased_at).to_std()));
        let usage = attempt.usage;
        let cpu = usage.map(|usage| duration(usage.cpu.to_std()));
        // 0 stands for what was not measured.
        let memory = usage.map(|usage| usage.peak_memory).filter(|bytes| *bytes > 0);
        let why = attempt.failure.as_ref().map(|failure| one_line(&failure.message, 80));
        table.row([
            attempt.id.to_string(),
            format!("{}/{}", attempt.stage, attempt.number),
            attempt.worker.to_string(),
            if attempt.devices.is_empty() { "-".into() } else { attempt.devices.join(" ") },
            state.as_str().unwrap_or_default().replace('_', " "),
            took.unwrap_or_default(),
            cpu.unwrap_or_else(|| "-".into()),
            memory.map_or_else(|| "-".into(), bytes),
            why.unwrap_or_default(),
        ]);
    }
    table.print(context.output)
}
