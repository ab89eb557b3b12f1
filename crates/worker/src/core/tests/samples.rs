//! What the server hears of how sessions and devices do.

use gristmill_model::device::{DeviceSample, SessionSample, SessionState};
use gristmill_model::limits;

use super::sessions::{answer, give, mill, ready, seated};
use super::*;

fn samples(actions: &[Action]) -> Vec<(Vec<DeviceSample>, Vec<SessionSample>)> {
    let sample = |frame: &FromWorker| match frame {
        FromWorker::Sample { devices, sessions } => Some((devices.clone(), sessions.clone())),
        _ => None,
    };
    frames(actions).into_iter().filter_map(sample).collect()
}

/// State and calls of the one session of the last sample.
fn told(actions: &[Action]) -> Option<(SessionState, u64)> {
    let all = samples(actions);
    let (_, sessions) = all.last()?;
    sessions.first().map(|session| (session.state, session.calls))
}

#[test]
fn a_session_is_told_of_without_anybody_looking_at_devices() {
    let mut stage = mill(1);
    assert_eq!(told(&give(&mut stage, vec![seated(1, "a", 1)])), Some((SessionState::Starting, 0)));
    assert_eq!(told(&ready(&mut stage, 1)), Some((SessionState::Busy, 0)));
    assert_eq!(told(&answer(&mut stage, 1, &[1])), None, "not with every call");
    assert_eq!(told(stage.pass(limits::DEVICE_LOOK)), Some((SessionState::Idle, 1)));
    assert_eq!(told(stage.pass(Span::seconds(60))), None, "nothing new");
    assert_eq!(told(stage.reconnect(&[])), Some((SessionState::Idle, 1)), "all is new to it");
}

#[test]
fn a_worker_without_sessions_says_nothing_of_them() {
    let mut stage = mill(1);
    assert_eq!(samples(stage.pass(Span::seconds(60))), []);
    assert_eq!(samples(stage.reconnect(&[])), []);
    stage.run(&[1]);
    assert_eq!(samples(stage.pass(Span::seconds(60))), []);
}

#[test]
fn looks_at_devices_are_passed_on_and_repeated_to_a_server_that_comes_back() {
    let mut stage = mill(1);
    let seen = vec![DeviceSample { device: "GPU-0".into(), ..DeviceSample::default() }];
    assert_eq!(samples(stage.input(Input::Sampled(seen.clone()))), [(seen.clone(), vec![])]);
    assert_eq!(samples(stage.reconnect(&[])), [(seen, vec![])]);
    assert_eq!(samples(stage.reconnect(&[])).len(), 1);
}
