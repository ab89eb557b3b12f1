//! Submissions of any number of jobs, taken in piece by piece with bounded memory: a list in a JSON
//! body, or lines as they arrive.
//!
//! What fits into one command is all or nothing. More becomes an open batch to which the pieces
//! are added; its first jobs may run while the last ones are on their way. When a piece is bad the
//! batch is cancelled and closed, and the answer names the line. When the connection breaks it is
//! too, unless the submission carries an idempotency key: then the batch stays open, and the same
//! submission sent again goes on where the first one stopped.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gristmill_model::BatchId;
use gristmill_model::access::Actor;
use gristmill_model::api::JobRequest;
use gristmill_model::command::{Command, Reply, Submission, Submitted};
use gristmill_model::job::JobSpec;
use gristmill_model::limits;
use gristmill_model::problem::{Code, Rejection};

use super::Api;
use super::body::json_line;
use super::intake;
use super::lines::Lines;
use super::problem::{Answer, Refusal};

/// Where the jobs of a submission come from.
pub(super) enum Source {
    /// A list that is all there.
    List(std::vec::IntoIter<JobSpec>),
    /// Lines on their way.
    Lines(Lines),
}

/// Jobs that become one command.
#[derive(Default)]
pub(super) struct Piece {
    jobs: Vec<JobSpec>,
    /// For each job the line that it came from; nothing for a list.
    lines: Vec<u64>,
    /// For each job a part of what the submission's fingerprint is made of.
    pub(super) raw: Vec<axum::body::Bytes>,
    /// Whether there are no further ones.
    last: bool,
}

impl Source {
    /// The jobs of a list.
    pub(super) fn list(jobs: Vec<JobRequest>) -> Result<Source, Rejection> {
        let place = |(index, request)| {
            intake::job(request).map_err(|rejection| at(&format!("jobs[{index}]"), rejection))
        };
        let jobs: Vec<JobSpec> =
            jobs.into_iter().enumerate().map(place).collect::<Result<_, _>>()?;
        Ok(Source::List(jobs.into_iter()))
    }

    /// The next jobs, as many as one command takes.
    pub(super) async fn piece(&mut self) -> Answer<Piece> {
        match self {
            Source::List(jobs) => {
                let taken = jobs.by_ref().take(limits::JOBS_PER_COMMAND).collect();
                let last = jobs.as_slice().is_empty();
                Ok(Piece { jobs: taken, last, ..Piece::default() })
            }
            Source::Lines(lines) => piece_of_lines(lines).await,
        }
    }
}

async fn piece_of_lines(lines: &mut Lines) -> Answer<Piece> {
    let (mut piece, mut bytes) = (Piece::default(), 0);
    while piece.jobs.len() < limits::JOBS_PER_COMMAND && bytes < limits::BULK_PIECE_BYTES {
        let Some((number, line)) = lines.next().await? else {
            piece.last = true;
            return Ok(piece);
        };
        let request = json_line(number, &line)?;
        let job = intake::job(request);
        piece.jobs.push(job.map_err(|rejection| at(&format!("line {number}"), rejection))?);
        piece.lines.push(number);
        bytes += line.len();
        piece.raw.push(line);
    }
    Ok(piece)
}

/// Bulk submissions with a key that are being taken in right now.
#[derive(Clone, Default)]
pub(super) struct Uploads {
    keys: Arc<Mutex<HashSet<String>>>,
}

/// One of them; it ends when this is dropped.
struct Upload {
    uploads: Uploads,
    key: String,
}

impl Uploads {
    fn begin(&self, key: &str) -> Result<Upload, Rejection> {
        if self.keys().insert(key.to_owned()) {
            return Ok(Upload { uploads: self.clone(), key: key.to_owned() });
        }
        let detail = format!("the submission with key `{key}` is still being taken in");
        Err(Rejection::new(Code::TooMany, detail))
    }

    fn keys(&self) -> MutexGuard<'_, HashSet<String>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.uploads.keys().remove(&self.key);
    }
}

/// Takes a submission in, `first` being the first piece of its jobs.
pub(super) async fn submit(
    api: &Api,
    actor: Actor,
    mut head: Submission,
    first: Piece,
    mut source: Source,
) -> Answer<Submitted> {
    let close = !head.open;
    let key = head.key.as_ref().map(|key| key.key.clone());
    let _upload = match &key {
        Some(key) if !first.last => Some(api.uploads.begin(key)?),
        _ => None,
    };
    let Piece { jobs, lines, last, .. } = first;
    if head.range.is_some() && !last {
        let detail = format!(
            "a range beside more than {} jobs: submit the jobs, and append the range",
            limits::JOBS_PER_COMMAND
        );
        return Err(Refusal::new(Code::TooLarge, detail));
    }
    head.open = head.open || !last;
    let mut taking = Taking { keyed: key.is_some().then(|| Keyed::of(&jobs)), skip: 0 };
    let count = jobs.len() as u64;
    head.jobs = jobs;
    let mut submitted = ask(api, &actor, Command::Submit(Box::new(head)), &lines, 0).await?;
    if last {
        return Ok(submitted);
    }
    taking.skip = if submitted.replayed { submitted.count.saturating_sub(count) } else { 0 };
    let batch = submitted.batch;
    let rest = taking.rest(api, &actor, &mut submitted, count, &mut source, close).await;
    match rest {
        Ok(()) => Ok(submitted),
        // The batch was whole already: nothing is to be added.
        Err(refusal) if submitted.replayed && refusal.rejection().code == Code::BatchClosed => {
            if let Source::Lines(lines) = &mut source {
                lines.drain().await;
            }
            Ok(submitted)
        }
        Err(refusal) => {
            if key.is_none() || !refusal.is_broken_off() {
                cancel(api, actor, batch).await;
            }
            Err(explained(refusal, &submitted))
        }
    }
}

