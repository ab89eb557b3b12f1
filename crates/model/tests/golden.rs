//! Golden files of the three contracts: what any released version has written must load for ever,
//! and what this version writes must not change unseen.
//!
//! Each line is a name and a value: MessagePack in hexadecimal for disk and wire, JSON for the API.
//! `UPDATE_GOLDEN=1` writes the files anew; do that only together with the rule of change that
//! stands on top of the contract's file.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;

use gristmill_model::access::Actor;
use gristmill_model::attempt::{Failure, FailureKind, Outcome, Success, Usage};
use gristmill_model::booking::{Pinned, Seat};
use gristmill_model::device::{DeviceSample, SessionSample, SessionState};
use gristmill_model::digest::Digest;
use gristmill_model::event::{Event, LeaveReason, Record, Then};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::{Artifact, Line, Payload, Place};
use gristmill_model::pipeline::{
    CommandSpec, Handler, ImagesSpec, PipelineSpec, SessionSpec, StageSpec,
};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::resources::{Capacity, Device, DeviceRequest, Resources, WorkerShape};
use gristmill_model::restored::{BatchPart, DevicePart, JobPart, Part};
use gristmill_model::scope::{Flow, Limit, Scope};
use gristmill_model::source::{Lines, Source};
use gristmill_model::terms::{Dependency, Target, Terms, When};
use gristmill_model::wire::{Assignment, Ended, FromWorker, Hello, Stream, ToWorker, Welcome};
use gristmill_model::{
    AttemptId, BatchId, JobId, JobRun, PipelineId, ProjectId, Span, Time, WorkerId, api,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("user".into(), "ada".into())])
}

fn artifact() -> Artifact {
    Artifact { name: "a.jpg".into(), size: 12, place: Place::Blob(Digest([7; 32])) }
}

fn licences(thousandths: u32) -> BTreeMap<String, u32> {
    BTreeMap::from([("licence".into(), thousandths)])
}

fn capacity() -> Capacity {
    let gpu = Device { name: "NVIDIA".into(), slots: 1, ..Device::new("gpu", "GPU-1", 1 << 34) };
    Capacity { cpus: 2_000, memory: 1 << 33, devices: vec![gpu], named: licences(4_000) }
}

fn seat() -> Seat {
    Seat { devices: vec![0, 3], session: Some(1) }
}

fn device_sample() -> DeviceSample {
    DeviceSample {
        device: "GPU-1".into(),
        used: Some(1 << 33),
        foreign: Some(0),
        utilisation: Some(97),
        temperature: Some(61),
        power: Some(512_000),
        power_limit: Some(700_000),
        throttled: vec!["power cap".into()],
        users: vec!["python (123, ada)".into()],
    }
}

fn session_sample() -> SessionSample {
    SessionSample {
        name: "generate".into(),
        devices: vec!["GPU-1".into()],
        state: SessionState::Busy,
        vram: Some(1 << 33),
        calls: 7,
        load: Some(Span::seconds(12)),
    }
}

fn success() -> Success {
    Success {
        output: Payload::Text("flour".into()),
        artifacts: vec![artifact()],
        warnings: vec!["damaged".into()],
    }
}

fn failure() -> Failure {
    Failure {
        kind: FailureKind::Failed,
        code: "exit_status".into(),
        message: "exit status 3".into(),
        exit_code: Some(3),
        traceback: Some("line 7".into()),
    }
}

fn usage() -> Usage {
    Usage { wall: Span::millis(12), cpu: Span::millis(10), peak_memory: 4096 }
}

fn pipeline() -> PipelineSpec {
    let gpu = DeviceRequest { vram: 1 << 33, share: 500, ..DeviceRequest::whole("gpu", 1) };
    let command = CommandSpec {
        argv: vec!["sha256sum".into(), "{input}".into()],
        shell: false,
        env: BTreeMap::from([("LANG".into(), "C".into())]),
    };
    let stage = |name: &str, handler| StageSpec {
        resources: Resources {
            cpus: 500,
            memory: 1 << 20,
            devices: vec![gpu.clone()],
            named: licences(1_500),
        },
        timeout: Some(Span::seconds(60)),
        alternatives: vec![Resources { cpus: 8_000, ..Resources::default() }],
        requires: labels(),
        prefers: BTreeMap::from([("disk".into(), "fast".into())]),
        ..StageSpec::new(name, handler)
    };
    let session = SessionSpec {
        batch: 8,
        batch_wait: Span::millis(20),
        data: BTreeMap::from([("lookup".into(), Some(artifact())), ("none".into(), None)]),
        signature: Some("{}".into()),
        ..SessionSpec::new("generate")
    };
    PipelineSpec {
        name: "mill".into(),
        stages: vec![
            stage("sum", Handler::Command(command)),
            stage("thumb", Handler::Images(ImagesSpec { recipe: "{}".into() })),
            stage("generate", Handler::Session(session)),
        ],
    }
}

