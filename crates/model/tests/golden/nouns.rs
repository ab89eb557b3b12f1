//! One of each thing that events and frames are made of, with no field left at its default.

use super::*;

pub(super) fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("user".into(), "ada".into())])
}

pub(super) fn artifact() -> Artifact {
    Artifact { name: "a.jpg".into(), size: 12, place: Place::Blob(Digest([7; 32])) }
}

pub(super) fn licences(thousandths: u32) -> BTreeMap<String, u32> {
    BTreeMap::from([("licence".into(), thousandths)])
}

pub(super) fn capacity() -> Capacity {
    let gpu = Device { name: "NVIDIA".into(), slots: 1, ..Device::new("gpu", "GPU-1", 1 << 34) };
    Capacity { cpus: 2_000, memory: 1 << 33, devices: vec![gpu], named: licences(4_000) }
}

pub(super) fn seat() -> Seat {
    Seat { devices: vec![0, 3], session: Some(1) }
}

pub(super) fn device_sample() -> DeviceSample {
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

pub(super) fn session_sample() -> SessionSample {
    SessionSample {
        name: "generate".into(),
        devices: vec!["GPU-1".into()],
        state: SessionState::Busy,
        vram: Some(1 << 33),
        calls: 7,
        load: Some(Span::seconds(12)),
    }
}

pub(super) fn success() -> Success {
    Success {
        output: Payload::Text("flour".into()),
        artifacts: vec![artifact()],
        warnings: vec!["damaged".into()],
    }
}

pub(super) fn failure() -> Failure {
    Failure {
        kind: FailureKind::Failed,
        code: "exit_status".into(),
        message: "exit status 3".into(),
        exit_code: Some(3),
        traceback: Some("line 7".into()),
    }
}

pub(super) fn usage() -> Usage {
    Usage { wall: Span::millis(12), cpu: Span::millis(10), peak_memory: 4096 }
}

pub(super) fn pipeline() -> PipelineSpec {
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

pub(super) fn job() -> JobSpec {
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

pub(super) fn terms() -> Terms {
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

pub(super) fn runs() -> Vec<JobRun> {
    vec![JobRun { first: JobId(17), count: 3 }, JobRun::one(JobId(30))]
}

pub(super) fn description() -> WorkerDescription {
    WorkerDescription { name: "mill-1".into(), version: "0.1.0".into(), shape: shape() }
}

pub(super) fn shape() -> WorkerShape {
    WorkerShape {
        capacity: capacity(),
        handlers: vec!["command".into()],
        labels: labels(),
        shared_disk: true,
    }
}
