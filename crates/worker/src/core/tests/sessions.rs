//! Sessions: opened, called, shared, evicted, and outlived.

use gristmill_model::attempt::SESSION_LOST;
use gristmill_model::pipeline::SessionSpec;
use gristmill_model::resources::{Device, DeviceRequest, WHOLE};

use super::*;
use crate::core::{Gone, Opening, SessionId};

fn gpus(count: u64) -> Capacity {
    let devices = (0..count).map(|n| Device::new("gpu", format!("GPU-{n}"), 80)).collect();
    Capacity { devices, ..Capacity::of_cpus(16) }
}

pub(super) fn mill(count: u64) -> Stage {
    let mut stage = Stage::with(gpus(count));
    stage.input(Input::Connected);
    stage.hear(welcome(&[]));
    stage
}

fn gpu(share: u32, vram: u64) -> Resources {
    let devices = vec![DeviceRequest { kind: "gpu".into(), count: 1, vram, share }];
    Resources { cpus: 0, devices, ..Resources::default() }
}

/// An attempt for a session that takes batches of so many.
pub(super) fn seated(number: u64, name: &str, batch: u32) -> Assignment {
    let handler = Handler::Session(SessionSpec { batch, ..SessionSpec::new(name) });
    Assignment { handler, resources: gpu(WHOLE, 0), ..assignment(number) }
}

pub(super) fn give(stage: &mut Stage, assignments: Vec<Assignment>) -> Vec<Action> {
    stage.hear(ToWorker::Run(assignments)).to_vec()
}

fn opened(actions: &[Action]) -> Vec<(u64, String, Vec<u16>)> {
    let opening = |action: &Action| match action {
        Action::Open(Opening { session, spec, holds }) => {
            Some((session.0, spec.name.clone(), holds.iter().map(|hold| hold.device).collect()))
        }
        _ => None,
    };
    actions.iter().filter_map(opening).collect()
}

fn called(actions: &[Action]) -> Vec<(u64, Vec<u64>)> {
    let call = |action: &Action| match action {
        Action::Call(session, call) => {
            Some((session.0, call.iter().map(|assignment| assignment.attempt.0).collect()))
        }
        _ => None,
    };
    actions.iter().filter_map(call).collect()
}

fn closed(actions: &[Action]) -> Vec<u64> {
    let close = |action: &Action| match action {
        Action::Close(session) => Some(session.0),
        _ => None,
    };
    actions.iter().filter_map(close).collect()
}

fn started(actions: &[Action]) -> Vec<u64> {
    let start = |action: &Action| match action {
        Action::Start(assignment) => Some(assignment.attempt.0),
        _ => None,
    };
    actions.iter().filter_map(start).collect()
}

pub(super) fn ready(stage: &mut Stage, session: u64) -> Vec<Action> {
    stage.input(Input::Ready(SessionId(session))).to_vec()
}

/// All of a call succeed, and then the call is over.
pub(super) fn answer(stage: &mut Stage, session: u64, attempts: &[u64]) -> Vec<Action> {
    let mut out = Vec::new();
    for attempt in attempts {
        out.extend(stage.succeed(*attempt).to_vec());
    }
    out.extend(stage.input(Input::Done(SessionId(session))).to_vec());
    out
}

fn gone(stage: &mut Stage, session: u64, ruin: Option<Failure>) -> Vec<Action> {
    let session = SessionId(session);
    stage.input(Input::Gone(Gone { session, ruin, stuck: Vec::new() })).to_vec()
}

fn lost() -> Failure {
    Failure::new(FailureKind::Lost, SESSION_LOST, "it died")
}

#[test]
fn a_session_opens_once_and_is_called_with_what_waits() {
    let mut stage = mill(1);
    let jobs: Vec<_> = (1..=5).map(|n| seated(n, "a", 3)).collect();
    assert_eq!(opened(&give(&mut stage, jobs)), [(1, "a".into(), vec![0])]);
    assert_eq!(called(&ready(&mut stage, 1)), [(1, vec![1, 2, 3])]);
    let next = answer(&mut stage, 1, &[1, 2, 3]);
    assert_eq!((called(&next), opened(&next)), (vec![(1, vec![4, 5])], vec![]));
    assert_eq!(called(&answer(&mut stage, 1, &[4, 5])), []);
    assert_eq!(called(&give(&mut stage, vec![seated(6, "a", 3)])), [(1, vec![6])], "it is hot");
}