fn job() -> JobSpec {
    JobSpec {
        input: Payload::File(Artifact {
            name: "a.jpg".into(),
            size: 9,
            place: Place::Path("/in/a.jpg".into()),
        }),
        output: Some("/out/a.jpg".into()),
        key: Some("a.jpg|9".into()),
        priority: Some(-1),
        labels: labels(),
    }
}

fn terms() -> Terms {
    Terms {
        start_at: Some(Time(5)),
        expires_at: Some(Time(6)),
        deadline: Some(Time(7)),
        held: true,
        after: vec![
            Dependency { on: Target::Job(JobId(1)), when: When::Finished },
            Dependency { on: Target::Batch(BatchId(2)), when: When::Failed },
        ],
        limit_key: Some("ada".into()),
        callback: Some("http://127.0.0.1:9/".into()),
    }
}

fn runs() -> Vec<JobRun> {
    vec![JobRun { first: JobId(17), count: 3 }, JobRun::one(JobId(30))]
}

fn shape() -> WorkerShape {
    WorkerShape {
        capacity: capacity(),
        handlers: vec!["command".into()],
        labels: labels(),
        shared_disk: true,
    }
}

fn parts() -> Vec<Event> {
    let (project, batch, job, worker) = (ProjectId(2), BatchId(3), JobId(17), WorkerId(2));
    let terms = terms();
    let batch_part = BatchPart {
        batch,
        project,
        pipeline: PipelineId(1),
        name: Some("monday".into()),
        key: Some(("k".into(), 7)),
        priority: -1,
        open: true,
        runs: runs(),
        succeeded: 2,
        finished_at: Some(Time(9)),
        announce: true,
        held: true,
        start_at: terms.start_at,
        pending: terms.after.iter().map(|dependency| (dependency.on, dependency.when)).collect(),
        age_from: terms.start_at,
        expires_at: Some((Time(6), true)),
        deadline: Some((Time(7), false)),
        limit_key: terms.limit_key,
        callback: terms.callback,
    };
    let job_part = JobPart {
        job,
        batch,
        stage: 1,
        state: JobState::Retrying,
        since: Time(8),
        rank: -5,
        input: Payload::Line(Line { list: Digest([7; 32]), index: 4 }),
        output: Some("/out/a.jpg".into()),
        shared_disk: true,
        expiring: false,
        attempts: 3,
        failures: 2,
        deaths: vec![(worker, AttemptId(20))],
        retry_at: Some(Time(99)),
        shortages: 1,
    };
    let parts = vec![
        Part::Project { project, name: "lab".into(), weight: 3 },
        Part::Batch(Box::new(batch_part)),
        Part::Range {
            first: job,
            batch,
            count: 4,
            source: Source::Brace("{a,b}{1,2}".into()),
            rank: 5,
            folds: vec![(JobRun { first: job, count: 4 }, JobState::Queued, Time(8))],
        },
        Part::Job(Box::new(job_part)),
        Part::JobKey { project, key: "a.jpg|9".into(), job },
        Part::Worker {
            worker,
            instance: 42,
            name: "mill-1".into(),
            shape: shape(),
            draining: true,
            paused: false,
            devices: vec![DevicePart {
                quarantined: Some(("Xid 79".into(), Actor::Worker)),
                failed_under: vec![job],
                last: Some("generate".into()),
                deaths: 2,
                foreign: 1 << 32,
            }],
            measured: BTreeMap::from([("generate".into(), 1 << 33)]),
            pinned: vec![Pinned {
                name: "generate".into(),
                seats: 8,
                resources: Resources::default(),
                seat: seat(),
            }],
        },
        Part::Attempt {
            attempt: AttemptId(21),
            job,
            worker,
            number: 2,
            alternative: 1,
            leased_at: Time(5),
            running_since: Some(Time(6)),
            seat: Some(seat()),
        },
        Part::Bound {
            project,
            scope: Scope::Project,
            limit: Limit { concurrency: Some(2), rate: None },
            next: Time(77),
        },
        Part::Shares {
            served: u128::MAX,
            used: vec![(project, 1 << 100, Time(5))],
            next: [3, 2, 4, 18, 22, 3],
        },
    ];
    parts.into_iter().map(Event::Restored).collect()
}

