//! One job or batch that is so young that all that was told of it is in memory still: shown at
//! once, before the tables have it. Whoever submits and waits is answered from here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gristmill_engine::change::{Accepted, Attempt, Batch, Change, End, Inputs, Job, Opened, Run};
use gristmill_model::api;
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::source::Items;
use gristmill_model::{BatchId, JobId, PipelineId, limits};

use super::shown::{self, BatchOpening, BatchStanding, Common, Left, Standing, Submitted};
use super::{Read, ReadError};
use crate::feed::Committed;

/// Pipelines that were looked up lately.
#[derive(Debug, Default)]
pub(super) struct Pipelines {
    known: Mutex<BTreeMap<PipelineId, Arc<PipelineSpec>>>,
}

impl Pipelines {
    fn get(&self, id: PipelineId) -> Option<Arc<PipelineSpec>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn learn(&self, id: PipelineId, spec: &Arc<PipelineSpec>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::PIPELINES_KEPT {
            known.clear();
        }
        known.insert(id, Arc::clone(spec));
    }
}

impl Read {
    /// A job by its id: from memory where all that was told of it is there, else from the tables.
    ///
    /// # Errors
    /// As [`Read::ask`].
    pub async fn job(&self, id: JobId) -> Result<Option<api::Job>, ReadError> {
        let rounds = self.inner.tail.newest(limits::ROUNDS_LOOKED_AT);
        if let Some(young) = YoungJob::find(&rounds, id)
            && let Some(spec) = self.pipeline(young.opened.opening.pipeline).await?
            && let Some(job) = young.show(id, &spec)
        {
            return Ok(Some(job));
        }
        drop(rounds);
        self.ask(move |tables| tables.job(id)).await
    }

    /// A batch by its id: as a job is found.
    ///
    /// # Errors
    /// As [`Read::ask`].
    pub async fn batch(&self, id: BatchId) -> Result<Option<api::Batch>, ReadError> {
        let rounds = self.inner.tail.newest(limits::ROUNDS_LOOKED_AT);
        if let Some((opened, standing)) = young_batch(&rounds, id)
            && let Some(spec) = self.pipeline(opened.opening.pipeline).await?
        {
            return Ok(Some(shown::batch(BatchOpening::of(opened, spec.name.clone()), standing)));
        }
        drop(rounds);
        self.ask(move |tables| tables.batch(id)).await
    }

    async fn pipeline(&self, id: PipelineId) -> Result<Option<Arc<PipelineSpec>>, ReadError> {
        if let Some(known) = self.inner.pipelines.get(id) {
            return Ok(Some(known));
        }
        let Some(found) = self.ask(move |tables| tables.pipeline(id)).await? else {
            return Ok(None);
        };
        let spec = Arc::new(found.spec);
        self.inner.pipelines.learn(id, &spec);
        Ok(Some(spec))
    }
}

/// Changes of rounds, the newest first.
fn newest_first(rounds: &[Arc<Committed>]) -> impl Iterator<Item = &Change> {
    let changes = rounds.iter().flat_map(|round| round.changes.iter().rev());
    changes.map(|made| &made.change).take(limits::CHANGES_PER_CHUNK)
}

/// All that was told of a job and its batch.
pub(super) struct YoungJob<'r> {
    pub(super) opened: &'r Opened,
    accepted: &'r Accepted,
    standing: Standing,
    stage: u16,
    /// The last attempt's end, and that of the last one that failed.
    last: Option<&'r End>,
    failed: Option<&'r End>,
    batch: &'r Batch,
}