#[test]
fn a_call_waits_for_company_within_its_bound() {
    let mut stage = mill(1);
    let patient = |number| {
        let spec = SessionSpec { batch: 3, batch_wait: Span::millis(20), ..SessionSpec::new("a") };
        Assignment { handler: Handler::Session(spec), ..seated(number, "a", 3) }
    };
    give(&mut stage, vec![patient(1)]);
    stage.pass(Span::seconds(5));
    assert_eq!(called(&ready(&mut stage, 1)), [(1, vec![1])], "it has waited while it loaded");
    answer(&mut stage, 1, &[1]);
    assert_eq!(called(&give(&mut stage, vec![patient(2)])), []);
    assert_eq!(called(stage.pass(Span::millis(19))), []);
    assert_eq!(called(stage.pass(Span::millis(1))), [(1, vec![2])]);
    answer(&mut stage, 1, &[2]);
    let full = give(&mut stage, vec![patient(3), patient(4), patient(5)]);
    assert_eq!(called(&full), [(1, vec![3, 4, 5])], "nobody else could join");
}

#[test]
fn another_model_comes_only_when_the_first_has_left() {
    let mut stage = mill(1);
    give(&mut stage, vec![seated(1, "a", 1)]);
    ready(&mut stage, 1);
    let out = give(&mut stage, vec![seated(2, "b", 1)]);
    assert_eq!((opened(&out), closed(&out)), (vec![], vec![]), "the first is at work");
    let out = answer(&mut stage, 1, &[1]);
    assert_eq!((opened(&out), closed(&out)), (vec![], vec![1]));
    assert_eq!(opened(stage.pass(Span::seconds(1))), [], "its memory is not back");
    assert_eq!(opened(&gone(&mut stage, 1, None)), [(2, "b".into(), vec![0])]);
}

#[test]
fn a_program_gets_a_device_that_is_clear_too() {
    let mut stage = mill(1);
    give(&mut stage, vec![seated(1, "a", 1)]);
    ready(&mut stage, 1);
    answer(&mut stage, 1, &[1]);
    let program = Assignment { resources: gpu(WHOLE, 0), ..assignment(2) };
    let out = give(&mut stage, vec![program]);
    assert_eq!((started(&out), closed(&out)), (vec![], vec![1]));
    let out = gone(&mut stage, 1, None);
    let Some(Action::Start(assignment)) = out.first() else { panic!("it starts: {out:?}") };
    assert_eq!(assignment.seat.as_ref().unwrap().devices, [0], "it is told what it got");
}

#[test]
fn of_several_the_one_leaves_that_is_missed_least() {
    let mut stage = mill(1);
    let part = |number, name: &str, vram| Assignment {
        resources: gpu(0, vram),
        ..seated(number, name, 1)
    };
    give(&mut stage, vec![part(1, "a", 40)]);
    stage.pass(Span::seconds(60));
    ready(&mut stage, 1);
    give(&mut stage, vec![part(2, "b", 40)]);
    stage.pass(Span::seconds(1));
    ready(&mut stage, 2);
    answer(&mut stage, 1, &[1]);
    answer(&mut stage, 2, &[2]);
    stage.pass(Span::seconds(2));
    let program = Assignment { resources: gpu(0, 30), ..assignment(3) };
    let out = give(&mut stage, vec![program]);
    assert_eq!(closed(&out), [2], "the first costs a minute to load, the second a second");
    assert_eq!(started(&gone(&mut stage, 2, None)), [3]);
}

#[test]
fn an_idle_session_that_leaves_room_stays() {
    let mut stage = mill(1);
    let part = |number, name: &str| Assignment { resources: gpu(0, 40), ..seated(number, name, 1) };
    give(&mut stage, vec![part(1, "a")]);
    ready(&mut stage, 1);
    answer(&mut stage, 1, &[1]);
    let out = give(&mut stage, vec![part(2, "b")]);
    assert_eq!((closed(&out), opened(&out).len()), (vec![], 1));
}

#[test]
fn a_session_that_dies_ends_its_call_and_those_behind_it_get_another() {
    let mut stage = mill(1);
    let jobs: Vec<_> = (1..=3).map(|n| seated(n, "a", 2)).collect();
    give(&mut stage, jobs);
    assert_eq!(called(&ready(&mut stage, 1)), [(1, vec![1, 2])]);
    stage.succeed(1);
    let out = gone(&mut stage, 1, Some(lost()));
    assert!(reported(&out).contains(&(2, SESSION_LOST)), "{out:?}");
    assert_eq!(opened(&out), [(2, "a".into(), vec![0])]);
    assert_eq!(called(&ready(&mut stage, 2)), [(2, vec![3])]);
}

#[test]
fn what_cannot_load_fails_all_that_wait_and_pauses() {
    let mut stage = mill(1);
    let broken = || Failure::new(FailureKind::Failed, "ImportError", "no module named torch");
    give(&mut stage, (1..=2).map(|n| seated(n, "a", 2)).collect());
    let out = gone(&mut stage, 1, Some(broken()));
    assert_eq!(reported(&out).len(), 2);
    assert_eq!(opened(&give(&mut stage, vec![seated(3, "a", 2)])), [], "not at once");
    assert_eq!(opened(stage.pass(Span::seconds(1))), [(2, "a".into(), vec![0])]);
    gone(&mut stage, 2, Some(broken()));
    give(&mut stage, vec![seated(4, "a", 2)]);
    assert_eq!(opened(stage.pass(Span::millis(1_999))), []);
    assert_eq!(opened(stage.pass(Span::millis(1))), [(3, "a".into(), vec![0])]);
    ready(&mut stage, 3);
    gone(&mut stage, 3, Some(lost()));
    assert_eq!(opened(&give(&mut stage, vec![seated(5, "a", 2)])).len(), 1, "it has loaded since");
}