fn range(source: Source) -> Event {
    Event::RangeAdded { batch: BatchId(3), first: JobId(17), count: 4, source }
}

fn limit(scope: Scope, limit: Limit) -> Event {
    Event::LimitSet { project: ProjectId(2), scope, limit, actor: Actor::Local }
}

fn flow(scope: Scope, flow: Flow) -> Event {
    Event::FlowSet { project: ProjectId(2), scope, flow, actor: Actor::Token }
}

fn events() -> Vec<Event> {
    let (attempt, batch, job_id, worker) = (AttemptId(21), BatchId(3), JobId(17), WorkerId(2));
    let failed = |then| Event::AttemptFailed {
        attempt,
        job: job_id,
        worker,
        failure: failure(),
        usage: usage(),
        devices: vec!["GPU-1".into()],
        then,
    };
    let succeeded = |then| Event::AttemptSucceeded {
        attempt,
        job: job_id,
        worker,
        success: success(),
        usage: usage(),
        devices: vec!["GPU-1".into()],
        then,
    };
    let told = vec![
        Event::ServerStarted { version: "0.1.0".into() },
        Event::PipelineDefined {
            pipeline: PipelineId(1),
            project: ProjectId::DEFAULT,
            version: 1,
            spec: pipeline(),
        },
        Event::BatchOpened {
            batch,
            project: ProjectId::DEFAULT,
            pipeline: PipelineId(1),
            actor: Actor::Local,
            name: Some("monday".into()),
            key: Some(("k".into(), u64::MAX)),
            priority: 5,
            labels: labels(),
            terms: Box::new(terms()),
        },
        Event::JobsAdded {
            batch,
            first: job_id,
            jobs: vec![job(), JobSpec::of(Payload::Json("[1]".into()))],
        },
        Event::BatchClosed { batch },
        range(Source::Numbers { first: 0, last: 9, step: 3 }),
        range(Source::Brace("{a,b}/{00..99}".into())),
        range(Source::Lines(Lines { list: Digest([7; 32]), count: 9 })),
        Event::BatchHeld { batch, actor: Actor::Local },
        Event::BatchReleased { batch, actor: Actor::Local },
        Event::StartReached { batch },
        Event::ExpiryReached { batch },
        Event::DeadlineReached { batch },
        Event::DependencyMet { batch, on: Target::Job(job_id) },
        Event::DependencyFailed { batch, on: Target::Batch(batch) },
        Event::BatchFinished { batch },
        Event::CallbackSettled { batch, delivered: true, detail: "200".into() },
        Event::BatchesPruned { batches: vec![batch] },
        Event::ProjectDefined { project: ProjectId(2), name: "lab".into(), weight: 3 },
        limit(Scope::Project, Limit { concurrency: Some(2), rate: None }),
        limit(
            Scope::Key("ada".into()),
            Limit { concurrency: None, rate: Some("9/1m".parse().unwrap()) },
        ),
        flow(Scope::Pipeline("mill".into()), Flow::Paused),
        flow(Scope::Stage("mill".into(), "sum".into()), Flow::Draining),
        Event::AttemptLeased {
            attempt,
            job: job_id,
            stage: 0,
            number: 1,
            worker,
            alternative: 1,
            seat: Some(seat()),
        },
        succeeded(Then::NextStage),
        succeeded(Then::Succeed),
        failed(Then::Retry { at: Time(99) }),
        failed(Then::Requeue),
        failed(Then::Fail),
        failed(Then::Cancel),
        Event::BackoffElapsed { job: job_id },
        Event::CancelRequested { jobs: vec![job_id], actor: Actor::Token },
        failed(Then::Expire),
        Event::JobsCancelled { jobs: runs(), actor: Actor::Local },
        Event::JobsExpired { jobs: runs() },
        Event::JobsRetried { jobs: runs(), actor: Actor::Local },
        Event::JobsHeld { jobs: runs(), actor: Actor::Local },
        Event::JobsReleased { jobs: runs(), actor: Actor::Local },
        Event::WorkerJoined {
            worker,
            instance: 42,
            name: "mill-1".into(),
            handlers: vec!["images".into()],
            capacity: capacity(),
            shared_disk: true,
            labels: labels(),
        },
        Event::WorkerPaused { worker, paused: true, actor: Actor::Local },
        Event::WorkerDeclared { name: "big".into(), shape: Some(shape()) },
        Event::WorkerDeclared { name: "big".into(), shape: None },
        Event::DeviceQuarantined {
            worker,
            device: "GPU-1".into(),
            reason: "Xid 79".into(),
            actor: Actor::Worker,
        },
        Event::DeviceReturned { worker, device: "GPU-1".into(), actor: Actor::Local },
        Event::SessionMeasured { worker, session: "generate".into(), vram: 1 << 33 },
        Event::ForeignUseNoted { worker, device: "GPU-1".into(), vram: 1 << 32 },
        Event::WorkerDraining { worker },
        Event::WorkerLeft { worker, reason: LeaveReason::Goodbye },
        Event::WorkerLeft { worker, reason: LeaveReason::LeaseExpired },
    ];
    told.into_iter().chain(parts()).collect()
}

