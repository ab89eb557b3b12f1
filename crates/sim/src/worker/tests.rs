//! What the judge is told of a worker, and when.

use gristmill_model::booking::{Hold, Seat};
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{Handler, SessionSpec};
use gristmill_model::resources::{Device, DeviceRequest};
use gristmill_model::wire::Welcome;
use gristmill_model::{BatchId, JobId, WorkerId};
use gristmill_worker::core::Opening;

use super::*;
use crate::judge::News;
use crate::plan::Plan;
use crate::world::World;

const GIB: u64 = 1 << 30;

fn kind() -> Kind {
    let devices = (0..2).map(|n| Device::new("gpu", format!("GPU-{n}"), 16 * GIB)).collect();
    Kind {
        handlers: vec!["a".into()],
        capacity: Capacity { devices, ..Capacity::of_cpus(8) },
        shared_disk: false,
        labels: BTreeMap::new(),
        prefetch: 8,
    }
}

/// An attempt that wants a session of its own, with so much of a device.
fn item(attempt: u64, vram: u64, device: Option<u16>) -> Assignment {
    let wish = DeviceRequest { kind: "gpu".into(), count: 1, vram, share: 0 };
    Assignment {
        attempt: AttemptId(attempt),
        job: JobId(attempt),
        batch: BatchId(1),
        stage: "s0".into(),
        number: 1,
        handler: Handler::Session(SessionSpec::new("a")),
        resources: Resources { devices: vec![wish], ..Resources::default() },
        timeout: None,
        input: Payload::empty(),
        output: None,
        seat: device.map(|device| Seat { devices: vec![device], session: Some(device) }),
        alone: false,
    }
}

#[test]
fn a_worker_that_leaves_on_waking_up_leaves_nothing_to_the_next() {
    let mut world = World::new(&Plan::of(1));
    let scene = &mut world.scene;
    let mut node = Node::new(0, kind());
    node.rise(scene);
    node.pause(scene);
    node.ask(scene, Input::Quit);
    let session = SessionId(1);
    node.process.as_mut().expect("it has started").unheard.insert(1, ("a".into(), 8 * GIB));
    node.ask(scene, Input::Measured(session, 8 * GIB));
    node.resume(scene, node.life);
    assert!(node.process.is_none(), "it was asked to leave while it was stopped");

    node.rise(scene);
    let holds = vec![Hold { device: 0, vram: 2 * GIB, whole: false }];
    let opening = Opening { session, spec: SessionSpec::new("a"), holds };
    scene.judge.opens_on(0, &kind(), &opening);
    scene.judge.floor.learns(0, News::OthersHave(0, 12 * GIB));
    scene.judge.calls_on(0, &kind(), (session, "a"), &[item(1, 2 * GIB, Some(0))]);
    assert_eq!(scene.judge.violation(), None);
}

#[test]
fn what_a_worker_decides_on_waking_up_is_judged_by_what_it_had_heard_by_then() {
    let mut world = World::new(&Plan::of(1));
    let scene = &mut world.scene;
    let mut node = Node::new(0, kind());
    node.rise(scene);
    let (heartbeat, lease) = (Span::seconds(5), Span::seconds(15));
    let welcome = Welcome { worker: WorkerId(1), heartbeat, lease, stale: Vec::new() };
    let run = |items| Input::Frame(ToWorker::Run(items));
    node.input(scene, Input::Connected);
    node.input(scene, Input::Frame(ToWorker::Welcome(welcome)));
    node.input(scene, run(vec![item(1, 15 * GIB, Some(0))]));
    let first =
        *node.process.as_ref().expect("it runs").hosts.keys().next().expect("it has opened");
    node.pause(scene);
    // It books 15 GiB of the other device; then it hears that 3 are taken, and there is room.
    node.input(scene, run([2, 3, 4, 5].map(|n| item(n, 15 * GIB, (n == 2).then_some(1))).into()));
    node.process.as_mut().expect("it runs").unheard.insert(1, ("a".into(), 3 * GIB));
    node.input(scene, Input::Measured(first, 3 * GIB));
    node.resume(scene, node.life);
    let hosts = &node.process.as_ref().expect("it runs").hosts;
    assert_eq!((hosts.len(), scene.judge.violation()), (5, None));
    // Now both know: beside two of them and what others have one more has room, and no other.
    scene.judge.floor.learns(0, News::OthersHave(1, 7 * GIB));
    for (session, is_right) in [(8, true), (9, false)] {
        let holds = vec![Hold { device: 1, vram: 3 * GIB, whole: false }];
        let opening = Opening { session: SessionId(session), spec: SessionSpec::new("a"), holds };
        scene.judge.opens_on(0, &kind(), &opening);
        assert_eq!(scene.judge.violation().is_none(), is_right);
    }
}
