//! Submit jobs as one batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gristmill_model::command::{BatchKey, Reply, Submission, Submitted};
use gristmill_model::event::{BatchEvent, Event, Opening};
use gristmill_model::job::JobSpec;
use gristmill_model::limits;
use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::signature::Inputs;
use gristmill_model::source::Source;
use gristmill_model::{BatchId, JobId, ProjectId};

use super::{pipeline, project, terms};
use crate::state::State;
use crate::turn::Turn;

pub(crate) fn submit(turn: &mut Turn, submission: Submission) -> Result<Reply, Rejection> {
    let state = turn.state();
    let home = project::resolve(state, &submission.project)?;
    if let Some(known) = replay(state, home, submission.key.as_ref())? {
        return Ok(Reply::Batch(known));
    }
    check(turn, &submission)?;
    let Submission { project, pipeline, name, key, priority, labels, .. } = submission;
    let accepted = sift(state, home, submission.jobs, submission.range)?;
    let resolved = pipeline::resolve(state, home, pipeline)?;
    accepted.check_inputs(resolved.spec(state))?;
    let mut warnings = terms::unmet(state, &submission.terms);
    warnings.extend(resolved.judge(state, home, &submission.terms)?);

    let project = project::make(turn, &project);
    let pipeline = resolved.id(turn, project);
    let batch = BatchId(turn.state().next().batch);
    let key = key.map(|key| (key.key, key.fingerprint));
    let terms = submission.terms;
    let opening = Opening { project, pipeline, name, key, priority, labels, terms };
    turn.emit(Event::Batch(BatchEvent::Opened { batch, opening: Arc::new(opening) }));
    let submitted = add(turn, batch, accepted);
    if !submission.open {
        turn.emit(Event::Batch(BatchEvent::Closed { batch }));
    }
    Ok(Reply::Batch(Submitted { warnings, ..submitted }))
}

fn check(turn: &Turn, submission: &Submission) -> Result<(), Rejection> {
    check_labels(&submission.labels)?;
    let name = submission.name.as_deref().unwrap_or_default();
    check_length("batch name", name, limits::NAME_BYTES)?;
    terms::check(turn.state(), &submission.terms, turn.wall())?;
    if submission.jobs.is_empty() && submission.range.is_none() && !submission.open {
        return Err(Rejection::new(Code::InvalidRequest, "the submission has no jobs"));
    }
    Ok(())
}

/// The batch that an idempotency key already stands for.
fn replay(
    state: &State,
    home: Option<ProjectId>,
    key: Option<&BatchKey>,
) -> Result<Option<Submitted>, Rejection> {
    let Some(key) = key else { return Ok(None) };
    check_key(&key.key)?;
    let Some(project) = home else { return Ok(None) };
    let Some((batch, fingerprint)) = state.batch_by_key(project, &key.key) else { return Ok(None) };
    if fingerprint != key.fingerprint {
        let detail = format!("key `{}` stands for another submission, batch {batch}", key.key);
        return Err(Rejection::new(Code::KeyReused, detail));
    }
    let runs = &state.batch(batch).expect("keys lead to batches").runs;
    let first = runs.first().map_or(JobId(state.next().job), |run| run.first);
    let count = runs.iter().map(|run| run.count).sum();
    let (known, warnings) = (Vec::new(), Vec::new());
    Ok(Some(Submitted { batch, first, count, known, replayed: true, warnings }))
}

/// Jobs that passed, and those that were known by their keys.
pub(super) struct Sifted {
    new: Vec<JobSpec>,
    range: Option<(Source, u64)>,
    known: Vec<(u64, JobId)>,
}

