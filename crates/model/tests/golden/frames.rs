//! One of each frame between a worker and its server.

use super::nouns::*;
use super::*;

pub(super) fn from_worker() -> Vec<FromWorker> {
    let attempt = AttemptId(21);
    let ended = |outcome| Ended { attempt, outcome, usage: usage(), devices: vec!["GPU-1".into()] };
    vec![
        FromWorker::Hello(Hello {
            protocol: PROTOCOL,
            instance: 42,
            description: description(),
            prefetch: 8,
            holds: vec![attempt],
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

pub(super) fn to_worker() -> Vec<ToWorker> {
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
