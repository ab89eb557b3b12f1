//! Why a job is where it is, from the predicates that placement itself uses.

mod backlog;
mod devices;
mod estimate;
mod over;
mod place;
mod rivals;
mod waits;

use gristmill_model::api::{Explanation, GivesWay, WorkerVerdict};
use gristmill_model::job::JobState;
use gristmill_model::problem::Rejection;
use gristmill_model::{BatchId, JobId, Moment, Time, WorkerId};

use crate::decide::find_state;
use crate::schedule::fit::{self, Fit, Reason};
use crate::schedule::hot::{self, Courtesy};
use crate::state::{Class, Head, State};
use backlog::Backlog;
use place::Place;

/// A job that waits, wherever it is.
struct Waiting {
    id: JobId,
    batch: BatchId,
    class: Class,
    rank: i64,
    since: Time,
}

impl Waiting {
    fn head(&self) -> Head {
        Head { rank: self.rank, job: self.id }
    }
}

pub(crate) fn explain(state: &State, at: Moment, id: JobId) -> Result<Explanation, Rejection> {
    let (now, shown) = (at.now, find_state(state, id)?);
    let Some(waiting) = waiting(state, id) else {
        let (since, summary) = over::told(state, at, id, shown);
        let told = plain(id, shown, since, summary);
        return Ok(match backlog::of(state, id).filter(|_| shown == JobState::Running) {
            Some(backlog) => at_worker(told, backlog),
            None => told,
        });
    };
    let waits_for = waits::reasons(state, at, &waiting);
    let queued = shown == JobState::Queued;
    let ids = state.workers().map(|(worker, _)| worker);
    let fits: Vec<(WorkerId, Fit)> =
        ids.map(|worker| (worker, fit::verdict(state, &waiting.class, worker))).collect();
    let never = fit::never(state, fit::stage(state, &waiting.class));
    let workers = if queued { verdicts(state, now, &waiting, &fits) } else { Vec::new() };
    let rivals = if queued { rivals::of(state, now, &waiting) } else { Vec::new() };
    let place = queued.then(|| place::of(state, &waiting));
    let summary = summary(&waits_for, place.as_ref(), &workers, never.as_deref());
    Ok(Explanation {
        ahead: place.as_ref().map(|place| place.ahead),
        would_help: waits::remedies(state, now, &waiting, &fits),
        estimated_start: estimate::of(state, at, &waiting, place.as_ref(), &fits)
            .map(|start| at.wall_at(start)),
        behind: place.map(|place| place.next).unwrap_or_default(),
        rivals,
        waits_for,
        workers,
        ..plain(id, shown, Some(waiting.since), summary)
    })
}

/// What is told of a job with its place in a worker's backlog.
fn at_worker(told: Explanation, backlog: Backlog) -> Explanation {
    let Backlog { ahead, behind, worker } = backlog;
    let summary = format!("{}: {}", told.summary, worker.reason);
    Explanation { summary, ahead: Some(ahead), behind, workers: vec![worker], ..told }
}

fn plain(job: JobId, state: JobState, since: Option<Time>, summary: String) -> Explanation {
    Explanation {
        job,
        state,
        summary,
        since,
        ahead: None,
        behind: Vec::new(),
        rivals: Vec::new(),
        waits_for: Vec::new(),
        would_help: Vec::new(),
        estimated_start: None,
        workers: Vec::new(),
    }
}

/// A job that waits in the queue or behind its batch's gate.
fn waiting(state: &State, id: JobId) -> Option<Waiting> {
    if let Some(job) = state.job(id) {
        let (batch, class, rank) = (job.batch, state.class(job), job.rank);
        return matches!(job.state, JobState::Queued | JobState::Blocked).then_some(Waiting {
            id,
            batch,
            class,
            rank,
            since: job.since.wall,
        });
    }
    let (range, fold) = state.fold(id)?;
    let class = state.class_of_fold(range.batch);
    let (batch, rank) = (range.batch, range.rank());
    (fold.state == JobState::Queued).then_some(Waiting { id, batch, class, rank, since: fold.wall })
}

fn verdicts(
    state: &State,
    now: Time,
    waiting: &Waiting,
    fits: &[(WorkerId, Fit)],
) -> Vec<WorkerVerdict> {
    fits.iter().map(|(worker, fit)| verdict(state, now, waiting, *worker, fit)).collect()
}

fn verdict(state: &State, now: Time, waiting: &Waiting, id: WorkerId, fit: &Fit) -> WorkerVerdict {
    let worker = state.worker(id).expect("asked about workers that are here");
    let mut verdict = WorkerVerdict {
        worker: id,
        name: worker.name().to_owned(),
        fits: !matches!(fit, Fit::Not(_)),
        reason: match fit {
            Fit::Now { .. } => "it has room now".to_owned(),
            Fit::Backlog { waiting, .. } => format!("it would wait there behind {waiting}"),
            Fit::Not(reason) => reason.to_string(),
        },
        devices: Vec::new(),
        more_devices: 0,
        gives_way: None,
    };
    let Fit::Not(lacks @ (Reason::Full { .. } | Reason::OutOfService(..) | Reason::OthersUse(..))) =
        fit
    else {
        return verdict;
    };
    let Some(want) = devices::want(fit::stage(state, &waiting.class), worker) else {
        return verdict;
    };
    let there = devices::of(state, &want, worker);
    if let (Reason::Full { .. }, Some(short)) = (lacks, there.short) {
        verdict.reason = format!("{}; {short}", verdict.reason);
    }
    (verdict.devices, verdict.more_devices) = (there.verdicts, there.more);
    let courtesy = hot::courtesy(state, now, &waiting.class, waiting.head(), id);
    verdict.gives_way =
        courtesy.map(|Courtesy { session, job, until }| GivesWay { session, job, until });
    verdict
}

fn summary(
    waits_for: &[String],
    place: Option<&Place>,
    workers: &[WorkerVerdict],
    never: Option<&str>,
) -> String {
    if !waits_for.is_empty() {
        return waits_for.join("; ");
    }
    let turn = place.map_or_else(String::new, Place::words);
    if workers.is_empty() {
        return "no worker is connected: start one with `gristmill work`".into();
    }
    if workers.iter().any(|worker| worker.fits) {
        return format!("{turn}; it is about to be placed");
    }
    match (never, workers) {
        (Some(never), _) => format!("{turn}, and {never}"),
        (None, [only]) => format!("{turn}, and worker {}: {}", only.worker, only.reason),
        (None, _) => {
            let none = format!("{turn}, and none of {} workers takes it now", workers.len());
            nearest(workers).map_or_else(
                || none.clone(),
                |it| format!("{none}; the nearest, {}: {}", it.worker, it.reason),
            )
        }
    }
}

/// Of several workers that have devices for the job, and no room, the one with the most of a device
/// free.
fn nearest(workers: &[WorkerVerdict]) -> Option<&WorkerVerdict> {
    let most = |worker: &WorkerVerdict| worker.devices.iter().map(|device| device.free_vram).max();
    let with_devices = workers.iter().filter(|worker| !worker.devices.is_empty());
    with_devices.rev().max_by_key(|worker| most(worker))
}

/// So many of a thing, in words.
fn count(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}
