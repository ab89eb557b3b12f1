//! An attempt ended, or has come so far. Only the live attempt is believed.

use std::sync::Arc;

use gristmill_model::attempt::{
    Failure, FailureKind, Outcome, QUARANTINED, Success, Usage, WORKER_LOST,
};
use gristmill_model::command::{Progress, Reply};
use gristmill_model::event::{AttemptEvent, EphemeralEvent, Event, Then};
use gristmill_model::job::JobState;
use gristmill_model::limits;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{AttemptId, JobId, Time, WorkerId};

use super::{cut, device, find_worker, heartbeat};
use crate::state::{Job, State};
use crate::turn::Turn;

pub(crate) fn report(
    turn: &mut Turn,
    worker: WorkerId,
    attempt: AttemptId,
    outcome: Outcome,
    usage: Usage,
    mut devices: Vec<String>,
) -> Result<Reply, Rejection> {
    judge(turn.state(), worker, attempt)?;
    heartbeat::renew(turn, worker);
    devices.truncate(limits::DEVICES);
    devices.iter_mut().for_each(|device| cut(device, limits::NAME_BYTES));
    match outcome {
        Outcome::Succeeded(success) => match oversize(&success) {
            None => succeed(turn, attempt, success, usage, devices),
            Some(failure) => fail(turn, attempt, failure, usage, devices),
        },
        Outcome::Failed(mut failure) => {
            bound(&mut failure);
            let broken = failure.kind == FailureKind::Device;
            let message = failure.message.clone();
            fail(turn, attempt, failure, usage, devices);
            if broken {
                device::judge(turn, worker, &message);
            }
        }
    }
    Ok(Reply::Done)
}

pub(crate) fn progress(
    turn: &mut Turn,
    worker: WorkerId,
    attempt: AttemptId,
    progress: Progress,
) -> Result<Reply, Rejection> {
    let job = judge(turn.state(), worker, attempt)?;
    let batch = turn.state().job(job).expect("a live attempt has its job").batch;
    heartbeat::renew(turn, worker);
    let Progress { done, total, mut message } = progress;
    cut(&mut message, limits::MESSAGE_BYTES);
    turn.emit(Event::Ephemeral(EphemeralEvent::ProgressMade {
        attempt,
        job,
        batch,
        done,
        total,
        message,
    }));
    Ok(Reply::Done)
}

/// A part of a result, for whoever follows the job: nothing is kept of it.
pub(crate) fn partial(
    turn: &mut Turn,
    worker: WorkerId,
    attempt: AttemptId,
    index: u64,
    value: String,
) -> Result<Reply, Rejection> {
    let job = judge(turn.state(), worker, attempt)?;
    let batch = turn.state().job(job).expect("a live attempt has its job").batch;
    heartbeat::renew(turn, worker);
    if value.len() > limits::INLINE_BYTES {
        let (size, most) = (value.len(), limits::INLINE_BYTES);
        let detail = format!("a part of {size} bytes: at most {most} inline");
        return Err(Rejection::new(Code::TooLarge, detail));
    }
    turn.emit(Event::Ephemeral(EphemeralEvent::PartialMade { attempt, job, batch, index, value }));
    Ok(Reply::Done)
}

/// The fence: the attempt is live, and it is this worker's.
fn judge(state: &State, worker: WorkerId, attempt: AttemptId) -> Result<JobId, Rejection> {
    find_worker(state, worker)?;
    match state.attempt(attempt) {
        Some(live) if live.worker == worker => Ok(live.job),
        _ => {
            let detail = format!("attempt {attempt} is not a live attempt of worker {worker}");
            Err(Rejection::new(Code::StaleAttempt, detail))
        }
    }
}

fn succeed(
    turn: &mut Turn,
    attempt: AttemptId,
    success: Success,
    usage: Usage,
    devices: Vec<String>,
) {
    let state = turn.state();
    let live = state.attempt(attempt).expect("judged before");
    let (job, worker) = (live.job, live.worker);
    let then = after_success(state, job);
    turn.emit(Event::Attempt(AttemptEvent::Succeeded {
        attempt,
        job,
        worker,
        success: Arc::new(success),
        usage,
        devices,
        then,
    }));
}

/// Ends a live attempt that did not succeed, whoever says so: worker, lease or timeout.
pub(crate) fn fail(
    turn: &mut Turn,
    attempt: AttemptId,
    mut failure: Failure,
    usage: Usage,
    devices: Vec<String>,
) {
    let state = turn.state();
    let live = state.attempt(attempt).expect("judged before");
    let (job, worker) = (live.job, live.worker);
    let then = after_failure(state, attempt, &mut failure, turn.now());
    turn.emit(Event::Attempt(AttemptEvent::Failed {
        attempt,
        job,
        worker,
        failure: Arc::new(failure),
        usage,
        devices,
        then,
    }));
}

