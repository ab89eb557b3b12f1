//! Hands out results: progress on standard error, results on standard output in the order of the
//! inputs, and into a folder where one was named.

use std::path::PathBuf;
use std::time::Duration;

use futures::{StreamExt, stream};
use gristmill_model::api::{Batch, Job};
use gristmill_model::job::JobState;
use gristmill_model::payload::Payload;
use gristmill_model::problem::exit;
use gristmill_model::{BatchId, JobId, limits};
use serde::Serialize;

use super::{Destination, Tally};
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
/// Jobs whose files are fetched at once.
const FETCHES: usize = 8;

/// Whose results are wanted, and where.
pub struct Wanted<'a> {
    pub context: &'a Context,
    pub client: &'a Client,
    pub batch: BatchId,
    /// How many jobs there are.
    pub jobs: u64,
    pub into: Option<&'a Destination>,
    pub no_progress: bool,
}

impl Wanted<'_> {
    /// Waits for the batch and hands out its results as they come.
    pub async fn wait(&self, interrupt: &Interrupt) -> Result<u8> {
        let mut printer = Printer::new(self, Progress::new(self.jobs, "jobs", self.no_progress));
        let Some(done) = interrupt.unless(printer.run()).await else {
            printer.progress.finish();
            let batch = self.batch;
            let rest = self.into.map_or(format!("gristmill results {batch}"), |into| {
                into.command(&batch.to_string())
            });
            say(format!(
                "{batch} goes on without us: `gristmill batch {batch}` shows it, `gristmill cancel \
                 {batch}` stops it, `{rest}` gets its results."
            ));
            return Ok(exit::INTERRUPTED);
        };
        printer.progress.finish();
        done.map_err(|error| self.again(error))?;
        let failed = printer.tally.failed;
        if failed > 0 {
            say(format!("{failed} of {} failed.", counted(self.jobs, "job")));
            return Ok(exit::WORK_FAILED);
        }
        Ok(exit::OK)
    }

    /// Hands out what there is, without waiting for the rest.
    pub async fn as_it_stands(&self, batch: &Batch) -> Result<Tally> {
        let mut printer = Printer::new(self, Progress::new(0, "jobs", true));
        printer.alone = is_alone(batch);
        while printer.page(false).await.map_err(|error| self.again(error))? {}
        Ok(printer.tally)
    }

    /// Hands out one job's result.
    pub async fn one(&self, job: &Job) -> Result<Tally> {
        let mut printer = Printer::new(self, Progress::new(0, "jobs", true));
        printer.alone = true;
        printer.hand_out(vec![job.clone()]).await?;
        Ok(printer.tally)
    }

    /// An error on the way home loses no result: it says how to go on.
    fn again(&self, error: Error) -> Error {
        let Some(into) = self.into else { return error };
        let again = format!("`{}` fetches what is missing", into.command(&self.batch.to_string()));
        let hint = error.hint.as_ref().map_or(again.clone(), |hint| format!("{hint}; {again}"));
        error.hint(hint)
    }
}

/// Whether a batch is one job for good.
const fn is_alone(batch: &Batch) -> bool {
    batch.jobs == 1 && !batch.open
}

struct Printer<'a> {
    wanted: &'a Wanted<'a>,
    progress: Progress,
    /// No other job's results go into the folder.
    alone: bool,
    /// The last job that was handed out.
    last: Option<JobId>,
    tally: Tally,
}

/// A job with the files that were fetched.
#[derive(Serialize)]
struct Fetched<'a> {
    #[serde(flatten)]
    job: &'a Job,
    files: &'a [PathBuf],
}

impl<'a> Printer<'a> {
    fn new(wanted: &'a Wanted<'a>, progress: Progress) -> Printer<'a> {
        Printer { wanted, progress, alone: false, last: None, tally: Tally::default() }
    }

    async fn run(&mut self) -> Result<()> {
        loop {
            let batch = self.stand().await?;
            let settled = JobState::ALL.iter().filter(|state| state.is_final());
            let settled = settled.filter_map(|state| batch.counts.get(state)).sum();
            let lost = batch.counts.get(&JobState::Failed).copied().unwrap_or(0);
            self.progress.reached(settled, lost);
            self.alone = is_alone(&batch);
            while self.page(true).await? {}
            if batch.finished {
                return Ok(());
            }
        }
    }

    /// How the batch stands, also while the server restarts under us.
    async fn stand(&self) -> Result<Batch> {
        let mut waited = Duration::ZERO;
        loop {
            match self.wanted.client.wait_for_batch(self.wanted.batch, HOLD).await {
                Err(error) if error.exit == exit::UNREACHABLE && waited < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                    waited += PAUSE;
                }
                answer => return answer,
            }
        }
    }

    /// Hands out what is final of a page: in turn, up to the first job that is not, or passing it
    /// over. Says whether there is more.
    async fn page(&mut self, in_turn: bool) -> Result<bool> {
        let mut jobs = self.wanted.client.results(self.wanted.batch, self.last).await?;
        let more = jobs.len() >= limits::PAGE;
        let all = jobs.len();
        if in_turn {
            let first = jobs.iter().position(|job| !job.state.is_final());
            jobs.truncate(first.unwrap_or(all));
        }
        let whole = jobs.len() == all;
        self.hand_out(jobs).await?;
        Ok(more && whole)
    }

    /// Fetches some at once, and hands them out in order.
    async fn hand_out(&mut self, jobs: Vec<Job>) -> Result<()> {
        let (client, into, alone) = (self.wanted.client, self.wanted.into, self.alone);
        let fetch = |job: Job| async move {
            let files = match into {
                Some(into) => into.fetch(client, &job, alone).await?,
                None => Vec::new(),
            };
            Ok::<_, Error>((job, files))
        };
        let mut fetched = Box::pin(stream::iter(jobs).map(fetch).buffered(FETCHES));
        while let Some(next) = fetched.next().await {
            let (job, files) = next?;
            self.last = Some(job.id);
            self.result(&job, &files)?;
        }
        Ok(())
    }

    fn result(&mut self, job: &Job, files: &[PathBuf]) -> Result<()> {
        if !job.state.is_final() {
            self.tally.underway += 1;
            return Ok(());
        }
        self.tally.failed += u64::from(job.state != JobState::Succeeded);
        let output = &self.wanted.context.output;
        if output.json {
            return match self.wanted.into {
                Some(_) => output.json(&Fetched { job, files }),
                None => output.json(job),
            };
        }
        match (&job.result, &job.failure) {
            (Some(result), _) if job.state == JobState::Succeeded => self.print(job, result, files),
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

    /// A text as it is, with a line's end where it has none; files by their paths, one a line. The
    /// value's own file is named where it is the only one.
    fn print(&self, job: &Job, result: &Payload, files: &[PathBuf]) -> Result<()> {
        for warning in &job.warnings {
            self.progress.say(&format!("{}: warning: {warning}", job.id));
        }
        let text = match files {
            [] => payload(result),
            [value] => value.display().to_string(),
            [files @ .., _] => {
                files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join("\n")
            }
        };
        self.progress.aside(|| {
            self.wanted.context.output.raw(text.as_bytes())?;
            let whole = text.is_empty() || text.ends_with('\n');
            if whole { Ok(()) } else { self.wanted.context.output.raw(b"\n") }
        })
    }
}
