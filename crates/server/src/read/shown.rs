//! A job and a batch as people see them, put together from what was told once of them and how they
//! stand. The tables and the newest changes, which the tables do not have yet, are both shown here.

use std::collections::BTreeMap;

use gristmill_engine::change::{self, Counts};
use gristmill_model::api;
use gristmill_model::attempt::Failure;
use gristmill_model::cause::Cause;
use gristmill_model::event::Opening;
use gristmill_model::job::JobState;
use gristmill_model::payload::{Artifact, Payload};
use gristmill_model::terms::{Target, Terms};
use gristmill_model::{BatchId, JobId, Time};

/// What was submitted of a job.
#[derive(Debug, Clone)]
pub(super) struct Submitted {
    pub index: u64,
    pub priority: i32,
    pub input: Payload,
    pub output_path: Option<String>,
    pub key: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub created_at: Time,
}

/// How a job stands.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// What waits is queued here.
    pub state: JobState,
    pub attempts: u32,
    pub cause: Option<Cause>,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
}

/// What the last attempt left.
#[derive(Debug, Clone, Default)]
pub(super) struct Left {
    pub output: Option<Payload>,
    pub artifacts: Vec<Artifact>,
    pub warnings: Vec<String>,
    /// Why the last attempt failed that did.
    pub failure: Option<Failure>,
}

/// What all jobs of a batch at one stage have in common.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub batch: BatchId,
    pub pipeline: String,
    pub stage: String,
    pub labels: BTreeMap<String, String>,
    /// How its jobs are called that are queued.
    pub waits_as: JobState,
}

impl From<&change::Job> for Standing {
    fn from(job: &change::Job) -> Standing {
        Standing {
            state: job.state,
            attempts: job.attempts,
            cause: job.cause(),
            started_at: job.started_at(),
            finished_at: job.finished_at(),
        }
    }
}

impl From<&change::Run> for Standing {
    fn from(run: &change::Run) -> Standing {
        let change::Run { state, at, cause, .. } = *run;
        let finished_at = state.is_final().then_some(at);
        Standing { state, attempts: 0, cause, started_at: None, finished_at }
    }
}

/// A job as people see it.
pub(super) fn job(
    id: JobId,
    common: Common,
    submitted: Submitted,
    standing: Standing,
    left: Left,
) -> api::Job {
    let Common { batch, pipeline, stage, mut labels, waits_as } = common;
    labels.extend(submitted.labels);
    let state = if standing.state == JobState::Queued { waits_as } else { standing.state };
    let succeeded = state == JobState::Succeeded;
    api::Job {
        id,
        batch,
        index: submitted.index,
        pipeline,
        state,
        stage,
        priority: submitted.priority,
        labels,
        key: submitted.key,
        input: submitted.input,
        output_path: submitted.output_path,
        // The last attempt's output is the job's only where that was the last stage.
        result: left.output.filter(|_| succeeded),
        artifacts: left.artifacts,
        warnings: left.warnings,
        failure: failure(&standing, left.failure),
        attempts: standing.attempts,
        created_at: submitted.created_at,
        started_at: standing.started_at,
        finished_at: standing.finished_at,
    }
}

/// What a job failed of: the cause that ended it, unless its last attempt tells the same in more
/// words.
fn failure(standing: &Standing, of_attempt: Option<Failure>) -> Option<Failure> {
    let ended = matches!(standing.state, JobState::Cancelled | JobState::Expired);
    let Some(by) = standing.cause.filter(|_| ended).and_then(Cause::failure) else {
        return of_attempt;
    };
    of_attempt.filter(|failure| failure.code == by.code).or(Some(by))
}

/// How a batch stands, with what was told of it beside.
#[derive(Debug, Clone)]
pub(super) struct BatchStanding {
    pub open: bool,
    pub counts: BTreeMap<JobState, u64>,
    pub waits_as: JobState,
    pub held: bool,
    pub start_at: Option<Time>,
    pub pending: Vec<Target>,
    pub finished_at: Option<Time>,
    pub unmet: Vec<api::Unmet>,
    pub called: Option<api::Called>,
}

impl From<&change::Batch> for BatchStanding {
    fn from(batch: &change::Batch) -> BatchStanding {
        BatchStanding {
            open: batch.open,
            counts: by_state(&batch.counts),
            waits_as: batch.waits_as,
            held: batch.held,
            start_at: batch.start_at,
            pending: batch.pending.clone(),
            finished_at: batch.finished_at,
            unmet: Vec::new(),
            called: None,
        }
    }
}

/// Counts by state, without states in which there is nothing.
fn by_state(counts: &Counts) -> BTreeMap<JobState, u64> {
    JobState::ALL.into_iter().zip(*counts).filter(|(_, count)| *count > 0).collect()
}

/// What was said once of a batch.
#[derive(Debug, Clone)]
pub(super) struct BatchOpening {
    pub id: BatchId,
    pub project: Option<String>,
    pub pipeline: String,
    pub actor: String,
    pub name: Option<String>,
    pub priority: i32,
    pub labels: BTreeMap<String, String>,
    pub terms: Terms,
    pub created_at: Time,
}

impl BatchOpening {
    pub(super) fn of(opened: &change::Opened, pipeline: String) -> BatchOpening {
        let Opening { name, priority, labels, terms, .. } = (*opened.opening).clone();
        BatchOpening {
            id: opened.batch,
            project: Some(opened.project_name.to_string()),
            pipeline,
            actor: opened.actor.map(|actor| actor.to_string()).unwrap_or_default(),
            name,
            priority,
            labels,
            terms,
            created_at: opened.created_at,
        }
    }
}

/// A batch as people see it.
pub(super) fn batch(opening: BatchOpening, standing: BatchStanding) -> api::Batch {
    let terms = terms_left(&opening.terms, &standing);
    let mut counts = BTreeMap::new();
    for (state, jobs) in standing.counts {
        let shown = if state == JobState::Queued { standing.waits_as } else { state };
        *counts.entry(shown).or_insert(0) += jobs;
    }
    api::Batch {
        id: opening.id,
        project: opening.project,
        unmet: standing.unmet,
        terms,
        called: standing.called,
        name: opening.name,
        pipeline: opening.pipeline,
        actor: opening.actor,
        priority: opening.priority,
        labels: opening.labels,
        open: standing.open,
        finished: standing.finished_at.is_some(),
        jobs: counts.values().sum(),
        counts,
        created_at: opening.created_at,
        finished_at: standing.finished_at,
    }
}

/// The terms, where any are left: of what is waited for, what has not come.
fn terms_left(terms: &Terms, standing: &BatchStanding) -> Option<api::Terms> {
    let after = terms.after.iter().filter(|dependency| standing.pending.contains(&dependency.on));
    let left = api::Terms {
        start_at: standing.start_at,
        expires_at: terms.expires_at,
        deadline: terms.deadline,
        held: standing.held,
        after: after.copied().collect(),
        limit_key: terms.limit_key.clone(),
        callback: terms.callback.clone(),
    };
    (left != api::Terms::default()).then_some(left)
}
