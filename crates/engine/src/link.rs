//! Between engine and worker link, purely: which commands a frame asks for, and which frames
//! workers must be sent because of what happened. Server and simulator both use this, so the
//! simulator tests the translation too.

use gristmill_model::command::{Command, Greeting, Progress};
use gristmill_model::event::{
    AttemptEvent, DeviceEvent, EphemeralEvent, Event, JobsEvent, Record, WorkerEvent,
};
use gristmill_model::job::JobState;
use gristmill_model::wire::{Assignment, FromWorker, Hello, ToWorker};
use gristmill_model::{AttemptId, WorkerId};

use crate::Engine;
use crate::timer::OVERDUE;

/// What a worker's greeting asks.
#[must_use]
pub fn greeting(hello: Hello) -> Greeting {
    let Hello { instance, description, prefetch, holds, offers, .. } = hello;
    Greeting { instance, description, prefetch, holds, offers }
}

/// What a frame of a worker that was welcomed asks. `Hello` and `Log` ask nothing here: the first
/// is answered by whoever keeps the connection, the second goes to the store of captured output.
pub fn commands(worker: WorkerId, frame: FromWorker) -> impl Iterator<Item = Command> {
    let (asked, ended) = match frame {
        // Reports that are refused as stale are a sign of life too.
        FromWorker::Ended(ended) => (vec![Command::Heartbeat { worker }], ended),
        other => (asked(worker, other), Vec::new()),
    };
    let reports = ended.into_iter().map(move |ended| Command::Report {
        worker,
        attempt: ended.attempt,
        outcome: ended.outcome,
        usage: ended.usage,
        devices: ended.devices,
    });
    asked.into_iter().chain(reports)
}

/// What a frame asks beside its reports.
fn asked(worker: WorkerId, frame: FromWorker) -> Vec<Command> {
    match frame {
        FromWorker::Hello(_) | FromWorker::Log { .. } | FromWorker::Ended(_) => Vec::new(),
        FromWorker::Heartbeat => vec![Command::Heartbeat { worker }],
        FromWorker::Prefetch(prefetch) => vec![Command::SetPrefetch { worker, prefetch }],
        FromWorker::Progress { attempt, done, total, message } => {
            let progress = Progress { done, total, message };
            vec![Command::Progress { worker, attempt, progress }]
        }
        FromWorker::Partial { attempt, index, value } => {
            vec![Command::Partial { worker, attempt, index, value }]
        }
        FromWorker::Device { device, quarantined } => {
            vec![Command::SetDevice { worker, device, quarantined }]
        }
        FromWorker::Measured { session, vram } => vec![Command::Measure { worker, session, vram }],
        FromWorker::Foreign { device, vram } => {
            vec![Command::NoteForeignUse { worker, device, vram }]
        }
        FromWorker::Sample { devices, sessions } => {
            vec![Command::Sample { worker, devices, sessions }]
        }
        FromWorker::Draining => vec![Command::Heartbeat { worker }, Command::Drain(worker)],
        FromWorker::Goodbye => vec![Command::Leave(worker)],
    }
}