impl<'r> YoungJob<'r> {
    pub(super) fn find(rounds: &'r [Arc<Committed>], id: JobId) -> Option<YoungJob<'r>> {
        let (mut job, mut run): (Option<&Job>, Option<&Run>) = (None, None);
        let mut attempts: Vec<&Attempt> = Vec::new();
        let (mut accepted, mut batches): (Option<&Accepted>, BTreeMap<BatchId, &Batch>) =
            (None, BTreeMap::new());
        for change in newest_first(rounds) {
            match change {
                // What came before does not count any more.
                Change::Job(found) if found.id == id && run.is_none() => {
                    job.get_or_insert(found);
                }
                // A run moves a job that has been through more than it tells.
                Change::Run(found) if found.jobs.contains(id) && job.is_none() => {
                    run.get_or_insert(found);
                }
                Change::Job(found) if found.id == id => return None,
                Change::Attempt(found) if found.job == id => attempts.push(found),
                Change::Batch(found) => {
                    batches.entry(found.id).or_insert(found);
                }
                Change::Accepted(found) if holds(found, id) => accepted = Some(found),
                Change::Opened(found) if accepted.is_some_and(|it| it.batch == found.batch) => {
                    let last = job.and_then(|job| ended(&attempts, job.attempt()));
                    let failed = job.and_then(|job| ended(&attempts, job.failed()));
                    let standing = job.map(Standing::from).or(run.map(Standing::from))?;
                    let (accepted, batch) = (accepted?, *batches.get(&found.batch)?);
                    let stage = job.map_or(0, |job| job.stage);
                    let opened = found;
                    return Some(YoungJob {
                        opened,
                        accepted,
                        standing,
                        stage,
                        last,
                        failed,
                        batch,
                    });
                }
                _ => {}
            }
        }
        None
    }

    pub(super) fn show(&self, id: JobId, spec: &PipelineSpec) -> Option<api::Job> {
        let at = id.0 - self.accepted.first.0;
        let submitted = submitted(self.accepted, at)?;
        let common = Common {
            batch: self.accepted.batch,
            pipeline: spec.name.clone(),
            stage: spec.stages.get(usize::from(self.stage))?.name.clone(),
            labels: self.opened.opening.labels.clone(),
            waits_as: self.batch.waits_as,
        };
        let mut left = Left::default();
        if let Some(Ok(success)) = self.last.map(|end| &end.outcome) {
            left.output = Some(success.output.clone());
            left.artifacts.clone_from(&success.artifacts);
            left.warnings.clone_from(&success.warnings);
        }
        if let Some(Err(failure)) = self.failed.map(|end| &end.outcome) {
            left.failure = Some((**failure).clone());
        }
        Some(shown::job(id, common, submitted, self.standing.clone(), left))
    }
}

fn holds(accepted: &Accepted, id: JobId) -> bool {
    let end = accepted.first.0 + accepted.inputs.count();
    (accepted.first.0..end).contains(&id.0)
}

fn ended<'r>(attempts: &[&'r Attempt], id: Option<gristmill_model::AttemptId>) -> Option<&'r End> {
    let of_id = attempts.iter().filter(|attempt| Some(attempt.id) == id);
    of_id.filter_map(|attempt| attempt.end.as_deref()).next()
}

fn submitted(accepted: &Accepted, at: u64) -> Option<Submitted> {
    let plain = |input: Payload| JobSpec::of(input);
    let spec = match &accepted.inputs {
        Inputs::Each(specs) => specs.get(usize::try_from(at).ok()?)?.clone(),
        Inputs::Range(source, _) => {
            let items: Items = source.parse().ok()?;
            plain(items.item(at)?)
        }
        Inputs::Lost(_) => return None,
    };
    Some(Submitted {
        index: accepted.index + at,
        priority: spec.priority.unwrap_or(accepted.priority),
        input: spec.input,
        output_path: spec.output,
        key: spec.key,
        labels: spec.labels,
        created_at: accepted.created_at,
    })
}

/// All that was told of a batch.
pub(super) fn young_batch(
    rounds: &[Arc<Committed>],
    id: BatchId,
) -> Option<(&Opened, BatchStanding)> {
    let mut standing: Option<BatchStanding> = None;
    let (mut unmet, mut called, mut announced) = (Vec::new(), None, false);
    for change in newest_first(rounds) {
        match change {
            Change::Batch(found) if found.id == id && standing.is_none() => {
                standing = Some(BatchStanding::from(&**found));
            }
            Change::Unmet { batch, on, when, at } if *batch == id => {
                unmet.push(api::Unmet { on: *on, when: *when, at: *at });
            }
            Change::Announced { batch, .. } if *batch == id => announced = true,
            // What came of an earlier end's call does not count any more.
            Change::Called { batch, delivered, detail, at } if *batch == id && !announced => {
                let (delivered, detail, at) = (*delivered, detail.clone(), *at);
                called.get_or_insert(api::Called { delivered, detail, at });
            }
            Change::Opened(found) if found.batch == id => {
                unmet.reverse();
                let standing = BatchStanding { unmet, called, ..standing? };
                return Some((found, standing));
            }
            _ => {}
        }
    }
    None
}