/// Adds jobs to a batch that is open, and the range after the last of them.
pub(super) async fn append(
    api: &Api,
    actor: Actor,
    batch: BatchId,
    mut source: Source,
    mut range: Option<gristmill_model::source::Source>,
    close: bool,
) -> Answer<Submitted> {
    let mut submitted: Option<Submitted> = None;
    let mut count = 0;
    loop {
        let Piece { jobs, lines, last, .. } = source.piece().await?;
        let taken = jobs.len() as u64;
        let range = if last { range.take() } else { None };
        let command = Command::Append { batch, jobs, range, close: close && last };
        let added = ask(api, &actor, command, &lines, count).await?;
        match &mut submitted {
            Some(submitted) => join(submitted, added, count),
            None => submitted = Some(added),
        }
        count += taken;
        if let (true, Some(submitted)) = (last, submitted.take()) {
            return Ok(submitted);
        }
    }
}

/// What is remembered between the pieces of a submission.
struct Taking {
    /// With an idempotency key: whether the jobs have keys of their own.
    keyed: Option<Keyed>,
    /// Jobs without keys that an earlier try has brought in already.
    skip: u64,
}

/// Whether jobs have keys of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keyed {
    All,
    None,
    Mixed,
}

impl Keyed {
    fn of(jobs: &[JobSpec]) -> Keyed {
        match jobs.iter().filter(|job| job.key.is_some()).count() {
            0 => Keyed::None,
            all if all == jobs.len() => Keyed::All,
            _ => Keyed::Mixed,
        }
    }
}

impl Taking {
    /// Takes in the pieces after the first; `count` jobs came before them.
    async fn rest(
        &mut self,
        api: &Api,
        actor: &Actor,
        submitted: &mut Submitted,
        mut count: u64,
        source: &mut Source,
        close: bool,
    ) -> Answer<()> {
        loop {
            let Piece { mut jobs, mut lines, last, .. } = source.piece().await?;
            let taken = jobs.len() as u64;
            if count + taken > limits::JOBS_PER_REQUEST as u64 {
                let detail = format!("more than {} jobs at once", limits::JOBS_PER_REQUEST);
                return Err(Refusal::new(Code::TooLarge, detail));
            }
            self.check_keys(&jobs)?;
            if self.keyed == Some(Keyed::None) {
                let skipped = self.skip.min(taken) as usize;
                self.skip -= skipped as u64;
                jobs.drain(..skipped);
                lines.drain(..skipped.min(lines.len()));
            }
            let batch = submitted.batch;
            let command = Command::Append { batch, jobs, range: None, close: close && last };
            let added = ask(api, actor, command, &lines, count).await?;
            join(submitted, added, count);
            count += taken;
            if last {
                return Ok(());
            }
        }
    }

    /// A try that is taken up again must be able to tell which jobs it has brought in: by their
    /// keys, or by their number.
    fn check_keys(&self, jobs: &[JobSpec]) -> Answer<()> {
        match self.keyed {
            Some(before) if before == Keyed::Mixed || !all_are(before, jobs) => Err(Refusal::new(
                Code::InvalidRequest,
                "with an idempotency key all jobs of a bulk have keys of their own, or none has",
            )),
            _ => Ok(()),
        }
    }
}

fn all_are(keyed: Keyed, jobs: &[JobSpec]) -> bool {
    jobs.is_empty() || Keyed::of(jobs) == keyed
}

async fn ask(
    api: &Api,
    actor: &Actor,
    command: Command,
    lines: &[u64],
    before: u64,
) -> Answer<Submitted> {
    match api.handle.request(*actor, command).await {
        Ok(Reply::Batch(submitted)) => Ok(submitted),
        Ok(other) => Err(Refusal::new(Code::Internal, format!("a batch was answered: {other:?}"))),
        Err(rejection) => Err(api.refusal(placed(rejection, lines, before)).await),
    }
}

/// The engine counts jobs from the start of a command; the client from the start of its submission.
fn placed(rejection: Rejection, lines: &[u64], before: u64) -> Rejection {
    let found = rejection.detail.strip_prefix("jobs[").and_then(|rest| {
        let (index, rest) = rest.split_once("]: ")?;
        Some((index.parse::<u64>().ok()?, rest))
    });
    let Some((index, rest)) = found else { return rejection };
    let place = match lines.get(index as usize) {
        Some(line) => format!("line {line}"),
        None => format!("jobs[{}]", before + index),
    };
    Rejection::new(rejection.code, format!("{place}: {rest}"))
}

fn join(submitted: &mut Submitted, added: Submitted, before: u64) {
    if submitted.count == 0 {
        submitted.first = added.first;
    }
    submitted.count += added.count;
    // What was added to is more than what was known.
    submitted.replayed &= added.count == 0;
    submitted.known.extend(added.known.into_iter().map(|(index, job)| (before + index, job)));
}

/// What the first jobs were taken in with a warning of is why the batch takes no more.
fn explained(refusal: Refusal, submitted: &Submitted) -> Refusal {
    let Submitted { batch, warnings, .. } = submitted;
    if refusal.rejection().code != Code::BatchClosed || warnings.is_empty() {
        return refusal;
    }
    Refusal::new(Code::BatchClosed, format!("{}, and {batch} is closed", warnings.join("; ")))
}

async fn cancel(api: &Api, actor: Actor, batch: BatchId) {
    if let Err(rejection) = api.handle.request(actor, Command::CancelBatch(batch)).await {
        tracing::warn!(%batch, why = rejection.detail, "a half-taken batch cannot be cancelled");
    }
}

fn at(place: &str, rejection: Rejection) -> Rejection {
    Rejection::new(rejection.code, format!("{place}: {}", rejection.detail))
}
