//! Connections come and go; what is held and what is unsettled survives them.

use super::*;
use gristmill_model::problem::Code;

#[test]
fn a_worker_says_hello_and_nothing_else_before_it_is_welcome() {
    let mut stage = Stage::new(1);
    let Some(FromWorker::Hello(hello)) = frames(stage.input(Input::Connected)).first().copied()
    else {
        panic!("no hello: {:?}", stage.out);
    };
    assert_eq!((hello.instance, hello.prefetch, hello.description.shape.shared_disk), (7, 1, true));
    assert!(hello.holds.is_empty());
    assert!(stage.run(&[1]).is_empty(), "work before the welcome is not believed");
    assert!(stage.pass(Span::seconds(60)).is_empty(), "no heartbeat either");
}

#[test]
fn frames_without_a_connection_are_ignored() {
    let mut stage = Stage::new(1);
    assert!(stage.run(&[1]).is_empty());
    assert!(stage.hear(welcome(&[])).is_empty());
    assert!(stage.holds().is_empty());
}

#[test]
fn hello_names_what_runs_waits_and_is_unsettled() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1, 2, 3]);
    stage.succeed(1);
    assert_eq!(stage.holds(), [2, 3, 1], "2 runs, 3 waits, 1 is not settled");
}

#[test]
fn reports_are_repeated_until_they_are_settled() {
    let mut stage = Stage::welcomed(2);
    stage.run(&[1, 2]);
    assert_eq!(reported(stage.succeed(1)), [(1, "ok")]);
    stage.fail(2);
    assert_eq!(reported(stage.reconnect(&[])), [(1, "ok"), (2, "exit_status")]);
    stage.settle(1);
    assert_eq!(reported(stage.reconnect(&[])), [(2, "exit_status")]);
    stage.settle(2);
    stage.settle(2);
    assert!(reported(stage.reconnect(&[])).is_empty(), "a late settlement changes nothing");
}

#[test]
fn what_ends_between_connections_is_reported_after_the_welcome() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1, 2]);
    stage.input(Input::Disconnected);
    assert_eq!(started(stage.succeed(1)), [2], "the backlog runs on without a server");
    stage.input(Input::Connected);
    assert!(stage.succeed(2).is_empty(), "nothing is reported before the welcome");
    assert_eq!(reported(stage.hear(welcome(&[]))), [(1, "ok"), (2, "ok")]);
    assert_eq!(frames(&stage.out)[0], &FromWorker::Ended(vec![succeeded(1), succeeded(2)]));
}

#[test]
fn stale_attempts_are_stopped_and_forgotten() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1, 2, 3]);
    stage.succeed(1);
    let actions = stage.reconnect(&[1, 2, 3]);
    assert_eq!(stopped(actions), [2], "what runs is stopped, what waits never starts");
    assert!(reported(actions).is_empty());
    assert!(stage.holds().is_empty(), "not even the one that is still stopping");
    stage.hear(welcome(&[]));
    assert!(reported(stage.run(&[4])).is_empty());
    assert!(started(&stage.out).is_empty(), "its room is not free yet");
    assert_eq!(started(stage.fail(2)), [4]);
    assert!(reported(&stage.out).is_empty(), "nobody hears how a stale attempt ended");
}

#[test]
fn an_attempt_that_was_being_stopped_can_still_turn_stale() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    stage.stop(1);
    assert!(stopped(stage.reconnect(&[1])).is_empty(), "it was told already");
    assert!(stage.fail(1).is_empty());
}

#[test]
fn a_doubled_welcome_does_no_harm() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1, 2]);
    stage.succeed(1);
    assert_eq!(reported(stage.hear(welcome(&[]))), [(1, "ok")]);
    stage.settle(1);
    assert!(stage.hear(welcome(&[1])).is_empty());
    assert_eq!(reported(stage.succeed(2)), [(2, "ok")]);
}

#[test]
fn a_refused_worker_leaves_and_keeps_the_reason() {
    let mut stage = Stage::new(1);
    stage.input(Input::Connected);
    let refused = ToWorker::Refused { code: Code::Unauthorized, detail: "who?".into() };
    assert_eq!(stage.hear(refused), [Action::Leave]);
    assert_eq!(stage.core.refusal().map(|why| why.detail.as_str()), Some("who?"));
    assert!(stage.input(Input::Connected).is_empty(), "a worker that left is deaf");
    assert_eq!(stage.core.next_deadline(), None);
}
