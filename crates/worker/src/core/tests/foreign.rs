//! Programs of others take memory of a device, and give it back.

use gristmill_model::device::DeviceSample;
use gristmill_model::pipeline::SessionSpec;
use gristmill_model::resources::{Device, DeviceRequest};

use super::out_of_service::given_back;
use super::*;
use crate::core::{Gone, SessionId};

const GIB: u64 = 1 << 30;

/// A welcomed worker with one GPU of 48 GiB.
fn mill() -> Stage {
    let devices = vec![Device::new("gpu", "GPU-0", 48 * GIB)];
    let mut stage = Stage::with(Capacity { devices, ..Capacity::of_cpus(16) });
    stage.input(Input::Connected);
    stage.hear(welcome(&[]));
    stage
}

/// An attempt for a session that takes so much of a GPU's memory.
fn seated(number: u64, name: &str, gib: u64) -> Assignment {
    let wish = DeviceRequest { kind: "gpu".into(), count: 1, vram: gib * GIB, share: 0 };
    let handler = Handler::Session(SessionSpec::new(name));
    let resources = Resources { cpus: 0, devices: vec![wish], ..Resources::default() };
    Assignment { handler, resources, ..assignment(number) }
}

fn foreign(gib: u64) -> Input {
    let foreign = Some(gib * GIB);
    Input::Sampled(vec![DeviceSample { device: "GPU-0".into(), foreign, ..Default::default() }])
}

/// What was told of others, in GiB.
fn told(actions: &[Action]) -> Vec<u64> {
    let vram = |action: &Action| match action {
        Action::Send(FromWorker::Foreign { vram, .. }) => Some(vram / GIB),
        _ => None,
    };
    actions.iter().filter_map(vram).collect()
}

fn opens(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Open(_))).count()
}

#[test]
fn what_others_have_is_told_once_and_again_after_a_reconnect() {
    let mut stage = mill();
    assert_eq!(told(stage.input(foreign(30))), [30]);
    assert!(told(stage.input(foreign(30))).is_empty());
    assert_eq!(told(stage.reconnect(&[])), [30]);
    stage.input(Input::Disconnected);
    assert!(told(stage.input(foreign(0))).is_empty());
    stage.input(Input::Connected);
    assert_eq!(told(stage.hear(welcome(&[]))), [0], "the server may still count them");
}

#[test]
fn a_session_waits_until_others_leave_the_memory_that_it_wants() {
    let mut stage = mill();
    let out = stage.hear(ToWorker::Run(vec![seated(1, "a", 10)])).to_vec();
    assert_eq!(opens(&out), 1);
    stage.input(foreign(30));
    let out = stage.hear(ToWorker::Run(vec![seated(2, "b", 10)])).to_vec();
    assert_eq!((opens(&out), given_back(&out)), (0, vec![]), "10 of 8 GiB; `a` will leave some");
    let out = stage.input(foreign(0)).to_vec();
    assert_eq!(opens(&out), 1, "{out:?}");
}

#[test]
fn a_hot_session_leaves_for_want_of_what_others_took() {
    let mut stage = mill();
    stage.hear(ToWorker::Run(vec![seated(1, "a", 20)]));
    stage.input(Input::Ready(SessionId(1)));
    stage.succeed(1);
    stage.input(Input::Done(SessionId(1)));
    stage.input(foreign(20));
    let out = stage.hear(ToWorker::Run(vec![seated(2, "b", 20)])).to_vec();
    assert!(out.contains(&Action::Close(SessionId(1))) && opens(&out) == 0, "{out:?}");
    let gone = Gone { session: SessionId(1), ruin: None, stuck: Vec::new() };
    assert_eq!(opens(stage.input(Input::Gone(gone))), 1);
}

#[test]
fn what_was_to_begin_where_others_came_goes_back_to_the_server() {
    let mut stage = mill();
    stage.hear(ToWorker::Run(vec![seated(1, "a", 40), seated(2, "b", 40)]));
    let out = stage.input(foreign(20)).to_vec();
    assert_eq!(told(&out), [20]);
    let code = "device_in_use".to_owned();
    assert_eq!(given_back(&out), [(1, code.clone()), (2, code)], "seated, and behind it");
    let out = stage.hear(ToWorker::Run(vec![seated(3, "b", 20)])).to_vec();
    assert_eq!(
        (opens(&out), given_back(&out)),
        (0, vec![]),
        "it has a place, and waits for memory"
    );
    let out = stage.input(Input::Ready(SessionId(1))).to_vec();
    assert!(out.contains(&Action::Close(SessionId(1))), "nobody wants it any more: {out:?}");
}
