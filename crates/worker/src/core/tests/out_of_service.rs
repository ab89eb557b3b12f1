//! Devices that go out of service under what was to begin there, and sessions that outgrow their
//! room. Each was a red seed of the simulator.

use gristmill_model::pipeline::SessionSpec;
use gristmill_model::resources::{Device, DeviceRequest, WHOLE};

use super::*;
use crate::core::{Gone, SessionId};

/// A welcomed worker with one GPU.
fn mill() -> Stage {
    let devices = vec![Device::new("gpu", "GPU-0", 80)];
    let mut stage = Stage::with(Capacity { devices, ..Capacity::of_cpus(16) });
    stage.input(Input::Connected);
    stage.hear(welcome(&[]));
    stage
}

/// An attempt for a session that takes a share of a GPU.
fn seated(number: u64, name: &str, share: u32) -> Assignment {
    let wish = DeviceRequest { kind: "gpu".into(), count: 1, vram: 20, share };
    let handler = Handler::Session(SessionSpec::new(name));
    let resources = Resources { cpus: 0, devices: vec![wish], ..Resources::default() };
    Assignment { handler, resources, ..assignment(number) }
}

pub(super) fn given_back(actions: &[Action]) -> Vec<(u64, String)> {
    let code = |ended: &Ended| match &ended.outcome {
        Outcome::Failed(failure) => (ended.attempt.0, failure.code.clone()),
        Outcome::Succeeded(_) => (ended.attempt.0, "well".into()),
    };
    let frames = actions.iter().filter_map(|action| match action {
        Action::Send(FromWorker::Ended(ended)) => Some(ended),
        _ => None,
    });
    frames.flatten().map(code).collect()
}

fn out(device: u16) -> Input {
    Input::Device { device, quarantined: Some("it fell off the bus".into()) }
}

fn succeeded(attempt: u64) -> Input {
    let success = Success { output: Payload::empty(), artifacts: Vec::new(), warnings: Vec::new() };
    let (outcome, devices) = (Outcome::Succeeded(success), Vec::new());
    Input::Ended(Ended { attempt: AttemptId(attempt), outcome, usage: Usage::default(), devices })
}

#[test]
fn what_has_not_begun_on_a_device_that_goes_out_of_service_is_given_back() {
    let mut stage = mill();
    stage.hear(ToWorker::Run(vec![seated(1, "a", WHOLE), seated(2, "a", WHOLE)]));
    let told = stage.input(out(0)).to_vec();
    let code = "device_out_of_service".to_owned();
    assert_eq!(given_back(&told), [(1, code.clone()), (2, code.clone())], "seated, and behind it");
    stage.input(Input::Ready(SessionId(1)));
    assert!(!stage.out.iter().any(|action| matches!(action, Action::Call(..))));

    // A lease that was on its way comes back as well, rather than wait for a person.
    let told = stage.hear(ToWorker::Run(vec![seated(3, "a", WHOLE)])).to_vec();
    assert_eq!(given_back(&told), [(3, code)]);
    stage.input(Input::Device { device: 0, quarantined: None });
    stage.hear(ToWorker::Run(vec![seated(4, "a", WHOLE)]));
    assert!(stage.out.iter().any(|action| matches!(action, Action::Call(..))), "{:?}", stage.out);
}

#[test]
fn memory_that_does_not_come_back_stops_what_waits_for_it() {
    let mut stage = mill();
    stage.hear(ToWorker::Run(vec![seated(1, "a", WHOLE), seated(2, "a", WHOLE)]));
    stage.input(Input::Ready(SessionId(1)));
    let stuck = vec![(0, "memory is still held".to_owned())];
    let ruin = Some(Failure::new(FailureKind::Lost, "session_lost", "it died"));
    let told = stage.input(Input::Gone(Gone { session: SessionId(1), ruin, stuck })).to_vec();
    let ends = given_back(&told);
    assert!(ends.contains(&(1, "session_lost".into())), "{ends:?}");
    assert!(ends.contains(&(2, "device_out_of_service".into())), "{ends:?}");
    assert!(!told.iter().any(|action| matches!(action, Action::Open(_))));
}

#[test]
fn a_hot_session_takes_the_whole_device_only_when_the_others_have_left() {
    let mut stage = mill();
    stage.hear(ToWorker::Run(vec![seated(1, "a", 500), seated(2, "b", 500)]));
    stage.input(Input::Ready(SessionId(1)));
    stage.input(Input::Ready(SessionId(2)));
    for (attempt, session) in [(1, 1), (2, 2)] {
        stage.input(succeeded(attempt));
        stage.input(Input::Done(SessionId(session)));
    }
    let alone = Assignment { alone: true, ..seated(3, "a", 500) };
    let told = stage.hear(ToWorker::Run(vec![alone])).to_vec();
    assert!(told.contains(&Action::Close(SessionId(2))), "{told:?}");
    assert!(!told.iter().any(|action| matches!(action, Action::Call(..))), "the other is there");
    assert!(stage.core.next_deadline().is_none_or(|due| due > stage.now), "it waits for no clock");
    let gone = Gone { session: SessionId(2), ruin: None, stuck: Vec::new() };
    let told = stage.input(Input::Gone(gone)).to_vec();
    assert!(told.iter().any(|action| matches!(action, Action::Call(SessionId(1), _))), "{told:?}");
}
