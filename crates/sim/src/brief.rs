//! Frames, commands and events in a few words, for the trace.

use std::fmt::{self, Display, Write};

use gristmill_model::JobRun;
use gristmill_model::attempt::Outcome;
use gristmill_model::command::Command;
use gristmill_model::event::{
    AttemptEvent, BatchEvent, DeviceEvent, EphemeralEvent, Event, JobsEvent, ProjectEvent, Then,
    WorkerEvent,
};
use gristmill_model::terms::Terms;
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
        FromWorker::Partial { attempt, .. } => format!("Partial of {attempt}"),
        FromWorker::Device { device, quarantined } => match quarantined {
            Some(_) => format!("Device {device} is out"),
            None => format!("Device {device} is sound"),
        },
        FromWorker::Measured { session, vram } => format!("Measured {session} {vram}"),
        FromWorker::Foreign { device, vram } => format!("Foreign {device} {vram}"),
        FromWorker::Sample { sessions, .. } => format!("Sample of {} sessions", sessions.len()),
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
        ToWorker::Device { device, quarantined } => match quarantined {
            Some(_) => format!("Device {device} is out"),
            None => format!("Device {device} is back"),
        },
        ToWorker::Drain => "Drain".into(),
    }
}

/// What a client or an operator asks.
#[must_use]
pub fn command(command: &Command) -> String {
    match command {
        Command::Submit(submission) => {
            let key = submission.key.as_ref().map_or("no key", |key| key.key.as_str());
            let range = submission.range.as_ref().map(|source| format!(" and {source:?}"));
            let (jobs, range) = (submission.jobs.len(), range.unwrap_or_default());
            let terms = terms(&submission.terms);
            format!("submit {jobs} jobs{range} to {}, {key}{terms}", submission.project)
        }
        Command::Append { batch, jobs, range, close } => {
            let close = if *close { ", the last" } else { "" };
            let range = if range.is_some() { " and a range" } else { "" };
            format!("append {} jobs{range} to {batch}{close}", jobs.len())
        }
        Command::CancelJobs(list) => format!("cancel {}", runs(list)),
        Command::RetryJobs(list) => format!("retry {}", runs(list)),
        Command::Hold(target) => format!("hold {target}"),
        Command::Release(target) => format!("release {target}"),
        Command::SetLimit { project, scope, limit } => {
            format!("limit {scope} of {project} to {limit:?}")
        }
        Command::SetFlow { project, scope, flow } => format!("make {scope} of {project} {flow}"),
        Command::SetDevice { worker, device, quarantined } => match quarantined {
            Some(_) => format!("take {device} of {worker} out of service"),
            None => format!("put {device} of {worker} back"),
        },
        Command::PauseWorker { worker, paused } => format!("pause {worker}: {paused}"),
        Command::DeclareWorker { name, shape } => format!("declare {name}: {}", shape.is_some()),
        Command::DefineProject { name, weight } => format!("give project {name} weight {weight}"),
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
        Event::Batch(BatchEvent::Opened { batch, .. }) => format!("{batch} opened"),
        Event::Batch(BatchEvent::JobsAdded { batch, first, jobs }) => {
            format!("{} jobs from {first} added to {batch}", jobs.len())
        }
        Event::Batch(BatchEvent::RangeAdded { batch, first, count, .. }) => {
            format!("a range of {count} from {first} added to {batch}")
        }
        Event::Batch(BatchEvent::Closed { batch }) => format!("{batch} closed"),
        Event::Batch(BatchEvent::Held { batch, .. }) => format!("{batch} held"),
        Event::Batch(BatchEvent::Released { batch, .. }) => format!("{batch} released"),
        Event::Batch(BatchEvent::StartReached { batch }) => format!("{batch} may start"),
        Event::Batch(BatchEvent::ExpiryReached { batch }) => format!("{batch} should have begun"),
        Event::Batch(BatchEvent::DeadlineReached { batch }) => format!("{batch} should have ended"),
        Event::Batch(BatchEvent::DependencyMet { batch, on }) => {
            format!("{batch} waits no more for {on}")
        }
        Event::Batch(BatchEvent::DependencyFailed { batch, on }) => {
            format!("{batch} waited in vain for {on}")
        }
        Event::Batch(BatchEvent::Finished { batch }) => format!("{batch} finished"),
        Event::Batch(BatchEvent::Forgotten { batches }) => format!("[{}] forgotten", list(batches)),
        Event::Jobs(JobsEvent::Expired { jobs, .. }) => format!("{} expired", runs(jobs)),
        Event::Jobs(JobsEvent::Retried { jobs, .. }) => format!("{} retried by hand", runs(jobs)),
        Event::Jobs(JobsEvent::Held { jobs, .. }) => format!("{} held", runs(jobs)),
        Event::Jobs(JobsEvent::Released { jobs, .. }) => format!("{} released", runs(jobs)),
        Event::Project(ProjectEvent::LimitSet { project, scope, limit, .. }) => {
            format!("{scope} of {project} limited to {limit:?}")
        }
        Event::Project(ProjectEvent::FlowSet { project, scope, flow, .. }) => {
            format!("{scope} of {project} is {flow}")
        }
        Event::Worker(WorkerEvent::Paused { worker, paused, .. }) => {
            format!("{worker} pauses: {paused}")
        }
        Event::Attempt(AttemptEvent::Leased {
            attempt, job, stage, number, worker, seat, ..
        }) => {
            let seat = seat.as_ref().map_or_else(String::new, |it| format!(" on {:?}", it.devices));
            format!("{attempt} leased to {worker}{seat}: {job} stage {stage} number {number}")
        }
        Event::Attempt(AttemptEvent::Succeeded { attempt, job, then, .. }) => {
            format!("{attempt} of {job} succeeded, {}", Next(*then))
        }
        Event::Attempt(AttemptEvent::Failed { attempt, job, failure, then, .. }) => {
            format!("{attempt} of {job} failed by {}, {}", failure.code, Next(*then))
        }
        Event::Jobs(JobsEvent::BackoffElapsed { job }) => format!("{job} has paused"),
        Event::Jobs(JobsEvent::CancelRequested { jobs, .. }) => {
            format!("[{}] asked to stop", list(jobs))
        }
        Event::Jobs(JobsEvent::Cancelled { jobs, .. }) => format!("{} cancelled", runs(jobs)),
        Event::Worker(WorkerEvent::Joined { worker, instance, .. }) => {
            format!("{worker} joined, instance {instance:016x}")
        }
        Event::Device(DeviceEvent::Quarantined { worker, device, .. }) => {
            format!("{device} of {worker} is out of service")
        }
        Event::Device(DeviceEvent::Returned { worker, device }) => {
            format!("{device} of {worker} is back")
        }
        Event::Device(DeviceEvent::SessionMeasured { worker, session, vram }) => {
            format!("{session} takes {vram} at {worker}")
        }
        Event::Device(DeviceEvent::ForeignUseNoted { worker, device, vram }) => {
            format!("others have {vram} of {device} of {worker}")
        }
        Event::Worker(WorkerEvent::Draining { worker }) => format!("{worker} drains"),
        Event::Worker(WorkerEvent::Left { worker, reason }) => format!("{worker} left: {reason:?}"),
        Event::Ephemeral(EphemeralEvent::WorkerConnected { worker, .. }) => {
            format!("{worker} connected")
        }
        Event::Ephemeral(EphemeralEvent::WorkerDisconnected { worker, .. }) => {
            format!("{worker} disconnected")
        }
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
            Then::Expire => f.write_str("expired"),
        }
    }
}

fn terms(terms: &Terms) -> String {
    if *terms == Terms::default() { String::new() } else { format!(" under {terms:?}") }
}

fn runs(jobs: &[JobRun]) -> String {
    let words = jobs.iter().map(|run| match run.count {
        1 => run.first.to_string(),
        _ => format!("{}..{}", run.first, run.end()),
    });
    format!("[{}]", words.collect::<Vec<_>>().join(" "))
}

fn list<T: Display>(ids: &[T]) -> String {
    ids.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}