/// Frames that workers must be sent because of `records`, in order. Ask after the records were
/// applied and before anything else is; send after they are durable.
#[must_use]
pub fn frames(engine: &Engine, records: &[Record]) -> Vec<(WorkerId, ToWorker)> {
    let mut frames = Vec::new();
    for record in records {
        match &record.event {
            Event::Attempt(AttemptEvent::Leased { attempt, worker, .. }) => {
                // An attempt of this round may have ended in this round already.
                if let Some(assignment) = assignment(engine, *attempt) {
                    push_run(&mut frames, *worker, assignment);
                }
            }
            Event::Jobs(JobsEvent::CancelRequested { jobs, .. }) => {
                let attempts = jobs.iter().filter_map(|job| engine.state().job(*job)?.attempt);
                for (worker, attempt) in held_by(engine, attempts) {
                    frames.push((worker, ToWorker::Stop(vec![attempt])));
                }
            }
            // What a worker reported itself, lost or never got needs no stop: a stop for what it
            // does not hold would only make it report once more.
            Event::Attempt(AttemptEvent::Failed { attempt, worker, failure, .. })
                if failure.code == OVERDUE =>
            {
                frames.push((*worker, ToWorker::Stop(vec![*attempt])));
            }
            Event::Device(DeviceEvent::Quarantined { worker, device, reason })
                if !record.actor.is_worker() =>
            {
                frames.push((*worker, device_frame(device, Some(reason))));
            }
            Event::Device(DeviceEvent::Returned { worker, device })
                if !record.actor.is_worker() =>
            {
                frames.push((*worker, device_frame(device, None)));
            }
            Event::Worker(WorkerEvent::Draining { worker }) => {
                frames.push((*worker, ToWorker::Drain))
            }
            Event::Ephemeral(EphemeralEvent::WorkerConnected { worker, .. }) => {
                frames.extend(reminders(engine, *worker))
            }
            _ => {}
        }
    }
    frames
}

fn push_run(frames: &mut Vec<(WorkerId, ToWorker)>, worker: WorkerId, assignment: Assignment) {
    // Leases of one round come grouped by turns of workers; gather those of one worker.
    let earlier = frames.iter_mut().rev().take(32).find_map(|(to, frame)| match frame {
        ToWorker::Run(run) if *to == worker => Some(run),
        _ => None,
    });
    match earlier {
        Some(run) => run.push(assignment),
        None => frames.push((worker, ToWorker::Run(vec![assignment]))),
    }
}

/// What a worker may have missed while its connection was broken.
fn reminders(engine: &Engine, id: WorkerId) -> Vec<(WorkerId, ToWorker)> {
    let Some(worker) = engine.state().worker(id) else { return Vec::new() };
    let cancelling = |attempt: &AttemptId| {
        let job = engine.state().attempt(*attempt).and_then(|live| engine.state().job(live.job));
        job.is_some_and(|job| job.state == JobState::Cancelling)
    };
    let stop: Vec<_> = worker.attempts.iter().copied().filter(cancelling).collect();
    let stop = (!stop.is_empty()).then_some((id, ToWorker::Stop(stop)));
    let drain = worker.draining.then_some((id, ToWorker::Drain));
    let devices = worker.booking.capacity().devices.iter().zip(&worker.devices);
    let out = devices.filter_map(|(device, health)| match &health.quarantined {
        Some((reason, by)) if !by.is_worker() => Some((id, device_frame(&device.id, Some(reason)))),
        _ => None,
    });
    stop.into_iter().chain(drain).chain(out).collect()
}

fn device_frame(device: &str, quarantined: Option<&String>) -> ToWorker {
    ToWorker::Device { device: device.to_owned(), quarantined: quarantined.cloned() }
}

fn held_by(
    engine: &Engine,
    attempts: impl Iterator<Item = AttemptId>,
) -> impl Iterator<Item = (WorkerId, AttemptId)> {
    attempts.filter_map(|id| Some((engine.state().attempt(id)?.worker, id)))
}

fn assignment(engine: &Engine, id: AttemptId) -> Option<Assignment> {
    let state = engine.state();
    let attempt = state.attempt(id)?;
    let job = state.job(attempt.job)?;
    let batch = state.batch(job.batch)?;
    let pipeline = state.pipeline(batch.pipeline)?;
    let stage = pipeline.stage(job.stage);
    let seat = state.worker(attempt.worker)?.booking.seat_of(id);
    let output = job.output.as_deref().filter(|_| pipeline.is_last(job.stage));
    Some(Assignment {
        attempt: id,
        job: attempt.job,
        batch: job.batch,
        stage: stage.name.clone(),
        number: attempt.number,
        handler: stage.handler.for_worker(),
        resources: stage.request(attempt.alternative).clone(),
        timeout: stage.timeout,
        input: job.input.clone(),
        output: output.map(str::to_owned),
        seat: seat.filter(|seat| !seat.is_plain()),
        alone: job.keeps_apart(),
    })
}
