//! Heartbeats, prefetch, captured output and progress.

use super::*;
use gristmill_model::limits;

#[test]
fn a_silent_worker_beats_as_often_as_it_was_asked() {
    let mut stage = Stage::welcomed(1);
    let beats = frames(stage.pass(Span::seconds(9))).len();
    assert_eq!(beats, 3);
    assert!(frames(&stage.out).iter().all(|frame| **frame == FromWorker::Heartbeat));
}

#[test]
fn a_report_stands_for_a_heartbeat_and_output_does_not() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    stage.pass(Span::seconds(2));
    stage.input(log(1));
    assert_eq!(frames(stage.pass(Span::seconds(1))), [&FromWorker::Heartbeat]);
    stage.pass(Span::seconds(2));
    stage.succeed(1);
    assert!(stage.pass(Span::millis(2_999)).is_empty());
}

#[test]
fn no_server_can_make_a_worker_beat_without_pause() {
    let mut stage = Stage::new(1);
    stage.input(Input::Connected);
    stage.hear(ToWorker::Welcome(Welcome {
        worker: WorkerId(1),
        heartbeat: Span::ZERO,
        lease: Span::ZERO,
        stale: vec![],
    }));
    assert_eq!(stage.core.next_deadline(), Some(stage.now + limits::HEARTBEAT_LEAST));
}

#[test]
fn prefetch_follows_how_long_attempts_take() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1, 2]);
    stage.now = stage.now + Span::millis(3);
    assert!(frames(stage.succeed(1)).contains(&&FromWorker::Prefetch(25)));
    stage.now = stage.now + Span::millis(3);
    assert_eq!(frames(stage.succeed(2)).len(), 1, "no word of it while it stays the same");
    assert_eq!(stage.core.pace.prefetch(), 25);
}

#[test]
fn stopped_attempts_teach_nothing_about_pace() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    stage.now = stage.now + Span::millis(3);
    stage.stop(1);
    stage.fail(1);
    assert_eq!(stage.core.pace.prefetch(), 1);
}

#[test]
fn a_new_prefetch_is_told_in_the_next_hello() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    stage.input(Input::Disconnected);
    stage.now = stage.now + Span::millis(5);
    assert!(stage.succeed(1).is_empty());
    let Some(FromWorker::Hello(hello)) = frames(stage.input(Input::Connected)).first().copied()
    else {
        panic!("no hello: {:?}", stage.out);
    };
    assert_eq!(hello.prefetch, 15);
}

#[test]
fn output_carries_its_job_and_waits_for_the_server() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    let expected = FromWorker::Log {
        attempt: AttemptId(1),
        job: JobId(101),
        stream: Stream::Stdout,
        bytes: b"line\n".to_vec(),
    };
    assert_eq!(frames(stage.input(log(1))), [&expected]);
    stage.input(Input::Disconnected);
    assert!(stage.input(log(1)).is_empty());
    stage.succeed(1);
    stage.input(Input::Connected);
    let said = stage.hear(welcome(&[]));
    assert_eq!(frames(said)[0], &expected, "output first, then how it ended");
    assert_eq!(reported(said), [(1, "ok")]);
}

#[test]
fn progress_is_passed_on_while_somebody_listens() {
    let mut stage = Stage::welcomed(1);
    stage.run(&[1]);
    let progress =
        || Input::Progress { attempt: AttemptId(1), done: 1, total: 2, message: String::new() };
    assert_eq!(frames(stage.input(progress())).len(), 1);
    stage.input(Input::Disconnected);
    assert!(stage.input(progress()).is_empty());
}