fn from_worker() -> Vec<FromWorker> {
    let attempt = AttemptId(21);
    let ended = |outcome| Ended { attempt, outcome, usage: usage(), devices: vec!["GPU-1".into()] };
    vec![
        FromWorker::Hello(Hello {
            protocol: 1,
            version: "0.1.0".into(),
            instance: 42,
            name: "mill-1".into(),
            handlers: vec!["command".into()],
            capacity: capacity(),
            prefetch: 8,
            shared_disk: false,
            holds: vec![attempt],
            labels: labels(),
            offers: vec![pipeline()],
        }),
        FromWorker::Heartbeat,
        FromWorker::Prefetch(16),
        FromWorker::Progress { attempt, done: 1, total: 2, message: "half".into() },
        FromWorker::Log { attempt, job: JobId(17), stream: Stream::Stderr, bytes: vec![0, 255] },
        FromWorker::Ended(vec![
            ended(Outcome::Succeeded(success())),
            ended(Outcome::Failed(failure())),
        ]),
        FromWorker::Partial { attempt, index: 1, value: "[1]".into() },
        FromWorker::Device { device: "GPU-1".into(), quarantined: Some("Xid 79".into()) },
        FromWorker::Measured { session: "generate".into(), vram: 1 << 33 },
        FromWorker::Foreign { device: "GPU-1".into(), vram: 1 << 32 },
        FromWorker::Sample { devices: vec![device_sample()], sessions: vec![session_sample()] },
        FromWorker::Draining,
        FromWorker::Goodbye,
    ]
}

fn to_worker() -> Vec<ToWorker> {
    let stage = pipeline().stages.remove(0);
    vec![
        ToWorker::Welcome(Welcome {
            worker: WorkerId(2),
            heartbeat: Span::seconds(3),
            lease: Span::seconds(15),
            stale: vec![AttemptId(20)],
        }),
        ToWorker::Refused { code: Code::WrongProtocol, detail: "speaks 2".into() },
        ToWorker::Run(vec![Assignment {
            attempt: AttemptId(21),
            job: JobId(17),
            batch: BatchId(3),
            stage: stage.name,
            number: 1,
            handler: stage.handler,
            resources: stage.resources,
            timeout: stage.timeout,
            input: job().input,
            output: None,
            seat: Some(seat()),
            alone: true,
        }]),
        ToWorker::Stop(vec![AttemptId(21)]),
        ToWorker::Settled(vec![AttemptId(21)]),
        ToWorker::Device { device: "GPU-1".into(), quarantined: None },
        ToWorker::Drain,
    ]
}

