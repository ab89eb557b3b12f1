//! Work is taken in, waits for room, starts in order, and is answered once.

use super::*;
use gristmill_model::limits;
use gristmill_model::pipeline::ImagesSpec;

#[test]
fn attempts_start_as_room_comes_free_in_order() {
    let mut stage = Stage::welcomed(2);
    assert_eq!(started(stage.run(&[1, 2, 3, 4])), [1, 2]);
    assert_eq!(started(stage.succeed(2)), [3]);
    assert_eq!(started(stage.fail(1)), [4]);
    assert_eq!(reported(&stage.out), [(2, "ok"), (1, "exit_status")]);
}

#[test]
fn a_report_waits_a_moment_for_others_while_more_work_waits_here() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1, 2, 3]);
    assert_eq!(reported(stage.succeed(1)), []);
    assert_eq!(stage.core.next_deadline(), Some(stage.now + limits::REPORT_GATHER));
    assert_eq!(reported(stage.pass(limits::REPORT_GATHER)), [(1, "ok")]);
    assert_eq!(reported(stage.succeed(2)), [(2, "ok")], "nothing waits behind the last");
    assert_eq!(reported(stage.succeed(3)), [(3, "ok")]);
}

#[test]
fn reports_that_fill_a_frame_are_said_at_once() {
    let mut stage = Stage::welcomed(1);
    let most = limits::REPORTS_PER_FRAME as u64;
    stage.run(&(1..=most + 2).collect::<Vec<u64>>());
    for n in 1..most {
        assert_eq!(reported(stage.succeed(n)), [], "{n}");
    }
    assert_eq!(reported(stage.succeed(most)).len() as u64, most);
}

#[test]
fn gathered_reports_are_said_before_the_goodbye_and_once_after_a_reconnect() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1, 2, 3]);
    stage.succeed(1);
    assert_eq!(reported(stage.reconnect(&[])), [(1, "ok")]);
    assert_eq!(reported(stage.pass(limits::REPORT_GATHER)), []);
    stage.settle(1);
    stage.run(&[4]);
    stage.succeed(2);
    let actions = stage.input(Input::Quit);
    assert_eq!(reported(actions), [(2, "ok")]);
    assert!(matches!(actions.last(), Some(Action::Leave)), "{actions:?}");
}

#[test]
fn a_gathered_report_of_what_others_took_over_is_not_said() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1, 2, 3]);
    stage.succeed(1);
    assert_eq!(reported(stage.reconnect(&[1])), []);
    assert_eq!(reported(stage.pass(limits::REPORT_GATHER)), []);
}

#[test]
fn a_doubled_run_starts_nothing_twice() {
    let mut stage = Stage::welcomed(2);
    stage.run(&[1]);
    assert!(stage.run(&[1]).is_empty(), "it runs already");
    stage.succeed(1);
    assert!(stage.run(&[1]).is_empty(), "it ended already");
}

#[test]
fn a_handler_that_this_worker_does_not_run_is_given_back() {
    let mut stage = Stage::welcomed(1);
    let handler = Handler::Images(ImagesSpec { recipe: "{}".into() });
    let actions = stage.hear(ToWorker::Run(vec![Assignment { handler, ..assignment(1) }]));
    assert_eq!(reported(actions), [(1, "handler_not_run")]);
    assert!(started(actions).is_empty());
}

#[test]
fn what_can_never_fit_does_not_block_the_backlog() {
    let mut stage = Stage::welcomed(1);
    let resources = Resources { cpus: 2_000, ..Resources::default() };
    let actions =
        stage.hear(ToWorker::Run(vec![Assignment { resources, ..assignment(1) }, assignment(2)]));
    assert_eq!(reported(actions), [(1, "does_not_fit")]);
    assert_eq!(started(actions), [2]);
}

#[test]
fn a_server_that_leases_without_end_is_told_so() {
    let mut stage = Stage::welcomed(1);
    let most = limits::HELD_PER_WORKER as u64;
    let all: Vec<u64> = (1..=most + 1).collect();
    assert_eq!(reported(stage.run(&all)), [(most + 1, "worker_full")]);
    stage.succeed(1);
    assert_eq!(stage.holds().len(), limits::HELD_PER_WORKER, "and the refusal is not kept");
}

#[test]
fn word_of_attempts_that_do_not_run_is_not_passed_on() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1, 2]);
    assert!(stage.succeed(2).is_empty(), "it waits");
    assert!(stage.succeed(9).is_empty(), "it does not exist");
    assert!(stage.input(log(2)).is_empty());
    assert_eq!(started(stage.succeed(1)), [2]);
}

#[test]
fn reports_that_come_together_share_a_frame() {
    let mut stage = Stage::welcomed(3);
    stage.run(&[1, 2, 3, 4]);
    let mut out = Vec::new();
    for n in 1..=3 {
        stage.core.handle(stage.now, Input::Ended(succeeded(n)), &mut out);
    }
    assert_eq!(frames(&out).len(), 2, "reports in one, prefetch in another: {out:?}");
    assert_eq!(reported(&out), [(1, "ok"), (2, "ok"), (3, "ok")]);
    assert_eq!(started(&out), [4]);
}

#[test]
fn a_frame_of_reports_is_bounded() {
    let count = limits::REPORTS_PER_FRAME as u64 + 1;
    let mut stage = Stage::welcomed(count as u32);
    stage.run(&(1..=count).collect::<Vec<u64>>());
    stage.input(Input::Disconnected);
    for n in 1..=count {
        stage.succeed(n);
    }
    stage.input(Input::Connected);
    let actions = stage.hear(welcome(&[]));
    assert_eq!(reported(actions).len() as u64, count);
    assert!(frames(actions).len() >= 2);
}
