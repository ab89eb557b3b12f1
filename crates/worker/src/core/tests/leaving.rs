//! Workers leave: drained, asked by the server, or at once.

use super::*;

#[test]
fn an_idle_worker_that_drains_leaves_at_once() {
    let mut stage = Stage::welcomed(1);
    assert_eq!(
        stage.input(Input::Drain),
        [Action::Send(FromWorker::Draining), Action::Send(FromWorker::Goodbye), Action::Leave]
    );
}

#[test]
fn a_draining_worker_finishes_what_it_holds_and_waits_for_the_settlement() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1, 2]);
    assert_eq!(frames(stage.input(Input::Drain)), [&FromWorker::Draining]);
    assert_eq!(started(stage.succeed(1)), [2]);
    assert_eq!(reported(stage.succeed(2)), [(2, "ok")]);
    stage.settle(1);
    assert_eq!(stage.settle(2), [Action::Send(FromWorker::Goodbye), Action::Leave]);
}

#[test]
fn the_server_can_ask_for_a_drain() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    assert_eq!(frames(stage.hear(ToWorker::Drain)), [&FromWorker::Draining]);
    assert!(stage.hear(ToWorker::Drain).is_empty(), "asked twice, told once");
    stage.succeed(1);
    assert_eq!(stage.settle(1).last(), Some(&Action::Leave));
}

#[test]
fn a_drain_survives_a_broken_connection() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    stage.input(Input::Disconnected);
    assert!(stage.input(Input::Drain).is_empty());
    stage.succeed(1);
    stage.input(Input::Connected);
    let said = stage.hear(welcome(&[]));
    assert_eq!(reported(said), [(1, "ok")]);
    assert!(frames(said).contains(&&FromWorker::Draining));
    assert_eq!(stage.settle(1).last(), Some(&Action::Leave));
}

#[test]
fn without_a_server_and_without_work_there_is_nobody_to_take_leave_of() {
    assert_eq!(Stage::new(1).input(Input::Drain), [Action::Leave]);
}

#[test]
fn a_draining_worker_waits_for_a_stale_attempt_to_end() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    stage.input(Input::Drain);
    assert!(!stage.reconnect(&[1]).contains(&Action::Leave), "its processes still live");
    assert_eq!(stage.fail(1).last(), Some(&Action::Leave));
}

#[test]
fn quitting_stops_everything_and_gives_it_back() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1, 2]);
    assert_eq!(
        stage.input(Input::Quit),
        [Action::Stop(AttemptId(1)), Action::Send(FromWorker::Goodbye), Action::Leave]
    );
    assert!(stage.fail(1).is_empty());
}