fn api_values() -> Vec<(&'static str, serde_json::Value)> {
    let value = |value: &dyn erased::Json| value.json();
    let accepted = api::Accepted {
        batch: BatchId(3),
        first_job: JobId(17),
        jobs: 2,
        known: vec![api::KnownJob { index: 1, job: JobId(9) }],
        replayed: false,
        warnings: vec![],
        links: api::Links {
            status: "/v1/batches/b3".into(),
            results: "/v1/batches/b3/results".into(),
            cancel: "/v1/batches/b3/cancel".into(),
            events: "/v1/events?filter=batch%3Db3".into(),
        },
    };
    let batch = api::Batch {
        id: BatchId(3),
        name: None,
        project: Some("default".into()),
        pipeline: "mill".into(),
        actor: "local".into(),
        priority: 0,
        labels: labels(),
        open: false,
        finished: true,
        jobs: 2,
        counts: BTreeMap::from([(JobState::Succeeded, 2)]),
        terms: None,
        unmet: vec![api::Unmet {
            on: Target::Batch(BatchId(2)),
            when: When::Succeeded,
            at: Time(1_795_250_000_000_000),
        }],
        called: Some(api::Called {
            delivered: true,
            detail: "200 OK".into(),
            at: Time(1_795_250_002_000_000),
        }),
        created_at: Time(1_795_250_000_000_000),
        finished_at: Some(Time(1_795_250_001_000_000)),
    };
    let job = api::Job {
        id: JobId(17),
        batch: BatchId(3),
        index: 0,
        pipeline: "mill".into(),
        state: JobState::Failed,
        stage: "sum".into(),
        priority: 0,
        labels: labels(),
        key: None,
        input: Payload::Text("grain".into()),
        output_path: None,
        result: Some(Payload::File(artifact())),
        artifacts: vec![artifact()],
        warnings: vec![],
        failure: Some(failure()),
        attempts: 1,
        created_at: Time(1_795_250_000_000_000),
        started_at: None,
        finished_at: None,
    };
    let attempt = api::Attempt {
        id: AttemptId(21),
        job: JobId(17),
        stage: "sum".into(),
        number: 1,
        worker: WorkerId(2),
        alternative: 1,
        devices: vec!["GPU-1".into()],
        state: api::AttemptState::TimedOut,
        input: Payload::Text("grain".into()),
        output: None,
        failure: Some(failure()),
        usage: Some(usage()),
        leased_at: Time(1_795_250_000_000_000),
        ended_at: None,
    };
    let submitted = api::SubmittedJob {
        job: JobId(17),
        batch: BatchId(3),
        known: true,
        warnings: vec!["no worker could run it".into()],
    };
    let problem = api::Problem::from(&Rejection::new(Code::NoSuchJob, "no job j9"));
    vec![
        ("accepted", value(&accepted)),
        ("batch", value(&batch)),
        ("job", value(&job)),
        ("attempt", value(&attempt)),
        ("problem", value(&problem)),
        ("submitted_job", value(&submitted)),
    ]
}

/// Serializing any value behind one name.
mod erased {
    pub trait Json {
        fn json(&self) -> serde_json::Value;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap()
        }
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

/// Compares with a golden file, or writes it.
fn compare(name: &str, lines: &[String]) {
    let text = lines.join("\n") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path(name), &text).unwrap();
    }
    let golden = std::fs::read_to_string(path(name)).unwrap();
    for (line, golden) in text.lines().zip(golden.lines()) {
        assert_eq!(line, golden, "{name} has changed: see the rule of change");
    }
    assert_eq!(text.lines().count(), golden.lines().count(), "{name} has other lines");
}

fn check_msgpack<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, values: &[T]) {
    let line = |value: &T| hex(&rmp_serde::to_vec(value).unwrap());
    compare(name, &values.iter().map(line).collect::<Vec<_>>());
    let golden = std::fs::read_to_string(path(name)).unwrap();
    for (line, value) in golden.lines().zip(values) {
        assert_eq!(&rmp_serde::from_slice::<T>(&unhex(line)).unwrap(), value);
    }
}

#[test]
fn what_lies_on_disk() {
    let record = |event| Record { at: Time(1_795_250_000_000_000), event };
    let records: Vec<_> = events().into_iter().map(record).collect();
    assert!(records.iter().all(|record| record.event.is_durable()));
    check_msgpack("event-3.hex", &records);
}

#[test]
fn what_older_versions_have_written_loads() {
    let golden = std::fs::read_to_string(path("event-2.hex")).unwrap();
    for line in golden.lines() {
        rmp_serde::from_slice::<Record>(&unhex(line)).unwrap();
    }
    let lease = |line: &&str| line.contains(&hex(b"AttemptLeased"));
    let line = golden.lines().find(lease).unwrap();
    let Event::AttemptLeased { seat, .. } =
        rmp_serde::from_slice::<Record>(&unhex(line)).unwrap().event
    else {
        unreachable!("it says so")
    };
    assert_eq!(seat, None);
}

#[test]
fn what_workers_hear_and_say() {
    check_msgpack("from-worker-1.hex", &from_worker());
    check_msgpack("to-worker-1.hex", &to_worker());
}

#[test]
fn what_http_shows() {
    let lines: Vec<_> = api_values().iter().map(|(name, json)| format!("{name} {json}")).collect();
    compare("api-1.txt", &lines);
}
