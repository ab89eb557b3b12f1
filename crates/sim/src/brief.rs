//! Frames, commands and events in a few words, for the trace.

use std::fmt::{self, Display, Write};

use gristmill_model::attempt::Outcome;
use gristmill_model::command::Command;
use gristmill_model::event::{Event, Then};
use gristmill_model::wire::{FromWorker, ToWorker};

/// What a worker says.
#[must_use]
pub fn from_worker(frame: &FromWorker) -> String {
    match frame {
        FromWorker::Hello(hello) => format!("Hello, holds [{}]", list(&hello.holds)),
        FromWorker::Heartbeat => "Heartbeat".into(),
        FromWorker::Prefetch(prefetch) => format!("Prefetch {prefetch}"),
        FromWorker::Progress { attempt, .. } => format!("Progress of {attempt}"),
        FromWorker::Log { attempt, .. } => format!("Log of {attempt}"),
        FromWorker::Ended(ended) => {
            let mut text = "Ended".to_owned();
            for end in ended {
                let how = match &end.outcome {
                    Outcome::Succeeded(_) => "well",
                    Outcome::Failed(failure) => failure.code.as_str(),
                };
                write!(text, " {} {how}", end.attempt).expect("strings take all");
            }
            text
        }
        FromWorker::Draining => "Draining".into(),
        FromWorker::Goodbye => "Goodbye".into(),
    }
}

/// What the server says to a worker.
#[must_use]
pub fn to_worker(frame: &ToWorker) -> String {
    match frame {
        ToWorker::Welcome(welcome) => {
            format!("Welcome as {}, stale [{}]", welcome.worker, list(&welcome.stale))
        }
        ToWorker::Refused { code, .. } => format!("Refused {}", code.as_str()),
        ToWorker::Run(run) => {
            let attempts: Vec<_> = run.iter().map(|assignment| assignment.attempt).collect();
            format!("Run {}", list(&attempts))
        }
        ToWorker::Stop(attempts) => format!("Stop {}", list(attempts)),
        ToWorker::Settled(attempts) => format!("Settled {}", list(attempts)),
        ToWorker::Drain => "Drain".into(),
    }
}

/// What a client or an operator asks.
#[must_use]
pub fn command(command: &Command) -> String {
    match command {
        Command::Submit(submission) => {
            let key = submission.key.as_ref().map_or("no key", |key| key.key.as_str());
            format!("submit {} jobs, {key}", submission.jobs.len())
        }
        Command::Append { batch, jobs, close } => {
            let close = if *close { ", the last" } else { "" };
            format!("append {} jobs to {batch}{close}", jobs.len())
        }
        Command::CancelJob(job) => format!("cancel {job}"),
        Command::CancelBatch(batch) => format!("cancel {batch}"),
        Command::RetryJob(job) => format!("retry {job}"),
        Command::Drain(worker) => format!("drain {worker}"),
        Command::DefinePipeline { spec, .. } => format!("define pipeline {}", spec.name),
        _ => "a worker's command".into(),
    }
}

/// What happened.
#[must_use]
pub fn event(event: &Event) -> String {
    match event {
        Event::BatchOpened { batch, .. } => format!("{batch} opened"),
        Event::JobsAdded { batch, first, jobs } => {
            format!("{} jobs from {first} added to {batch}", jobs.len())
        }
        Event::BatchClosed { batch } => format!("{batch} closed"),
        Event::AttemptLeased { attempt, job, stage, number, worker } => {
            format!("{attempt} leased to {worker}: {job} stage {stage} number {number}")
        }
        Event::AttemptSucceeded { attempt, job, then, .. } => {
            format!("{attempt} of {job} succeeded, {}", Next(*then))
        }
        Event::AttemptFailed { attempt, job, failure, then, .. } => {
            format!("{attempt} of {job} failed by {}, {}", failure.code, Next(*then))
        }
        Event::BackoffElapsed { job } => format!("{job} has paused"),
        Event::CancelRequested { jobs, .. } => format!("[{}] asked to stop", list(jobs)),
        Event::JobsCancelled { jobs, .. } => format!("[{}] cancelled", list(jobs)),
        Event::JobRetried { job, .. } => format!("{job} retried by hand"),
        Event::WorkerJoined { worker, instance, .. } => {
            format!("{worker} joined, instance {instance:016x}")
        }
        Event::WorkerDraining { worker } => format!("{worker} drains"),
        Event::WorkerLeft { worker, reason } => format!("{worker} left: {reason:?}"),
        Event::WorkerConnected { worker, .. } => format!("{worker} connected"),
        Event::WorkerDisconnected { worker, .. } => format!("{worker} disconnected"),
        other => other.name().into(),
    }
}

struct Next(Then);

impl Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Then::NextStage => f.write_str("next stage"),
            Then::Succeed => f.write_str("done"),
            Then::Retry { at } => write!(f, "again at {at}"),
            Then::Requeue => f.write_str("queued again"),
            Then::Fail => f.write_str("for good"),
            Then::Cancel => f.write_str("cancelled"),
        }
    }
}

fn list<T: Display>(ids: &[T]) -> String {
    ids.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}
