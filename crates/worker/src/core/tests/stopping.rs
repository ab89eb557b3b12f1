//! Attempts are stopped: on request, by their timeout, before, while and after they run.

use super::*;

#[test]
fn a_waiting_attempt_is_cancelled_at_once() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1, 2]);
    assert_eq!(reported(stage.stop(2)), [(2, "cancelled")]);
    assert!(stopped(&stage.out).is_empty());
    assert!(started(stage.succeed(1)).is_empty(), "it never starts");
}

#[test]
fn cancelling_the_head_of_the_backlog_lets_the_next_one_start() {
    let mut stage = Stage::welcomed(2);
    let resources = Resources { cpus: 2_000, ..Resources::default() };
    let wide = Assignment { resources, ..assignment(2) };
    stage.hear(ToWorker::Run(vec![assignment(1), wide, assignment(3)]));
    assert_eq!(started(stage.stop(2)), [3]);
}

#[test]
fn a_running_attempt_is_stopped_and_ends_as_cancelled() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    assert_eq!(stage.stop(1), [Action::Stop(AttemptId(1))]);
    assert!(stage.stop(1).is_empty(), "once is enough");
    let Some(FromWorker::Ended(batch)) = frames(stage.fail(1)).first().copied() else {
        panic!("no report: {:?}", stage.out);
    };
    let Outcome::Failed(failure) = &batch[0].outcome else { panic!("{batch:?}") };
    assert_eq!((failure.kind, failure.exit_code), (FailureKind::Cancelled, Some(143)));
}

#[test]
fn work_that_was_faster_than_the_stop_is_reported_as_done() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    stage.stop(1);
    assert_eq!(reported(stage.succeed(1)), [(1, "ok")]);
}

#[test]
fn a_stop_that_crosses_the_report_is_answered_already() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    stage.succeed(1);
    assert!(stage.stop(1).is_empty());
}

#[test]
fn a_stop_of_an_attempt_that_never_arrived_is_answered_too() {
    let mut stage = Stage::welcomed(1);
    assert_eq!(reported(stage.stop(5)), [(5, "cancelled")]);
    assert!(stage.run(&[5]).is_empty(), "and if it comes after all, it does not start");
    assert_eq!(reported(stage.reconnect(&[])), [(5, "cancelled")]);
}

#[test]
fn an_attempt_beyond_its_timeout_is_stopped_and_has_timed_out() {
    let mut stage = Stage::welcomed(1);
    stage.hear(with_timeout(1, Span::seconds(2)));
    assert!(stage.pass(Span::millis(1_999)).is_empty());
    assert_eq!(stopped(stage.pass(Span::millis(1))), [1]);
    assert_eq!(reported(stage.fail(1)), [(1, "timed_out")]);
}

#[test]
fn success_after_the_timeout_comes_too_late() {
    let mut stage = Stage::welcomed(1);
    stage.hear(with_timeout(1, Span::seconds(2)));
    stage.pass(Span::seconds(2));
    assert_eq!(reported(stage.succeed(1)), [(1, "timed_out")]);
}

#[test]
fn success_that_arrives_with_the_timeout_counts() {
    let mut stage = Stage::welcomed(1);
    stage.hear(with_timeout(1, Span::seconds(2)));
    stage.now = stage.now + Span::seconds(3);
    assert_eq!(reported(stage.succeed(1)), [(1, "ok")]);
    assert!(stopped(&stage.out).is_empty());
}

#[test]
fn time_in_the_backlog_is_not_time_of_the_attempt() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    stage.hear(with_timeout(2, Span::seconds(2)));
    stage.pass(Span::seconds(10));
    stage.succeed(1);
    assert!(stopped(stage.pass(Span::millis(1_999))).is_empty());
    assert_eq!(stopped(stage.pass(Span::millis(1))), [2]);
}

#[test]
fn timeouts_need_no_connection() {
    let mut stage = Stage::welcomed(1);
    stage.hear(with_timeout(1, Span::seconds(2)));
    stage.input(Input::Disconnected);
    assert_eq!(stopped(stage.pass(Span::seconds(2))), [1]);
    stage.fail(1);
    stage.input(Input::Connected);
    assert_eq!(reported(stage.hear(welcome(&[]))), [(1, "timed_out")]);
}

#[test]
fn the_first_reason_to_stop_is_the_one_that_counts() {
    let mut stage = Stage::welcomed(2);
    stage.hear(with_timeout(1, Span::seconds(2)));
    stage.hear(with_timeout(2, Span::seconds(2)));
    stage.stop(1);
    assert_eq!(stopped(stage.pass(Span::seconds(2))), [2]);
    assert!(stage.stop(2).is_empty());
    assert_eq!(reported(stage.fail(1)), [(1, "cancelled")]);
    assert_eq!(reported(stage.fail(2)), [(2, "timed_out")]);
}