/// Judges jobs one by one and sets aside those that are known by their keys.
pub(super) fn sift(
    state: &State,
    home: Option<ProjectId>,
    jobs: Vec<JobSpec>,
    range: Option<Source>,
) -> Result<Sifted, Rejection> {
    if jobs.len() > limits::JOBS_PER_COMMAND {
        let detail = format!("{} jobs at once: at most {}", jobs.len(), limits::JOBS_PER_COMMAND);
        return Err(Rejection::new(Code::TooLarge, detail));
    }
    let room = limits::LIVE_JOBS.saturating_sub(state.live_jobs());
    if jobs.len() > room {
        let detail = format!("{} jobs are not done yet: room for {room} more", state.live_jobs());
        return Err(Rejection::new(Code::QueueFull, detail));
    }
    let range = match range {
        Some(source) => {
            let count = source.parse()?.count();
            Some((source, count))
        }
        None => None,
    };
    let mut sifted = Sifted { new: Vec::with_capacity(jobs.len()), range, known: Vec::new() };
    let mut keys = BTreeSet::new();
    for (index, job) in jobs.into_iter().enumerate() {
        check_job(&job).map_err(|rejection| at_index(index as u64, rejection))?;
        if let Some(key) = &job.key {
            if let Some(known) = home.and_then(|project| state.job_by_key(project, key)) {
                sifted.known.push((index as u64, known));
                continue;
            }
            if !keys.insert(key.clone()) {
                let detail = format!("key `{key}` stands twice in the submission");
                return Err(at_index(index as u64, Rejection::new(Code::KeyReused, detail)));
            }
        }
        sifted.new.push(job);
    }
    Ok(sifted)
}

impl Sifted {
    /// Holds new inputs against what the first stage's handler takes, where that is known.
    pub(super) fn check_inputs(&self, spec: &PipelineSpec) -> Result<(), Rejection> {
        let signature = spec.stages[0].handler.session().and_then(|it| it.signature.as_deref());
        let Some(takes) = signature.and_then(Inputs::of) else { return Ok(()) };
        if self.range.is_some() {
            let texts = takes.check_texts();
            texts.map_err(|why| Rejection::new(why.code, format!("the range: {}", why.detail)))?;
        }
        let known: BTreeSet<u64> = self.known.iter().map(|(place, _)| *place).collect();
        let places = (0..).filter(|place| !known.contains(place));
        places.zip(&self.new).try_for_each(|(place, job)| {
            let judged = takes.check(&job.input);
            judged.map_err(|rejection| at_index(place, rejection))
        })
    }
}

pub(super) fn add(turn: &mut Turn, batch: BatchId, jobs: Sifted) -> Submitted {
    let first = JobId(turn.state().next().job);
    let mut count = jobs.new.len() as u64;
    if count > 0 {
        turn.emit(Event::Batch(BatchEvent::JobsAdded { batch, first, jobs: Arc::new(jobs.new) }));
    }
    if let Some((source, items)) = jobs.range {
        let first = JobId(turn.state().next().job);
        turn.emit(Event::Batch(BatchEvent::RangeAdded { batch, first, count: items, source }));
        count += items;
    }
    let (known, warnings) = (jobs.known, Vec::new());
    Submitted { batch, first, count, known, replayed: false, warnings }
}

fn at_index(index: u64, rejection: Rejection) -> Rejection {
    Rejection::new(rejection.code, format!("jobs[{index}]: {}", rejection.detail))
}

fn check_job(job: &JobSpec) -> Result<(), Rejection> {
    let size = job.input.inline_len();
    if size > limits::INLINE_BYTES {
        let detail = format!("an input of {size} bytes: at most {} inline", limits::INLINE_BYTES);
        return Err(Rejection::new(Code::TooLarge, detail));
    }
    check_length("output path", job.output.as_deref().unwrap_or_default(), limits::PATH_BYTES)?;
    job.key.as_deref().map_or(Ok(()), check_key)?;
    check_labels(&job.labels)
}

fn check_key(key: &str) -> Result<(), Rejection> {
    if key.is_empty() {
        return Err(Rejection::new(Code::InvalidRequest, "an idempotency key is not empty"));
    }
    check_length("idempotency key", key, limits::KEY_BYTES)
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), Rejection> {
    if labels.len() > limits::LABELS {
        let detail = format!("{} labels: at most {}", labels.len(), limits::LABELS);
        return Err(Rejection::new(Code::TooLarge, detail));
    }
    labels.iter().try_for_each(|(name, value)| {
        check_length("label name", name, limits::LABEL_BYTES)?;
        check_length("label value", value, limits::LABEL_BYTES)
    })
}

fn check_length(what: &str, text: &str, bound: usize) -> Result<(), Rejection> {
    if text.len() > bound {
        let detail = format!("a {what} of {} bytes: at most {bound}", text.len());
        return Err(Rejection::new(Code::TooLarge, detail));
    }
    Ok(())
}