#[test]
fn one_that_keeps_apart_has_a_call_and_a_device_of_its_own() {
    let mut stage = mill(1);
    let apart = Assignment { alone: true, ..seated(2, "a", 4) };
    give(&mut stage, vec![seated(1, "a", 4), apart, seated(3, "a", 4)]);
    assert_eq!(called(&ready(&mut stage, 1)), [(1, vec![1])]);
    assert_eq!(called(&answer(&mut stage, 1, &[1])), [(1, vec![2])]);
    assert_eq!(called(&answer(&mut stage, 1, &[2])), [(1, vec![3])]);
}

#[test]
fn who_is_cancelled_before_its_call_leaves_its_seat_to_others() {
    let mut stage = mill(1);
    give(&mut stage, vec![seated(1, "a", 1), seated(2, "b", 1)]);
    assert_eq!(reported(stage.stop(1)).len(), 1);
    // The session of the first still loads; nobody waits for it, and it must leave when it has.
    let out = ready(&mut stage, 1);
    assert_eq!((closed(&out), called(&out)), (vec![1], vec![]));
    assert_eq!(opened(&gone(&mut stage, 1, None)), [(2, "b".into(), vec![0])]);
}

#[test]
fn a_device_that_fails_is_left_out_and_told_of_again_after_a_reconnect() {
    let mut stage = mill(2);
    let out = stage.input(Input::Device { device: 0, quarantined: Some("Xid 79".into()) });
    let told = |frame: &Action| matches!(frame, Action::Send(FromWorker::Device { .. }));
    assert_eq!(out.iter().filter(|action| told(action)).count(), 1);
    assert_eq!(opened(&give(&mut stage, vec![seated(1, "a", 1)]))[0].2, [1]);
    assert_eq!(opened(&give(&mut stage, vec![seated(2, "b", 1)])), [], "it waits");
    let out = stage.reconnect(&[]).to_vec();
    let sick = FromWorker::Device { device: "GPU-0".into(), quarantined: Some("Xid 79".into()) };
    assert!(out.contains(&Action::Send(sick)), "{out:?}");
    let back = ToWorker::Device { device: "GPU-0".into(), quarantined: None };
    assert_eq!(opened(stage.hear(back))[0].2, [0], "a person knows better");
}

#[test]
fn memory_that_does_not_come_back_takes_the_device_out() {
    let mut stage = mill(1);
    give(&mut stage, vec![seated(1, "a", 1), seated(2, "b", 1)]);
    ready(&mut stage, 1);
    answer(&mut stage, 1, &[1]);
    let stuck = vec![(0, "VRAM not returned".into())];
    let session = SessionId(1);
    let out = stage.input(Input::Gone(Gone { session, ruin: None, stuck })).to_vec();
    let told = FromWorker::Device {
        device: "GPU-0".into(),
        quarantined: Some("VRAM not returned".into()),
    };
    assert!(out.contains(&Action::Send(told)));
}

#[test]
fn what_a_session_takes_is_booked_and_told_once() {
    let mut stage = mill(1);
    let part = |number, name: &str| Assignment { resources: gpu(0, 60), ..seated(number, name, 1) };
    give(&mut stage, vec![part(1, "a"), part(2, "b")]);
    let measured = |out: &[Action]| {
        let is = |a: &&Action| matches!(a, Action::Send(FromWorker::Measured { .. }));
        out.iter().filter(is).count()
    };
    let out = stage.input(Input::Measured(SessionId(1), 20)).to_vec();
    assert_eq!((measured(&out), opened(&out).len()), (1, 1), "there is room for both");
    assert_eq!(measured(stage.input(Input::Measured(SessionId(1), 20))), 0);
}

#[test]
fn timeouts_count_from_the_call_and_not_from_the_wait_for_it() {
    let mut stage = mill(1);
    let hurried = Assignment { timeout: Some(Span::seconds(10)), ..seated(1, "a", 1) };
    give(&mut stage, vec![hurried]);
    assert!(!stage.pass(Span::seconds(60)).iter().any(|a| matches!(a, Action::Stop(_))));
    ready(&mut stage, 1);
    let out = stage.pass(Span::seconds(10)).to_vec();
    assert!(out.contains(&Action::Stop(AttemptId(1))), "{out:?}");
}
