//! One of each event, and of each part of a base.

use super::nouns::*;
use super::*;

pub(super) fn parts() -> Vec<Event> {
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
        finished_wall: Some(Time(10)),
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
        past: Some(Past {
            attempts: 4,
            last: Some(AttemptId(20)),
            failed: Some(AttemptId(19)),
            started_at: Some(Time(3)),
            finished_at: None,
            cause: Some(Cause::Deadline(Time(7))),
        }),
        wall: Some(Time(9)),
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
            ends: vec![(Time(9), Some(Cause::Expiry(Time(6))))],
        },
        Part::Job(Box::new(job_part)),
        Part::JobKey { project, key: "a.jpg|9".into(), job },
        Part::Worker {
            worker,
            instance: 42,
            description: description(),
            draining: true,
            paused: false,
            devices: vec![DevicePart {
                quarantined: Some(("Xid 79".into(), Actor::worker(worker))),
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
            joined_at: Time(2),
            ended: (5, 1),
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
            leased_wall: Time(6),
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
    parts.into_iter().map(|part| Event::Restored(Box::new(part))).collect()
}

pub(super) fn range(source: Source) -> Event {
    Event::Batch(BatchEvent::RangeAdded { batch: BatchId(3), first: JobId(17), count: 4, source })
}

pub(super) fn limit(scope: Scope, limit: Limit) -> Event {
    Event::Project(ProjectEvent::LimitSet { project: ProjectId(2), scope, limit })
}

pub(super) fn flow(scope: Scope, flow: Flow) -> Event {
    Event::Project(ProjectEvent::FlowSet { project: ProjectId(2), scope, flow })
}

pub(super) fn events() -> Vec<Event> {
    let (attempt, batch, job_id, worker) = (AttemptId(21), BatchId(3), JobId(17), WorkerId(2));
    let failed = |then| {
        Event::Attempt(AttemptEvent::Failed {
            attempt,
            job: job_id,
            worker,
            failure: Arc::new(failure()),
            usage: usage(),
            devices: vec!["GPU-1".into()],
            then,
        })
    };
    let succeeded = |then| {
        Event::Attempt(AttemptEvent::Succeeded {
            attempt,
            job: job_id,
            worker,
            success: Arc::new(success()),
            usage: usage(),
            devices: vec!["GPU-1".into()],
            then,
        })
    };
    let told = vec![
        Event::Server(ServerEvent::Started { version: "0.1.0".into() }),
        Event::Pipeline(PipelineEvent::Defined {
            pipeline: PipelineId(1),
            project: ProjectId::DEFAULT,
            version: 1,
            spec: Arc::new(pipeline()),
        }),
        Event::Batch(BatchEvent::Opened {
            batch,
            opening: Arc::new(Opening {
                project: ProjectId::DEFAULT,
                pipeline: PipelineId(1),
                name: Some("monday".into()),
                key: Some(("k".into(), u64::MAX)),
                priority: 5,
                labels: labels(),
                terms: terms(),
            }),
        }),
        Event::Batch(BatchEvent::JobsAdded {
            batch,
            first: job_id,
            jobs: Arc::new(vec![job(), JobSpec::of(Payload::Json("[1]".into()))]),
        }),
        Event::Batch(BatchEvent::Closed { batch }),
        range(Source::Numbers { first: 0, last: 9, step: 3 }),
        range(Source::Brace("{a,b}/{00..99}".into())),
        range(Source::Lines(Lines { list: Digest([7; 32]), count: 9 })),
        Event::Batch(BatchEvent::Held { batch }),
        Event::Batch(BatchEvent::Released { batch }),
        Event::Batch(BatchEvent::StartReached { batch }),
        Event::Batch(BatchEvent::ExpiryReached { batch }),
        Event::Batch(BatchEvent::DeadlineReached { batch }),
        Event::Batch(BatchEvent::DependencyMet { batch, on: Target::Job(job_id) }),
        Event::Batch(BatchEvent::DependencyFailed { batch, on: Target::Batch(batch) }),
        Event::Batch(BatchEvent::Finished { batch }),
        Event::Batch(BatchEvent::CallbackSettled { batch, delivered: true, detail: "200".into() }),
        Event::Batch(BatchEvent::Forgotten { batches: vec![batch] }),
        Event::Project(ProjectEvent::Defined {
            project: ProjectId(2),
            name: "lab".into(),
            weight: 3,
        }),
        limit(Scope::Project, Limit { concurrency: Some(2), rate: None }),
        limit(
            Scope::Key("ada".into()),
            Limit { concurrency: None, rate: Some("9/1m".parse().unwrap()) },
        ),
        flow(Scope::Pipeline("mill".into()), Flow::Paused),
        flow(Scope::Stage("mill".into(), "sum".into()), Flow::Draining),
        Event::Attempt(AttemptEvent::Leased {
            attempt,
            job: job_id,
            stage: 0,
            number: 1,
            worker,
            alternative: 1,
            seat: Some(seat()),
        }),
        succeeded(Then::NextStage),
        succeeded(Then::Succeed),
        failed(Then::Retry { at: Time(99) }),
        failed(Then::Requeue),
        failed(Then::Fail),
        failed(Then::Cancel),
        Event::Jobs(JobsEvent::BackoffElapsed { job: job_id }),
        Event::Jobs(JobsEvent::CancelRequested { jobs: vec![job_id], cause: Cause::Request }),
        failed(Then::Expire),
        Event::Jobs(JobsEvent::Cancelled { jobs: runs(), cause: Cause::Request }),
        Event::Jobs(JobsEvent::Expired { jobs: runs(), cause: Cause::Deadline(Time(7)) }),
        Event::Jobs(JobsEvent::Retried { jobs: runs() }),
        Event::Jobs(JobsEvent::Held { jobs: runs() }),
        Event::Jobs(JobsEvent::Released { jobs: runs() }),
        Event::Worker(WorkerEvent::Joined {
            worker,
            instance: 42,
            description: description().into(),
        }),
        Event::Worker(WorkerEvent::Paused { worker, paused: true }),
        Event::Worker(WorkerEvent::Declared { name: "big".into(), shape: Some(shape().into()) }),
        Event::Worker(WorkerEvent::Declared { name: "big".into(), shape: None }),
        Event::Device(DeviceEvent::Quarantined {
            worker,
            device: "GPU-1".into(),
            reason: "Xid 79".into(),
        }),
        Event::Device(DeviceEvent::Returned { worker, device: "GPU-1".into() }),
        Event::Device(DeviceEvent::SessionMeasured {
            worker,
            session: "generate".into(),
            vram: 1 << 33,
        }),
        Event::Device(DeviceEvent::ForeignUseNoted {
            worker,
            device: "GPU-1".into(),
            vram: 1 << 32,
        }),
        Event::Worker(WorkerEvent::Draining { worker }),
        Event::Worker(WorkerEvent::Left { worker, reason: LeaveReason::Goodbye }),
        Event::Worker(WorkerEvent::Left { worker, reason: LeaveReason::LeaseExpired }),
    ];
    told.into_iter().chain(parts()).collect()
}
