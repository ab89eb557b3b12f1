//! The attempts at this worker that have not ended: waiting for room, or running.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::attempt::{Failure, FailureKind, Outcome, Usage};
use gristmill_model::wire::{Assignment, Ended};
use gristmill_model::{AttemptId, JobId, Span, Time, limits};

/// Attempts by id, with the deadlines of those that run.
#[derive(Debug, Default)]
pub(super) struct Holding {
    held: BTreeMap<AttemptId, Held>,
    timeouts: BTreeSet<(Time, AttemptId)>,
}

#[derive(Debug)]
enum Held {
    Waiting(Box<Assignment>),
    Running(Run),
}

/// An attempt that was started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) since: Time,
    pub(super) stop: Option<StopReason>,
    job: JobId,
    timeout: Option<Span>,
}

/// Why an attempt was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The server asked.
    Cancelled,
    /// It ran too long.
    TimedOut,
    /// It is no longer ours: nobody wants to hear how it ended.
    Stale,
}

impl Holding {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn contains(&self, attempt: AttemptId) -> bool {
        self.held.contains_key(&attempt)
    }

    /// Attempts that the server still counts as ours.
    pub(super) fn ours(&self) -> impl Iterator<Item = AttemptId> + '_ {
        let stale = |held: &Held| matches!(held, Held::Running(run) if run.is_stale());
        self.held.iter().filter(move |(_, held)| !stale(held)).map(|(attempt, _)| *attempt)
    }

    /// The job of a running attempt whose words still count.
    pub(super) fn job_of(&self, attempt: AttemptId) -> Option<JobId> {
        match self.held.get(&attempt)? {
            Held::Running(run) if !run.is_stale() => Some(run.job),
            Held::Running(_) | Held::Waiting(_) => None,
        }
    }

    pub(super) fn take_in(&mut self, assignment: Assignment) {
        self.held.insert(assignment.attempt, Held::Waiting(Box::new(assignment)));
    }

    /// An attempt that waits.
    pub(super) fn waiting(&self, attempt: AttemptId) -> Option<&Assignment> {
        match self.held.get(&attempt)? {
            Held::Waiting(assignment) => Some(assignment),
            Held::Running(_) => None,
        }
    }

    /// Marks a waiting attempt as running and hands out what is to be run.
    pub(super) fn start(&mut self, attempt: AttemptId, now: Time) -> Option<Assignment> {
        let held = self.held.get_mut(&attempt)?;
        let Held::Waiting(assignment) = held else { return None };
        let (job, timeout) = (assignment.job, assignment.timeout);
        self.timeouts.extend(timeout.map(|span| (now + span, attempt)));
        let running = Held::Running(Run { since: now, stop: None, job, timeout });
        match std::mem::replace(held, running) {
            Held::Waiting(assignment) => Some(*assignment),
            Held::Running(_) => None,
        }
    }

    /// Lets a waiting attempt go; `false` where it does not wait.
    pub(super) fn drop_waiting(&mut self, attempt: AttemptId) -> bool {
        let waits = matches!(self.held.get(&attempt), Some(Held::Waiting(_)));
        if waits {
            self.held.remove(&attempt);
        }
        waits
    }

    /// Notes why a running attempt is to stop; `true` where it has not been told before. The first
    /// reason stays, except that nothing is said any more of an attempt that turned stale.
    pub(super) fn stop(&mut self, attempt: AttemptId, reason: StopReason) -> bool {
        let Some(Held::Running(run)) = self.held.get_mut(&attempt) else { return false };
        let first = run.stop.is_none();
        if first || reason == StopReason::Stale {
            run.stop = Some(reason);
        }
        if let Some(deadline) = run.deadline() {
            self.timeouts.remove(&(deadline, attempt));
        }
        first
    }

    /// Lets a running attempt go.
    pub(super) fn finish(&mut self, attempt: AttemptId) -> Option<Run> {
        let Held::Running(run) = self.held.get(&attempt)? else { return None };
        let run = *run;
        self.held.remove(&attempt);
        if let Some(deadline) = run.deadline() {
            self.timeouts.remove(&(deadline, attempt));
        }
        Some(run)
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.timeouts.first().map(|(at, _)| *at)
    }

    /// A running attempt whose time is over and that was not told to stop.
    pub(super) fn overdue(&self, now: Time) -> Option<AttemptId> {
        self.timeouts.first().filter(|(at, _)| *at <= now).map(|(_, attempt)| *attempt)
    }
}

impl Run {
    fn is_stale(&self) -> bool {
        self.stop == Some(StopReason::Stale)
    }

    fn deadline(&self) -> Option<Time> {
        self.timeout.map(|span| self.since + span)
    }

    /// What the attempt counts as: a handler that was ended cannot know why it was. Past its
    /// timeout an attempt has failed, whatever came of it; a cancelled one may still have been
    /// faster than the stop, and then its work is reported.
    pub(super) fn verdict(&self, outcome: Outcome) -> Outcome {
        match (self.stop, outcome) {
            (Some(StopReason::TimedOut), outcome) => {
                let timeout = self.timeout.unwrap_or_default();
                let message = format!("ran longer than its timeout of {timeout}");
                failed(FailureKind::TimedOut, "timed_out", message, exit_code(&outcome))
            }
            (Some(StopReason::Cancelled), Outcome::Failed(failure)) => {
                let message = "stopped on request".into();
                failed(FailureKind::Cancelled, "cancelled", message, failure.exit_code)
            }
            (_, outcome) => outcome,
        }
    }
}

/// The outcome of an attempt that was stopped before it started.
pub(super) fn cancelled() -> Outcome {
    failed(FailureKind::Cancelled, "cancelled", "stopped before it started".into(), None)
}

/// The outcome of an attempt whose device went out of service before it began.
pub(super) fn out_of_service() -> Outcome {
    let message = "its device went out of service before it began".into();
    failed(FailureKind::Cancelled, "device_out_of_service", message, None)
}

/// The outcome of an attempt whose device others took before it began.
pub(super) fn device_in_use() -> Outcome {
    let message = "others took the memory of its device before it began".into();
    failed(FailureKind::Cancelled, "device_in_use", message, None)
}

/// The outcome of an attempt that the worker has no place for, not even to let it wait.
pub(super) fn too_many() -> Outcome {
    let message = format!("this worker holds {} attempts already", limits::HELD_PER_WORKER);
    failed(FailureKind::Failed, "worker_full", message, None)
}

/// The report of an attempt that was never started.
pub(super) fn never_ran(attempt: AttemptId, outcome: Outcome) -> Ended {
    Ended { attempt, outcome, usage: Usage::default(), devices: Vec::new() }
}

fn exit_code(outcome: &Outcome) -> Option<i32> {
    match outcome {
        Outcome::Succeeded(_) => None,
        Outcome::Failed(failure) => failure.exit_code,
    }
}

fn failed(kind: FailureKind, code: &str, message: String, exit_code: Option<i32>) -> Outcome {
    Outcome::Failed(Failure { exit_code, ..Failure::new(kind, code, message) })
}
