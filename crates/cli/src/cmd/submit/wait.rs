//! `--wait`: progress on standard error, results on standard output in the order of the inputs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gristmill_model::api::{Accepted, Batch, Job};
use gristmill_model::job::JobState;
use gristmill_model::payload::{Artifact, Payload, Place};
use gristmill_model::problem::exit;
use gristmill_model::{BatchId, JobId, limits};

use crate::args::Context;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::output::{Progress, counted, payload, say};

/// How long the server holds a question about a batch that goes on. Its end is told at once.
const HOLD: Duration = Duration::from_secs(1);
/// A server that restarts is waited for this long.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);

/// Waits for a batch and hands out its results.
pub async fn wait(
    context: &Context,
    client: &Client,
    accepted: &Accepted,
    into: Option<&Path>,
    no_progress: bool,
    interrupt: &Interrupt,
) -> Result<u8> {
    let progress = Progress::new(accepted.jobs, "jobs", no_progress);
    let mut printer =
        Printer { context, client, into, progress, batch: accepted.batch, last: None, failed: 0 };
    let Some(done) = interrupt.unless(printer.run()).await else {
        printer.progress.finish();
        let batch = accepted.batch;
        say(format!(
            "{batch} goes on without us: `gristmill batch {batch}` shows it, `gristmill cancel {batch}` stops it."
        ));
        return Ok(exit::INTERRUPTED);
    };
    printer.progress.finish();
    done?;
    if printer.failed > 0 {
        say(format!("{} of {} failed.", printer.failed, counted(accepted.jobs, "job")));
        return Ok(exit::WORK_FAILED);
    }
    Ok(exit::OK)
}

struct Printer<'a> {
    context: &'a Context,
    client: &'a Client,
    into: Option<&'a Path>,
    progress: Progress,
    batch: BatchId,
    /// The last job that was handed out.
    last: Option<JobId>,
    failed: u64,
}

impl Printer<'_> {
    async fn run(&mut self) -> Result<()> {
        loop {
            let batch = self.stand().await?;
            let settled = JobState::ALL.iter().filter(|state| state.is_final());
            let settled = settled.filter_map(|state| batch.counts.get(state)).sum();
            let lost = batch.counts.get(&JobState::Failed).copied().unwrap_or(0);
            self.progress.reached(settled, lost);
            self.hand_out().await?;
            if batch.finished {
                return Ok(());
            }
        }
    }

    /// How the batch stands, also while the server restarts under us.
    async fn stand(&self) -> Result<Batch> {
        let mut waited = Duration::ZERO;
        loop {
            match self.client.wait_for_batch(self.batch, HOLD).await {
                Err(error) if error.exit == exit::UNREACHABLE && waited < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                    waited += PAUSE;
                }
                answer => return answer,
            }
        }
    }

    /// Hands out what is final, up to the first job that is not.
    async fn hand_out(&mut self) -> Result<()> {
        loop {
            let jobs = self.client.results(self.batch, self.last).await?;
            let more = jobs.len() >= limits::PAGE;
            for job in jobs {
                if !job.state.is_final() {
                    return Ok(());
                }
                self.last = Some(job.id);
                self.result(&job).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn result(&mut self, job: &Job) -> Result<()> {
        self.failed += u64::from(job.state != JobState::Succeeded);
        if let Some(into) = self.into {
            self.fetch(job, into).await?;
        }
        if self.context.output.json {
            return self.context.output.json(job);
        }
        match (&job.result, &job.failure) {
            (Some(result), _) if job.state == JobState::Succeeded => self.print(job, result),
            (_, Some(failure)) => {
                let input = crate::output::one_line(&payload(&job.input), 60);
                let about = if input.is_empty() { String::new() } else { format!(" ({input})") };
                self.progress.say(&format!("{}{about} {}: {}", job.id, job.state, failure.message));
                Ok(())
            }
            _ => {
                self.progress.say(&format!("{} is {}", job.id, job.state));
                Ok(())
            }
        }
    }

    /// A text as it is, with a line's end where it has none; a file by its name.
    fn print(&self, job: &Job, result: &Payload) -> Result<()> {
        for warning in &job.warnings {
            self.progress.say(&format!("{}: warning: {warning}", job.id));
        }
        let text = match (result, self.into) {
            (Payload::File(file), Some(into)) => landed(job, file, into).display().to_string(),
            _ => payload(result),
        };
        self.progress.aside(|| {
            self.context.output.raw(text.as_bytes())?;
            let whole = text.is_empty() || text.ends_with('\n');
            if whole { Ok(()) } else { self.context.output.raw(b"\n") }
        })
    }

    /// Brings the job's files into a folder.
    async fn fetch(&self, job: &Job, into: &Path) -> Result<()> {
        let result = match &job.result {
            Some(Payload::File(file)) => Some(file),
            _ => None,
        };
        for file in result.into_iter().chain(&job.artifacts) {
            let path = landed(job, file, into);
            match &file.place {
                Place::Blob(digest) => {
                    self.client.download(*digest, &path).await?;
                }
                Place::Path(there) => {
                    std::fs::create_dir_all(into)
                        .map_err(|error| Error::file("make", into, &error))?;
                    std::fs::copy(there, &path)
                        .map_err(|error| Error::file("write", &path, &error))?;
                }
            }
        }
        Ok(())
    }
}

/// Names of many jobs' files may be the same, so each wears its job's id.
fn landed(job: &Job, file: &Artifact, into: &Path) -> PathBuf {
    let name = Path::new(&file.name).file_name().unwrap_or_default().to_string_lossy();
    into.join(format!("{}-{name}", job.id))
}