/// A result that is there is kept even if somebody asked to cancel meanwhile; only further stages
/// are not begun.
fn after_success(state: &State, job: JobId) -> Then {
    let found = state.job(job).expect("a live attempt has its job");
    let batch = state.batch(found.batch).expect("a job has its batch");
    let pipeline = state.pipeline(batch.pipeline).expect("a batch has its pipeline");
    match (pipeline.is_last(found.stage), found.state) {
        (true, _) => Then::Succeed,
        (false, JobState::Cancelling) => stopped(found),
        (false, _) => Then::NextStage,
    }
}

/// What becomes of a job that was asked to stop: its deadline passed, or somebody asked.
fn stopped(job: &Job) -> Then {
    if job.is_expiring() { Then::Expire } else { Then::Cancel }
}

fn after_failure(state: &State, attempt: AttemptId, failure: &mut Failure, now: Time) -> Then {
    let live = state.attempt(attempt).expect("judged before");
    let (id, worker) = (live.job, live.worker);
    let job = state.job(id).expect("a live attempt has its job");
    if job.state == JobState::Cancelling {
        blame_deadline(job, failure);
        return stopped(job);
    }
    match failure.kind {
        // A worker that stops ends its attempts without anybody having asked for that.
        FailureKind::Cancelled => Then::Requeue,
        _ if failure.is_death() && job.deaths.len() + 1 >= limits::LOST_WORKERS => {
            quarantine(job, (worker, attempt), failure);
            Then::Fail
        }
        FailureKind::Lost | FailureKind::Device => Then::Requeue,
        // Once more, and then apart from all others: it may have been their memory that was
        // wanting.
        FailureKind::OutOfMemory if !job.keeps_apart() => Then::Requeue,
        FailureKind::OutOfMemory => Then::Fail,
        kind => match state.stage_of(id).retry.pause(id, job.failures + 1, kind) {
            Some(pause) => Then::Retry { at: now + pause },
            None => Then::Fail,
        },
    }
}

/// A worker only knows that it was to stop; that it was the deadline is known here.
fn blame_deadline(job: &Job, failure: &mut Failure) {
    let cause = job.cause();
    if let (FailureKind::Cancelled, Some((cause, code))) =
        (failure.kind, cause.and_then(|cause| Some((cause, cause.code()?))))
    {
        failure.code = code.into();
        failure.message = format!("{cause}: it was stopped");
    }
}

/// The job is set aside with the evidence: which workers died, and which attempts they ran.
fn quarantine(job: &Job, last: (WorkerId, AttemptId), failure: &mut Failure) {
    let deaths = job.deaths.iter().chain(std::iter::once(&last));
    let evidence: Vec<String> =
        deaths.map(|(worker, attempt)| format!("{worker} while it ran {attempt}")).collect();
    let died = if failure.code == WORKER_LOST { "workers" } else { "workers or sessions" };
    failure.code = QUARANTINED.into();
    failure.message = format!(
        "{} {died} died while they ran this job ({}); the last: {}",
        evidence.len(),
        evidence.join(", "),
        failure.message
    );
}

/// A result beyond the bounds is the handler's failure, never a panic or an unbounded log.
fn oversize(success: &Success) -> Option<Failure> {
    let size = success.output.inline_len();
    let beside: usize = success.artifacts.iter().map(|artifact| artifact.inline_len()).sum();
    let said: usize = success.warnings.iter().map(String::len).sum();
    let message = if size > limits::INLINE_BYTES {
        format!("an output of {size} bytes inline: at most {}", limits::INLINE_BYTES)
    } else if success.artifacts.len() > limits::ARTIFACTS || beside > limits::INLINE_BYTES * 4 {
        format!("{} artifacts: at most {}", success.artifacts.len(), limits::ARTIFACTS)
    } else if said > limits::INLINE_BYTES {
        format!("{said} bytes of warnings: at most {}", limits::INLINE_BYTES)
    } else {
        return None;
    };
    Some(Failure::new(FailureKind::Invalid, "output_too_large", message))
}

/// What a failure may say.
fn bound(failure: &mut Failure) {
    cut(&mut failure.message, limits::MESSAGE_BYTES);
    cut(&mut failure.code, limits::NAME_BYTES);
    // Where it happened stands at the end.
    if let Some(traceback) = &mut failure.traceback
        && traceback.len() > limits::TRACEBACK_BYTES
    {
        let from = traceback.ceil_char_boundary(traceback.len() - limits::TRACEBACK_BYTES);
        traceback.drain(..from);
    }
}
