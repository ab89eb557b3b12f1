//! Programs that have to end: on request, by timeout, with the worker. Nothing of them lives on.

use std::path::Path;
use std::time::Duration;

use gristmill_model::attempt::FailureKind;
use gristmill_model::wire::{Assignment, Ended, ToWorker};
use gristmill_model::{AttemptId, Span};

use crate::mill::{Mill, shell, until};

/// Process ids that a program wrote down, one a line.
fn pids(file: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Whether a process exists and has not ended; a zombie has.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// Starts a line that writes down so many process ids; waits until they are all there.
async fn planted(mill: &Mill, line: &str, count: usize) -> Vec<u32> {
    let file = mill.shared("pids");
    mill.run(shell(&line.replace("PIDS", &file.to_string_lossy()))).await;
    until("the tree stands", || pids(&file).len() == count).await;
    pids(&file)
}

async fn all_gone(pids: &[u32]) {
    until("the whole tree is gone", || !pids.iter().any(|pid| lives(*pid))).await;
}

#[tokio::test]
async fn a_cancelled_tree_is_gone() {
    let mut mill = Mill::start().await;
    let line =
        "sleep 60 & echo $! >> PIDS; (sleep 60 & echo $! >> PIDS; wait) & echo $$ >> PIDS; wait";
    let pids = planted(&mill, line, 3).await;
    mill.say(ToWorker::Stop(vec![AttemptId(1)])).await;
    let failure = mill.failed().await;
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Cancelled, "cancelled"));
    assert!(!pids.iter().any(|pid| lives(*pid)), "gone before the report");
}

#[tokio::test]
async fn a_tree_that_ignores_term_is_killed_after_its_grace() {
    let mut mill = Mill::start().await;
    let line = "trap '' TERM; sleep 60 & echo $! >> PIDS; echo $$ >> PIDS; while :; do wait; done";
    let pids = planted(&mill, line, 2).await;
    mill.say(ToWorker::Stop(vec![AttemptId(1)])).await;
    let Ended { usage, .. } = mill.ended().await;
    assert!(usage.wall >= Span::millis(300), "it had its grace: {usage:?}");
    assert!(!pids.iter().any(|pid| lives(*pid)));
}

#[tokio::test]
async fn a_program_can_end_in_its_own_way() {
    let mut mill = Mill::start().await;
    let line = "trap 'echo cleaned; exit 7' TERM; echo $$ >> PIDS; while :; do sleep 0.01; done";
    planted(&mill, line, 1).await;
    mill.say(ToWorker::Stop(vec![AttemptId(1)])).await;
    assert_eq!(mill.failed().await.exit_code, Some(7));
    assert_eq!(mill.log(gristmill_model::wire::Stream::Stdout), "cleaned\n");
}

#[tokio::test]
async fn descendants_that_left_the_session_are_found() {
    let mut mill = Mill::start().await;
    let line = "setsid sh -c 'trap \"\" TERM; echo $$ >> PIDS; while :; do sleep 0.05; done' \
                > /dev/null 2>&1 & echo $$ >> PIDS; wait";
    let pids = planted(&mill, line, 2).await;
    mill.say(ToWorker::Stop(vec![AttemptId(1)])).await;
    mill.failed().await;
    assert!(!pids.iter().any(|pid| lives(*pid)), "gone before the report");
}

#[tokio::test]
async fn a_background_process_does_not_keep_an_attempt_open() {
    let mut mill = Mill::start().await;
    let pids_of_group = "sleep 60 & echo $! >> PIDS; echo done";
    let inside = planted(&mill, pids_of_group, 1).await;
    mill.ended().await;
    all_gone(&inside).await;
    std::fs::remove_file(mill.shared("pids")).unwrap();
    let pipes_held = "setsid sh -c 'echo $$ >> PIDS; sleep 60' & sleep 0.01; echo done";
    let outside = planted(&mill, pipes_held, 1).await;
    mill.ended().await;
    all_gone(&outside).await;
}

/// Nothing ties it to its attempt but the marks that it wears.
const DAEMON: &str = "setsid sh -c 'echo $$ >> PIDS; exec sleep 60' < /dev/null > /dev/null 2>&1 & \
                      until [ -s PIDS ]; do sleep 0.01; done; echo done";

#[tokio::test]
async fn a_daemon_that_lets_go_of_everything_ends_with_its_program() {
    let mut mill = Mill::start().await;
    let pids = planted(&mill, DAEMON, 1).await;
    mill.ended().await;
    assert!(!pids.iter().any(|pid| lives(*pid)), "gone before the report");
    assert!(mill.scratch().is_empty());
}

#[tokio::test]
async fn a_daemon_of_an_attempt_that_runs_is_left_alone() {
    let mut mill = Mill::start().await;
    let gate = mill.shared("gate");
    // Its parent ends at once, so it is an orphan while its attempt goes on.
    let line = "(setsid sh -c 'echo $$ >> PIDS; exec sleep 60' > /dev/null 2>&1 &); \
                until [ -e GATE ]; do sleep 0.01; done";
    let pids = planted(&mill, &line.replace("GATE", &gate.to_string_lossy()), 1).await;
    mill.run(Assignment { attempt: AttemptId(2), ..shell("true") }).await;
    assert_eq!(mill.ended().await.attempt, AttemptId(2));
    assert!(pids.iter().all(|pid| lives(*pid)), "its attempt runs");
    std::fs::write(gate, "").unwrap();
    assert_eq!(mill.ended().await.attempt, AttemptId(1));
    assert!(!pids.iter().any(|pid| lives(*pid)), "gone before the report");
}

#[tokio::test]
async fn what_ended_by_itself_is_reaped() {
    let mut mill = Mill::start().await;
    let line = "(setsid sh -c 'echo $$ >> PIDS' > /dev/null 2>&1 &); (sh -c 'echo $$ >> PIDS' &); \
                until [ $(wc -l < PIDS) = 2 ]; do sleep 0.01; done";
    let pids = planted(&mill, line, 2).await;
    mill.ended().await;
    mill.run(Assignment { attempt: AttemptId(2), ..shell("sleep 0.1") }).await;
    mill.ended().await;
    assert!(!pids.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()), "no zombie");
}

#[tokio::test]
async fn a_timeout_ends_the_tree() {
    let mut mill = Mill::start().await;
    let assignment = Assignment { timeout: Some(Span::millis(100)), ..shell("sleep 60 & wait") };
    let failure = mill.fails(assignment).await;
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::TimedOut, "timed_out"));
    assert!(failure.message.contains("100ms"), "{}", failure.message);
}

#[tokio::test]
async fn a_worker_that_quits_leaves_no_process() {
    let mill = Mill::start().await;
    let line =
        "trap '' TERM; setsid sleep 60 & echo $! >> PIDS; echo $$ >> PIDS; while :; do wait; done";
    let pids = planted(&mill, line, 2).await;
    mill.shutdown.quit();
    mill.left().await.unwrap();
    assert!(!pids.iter().any(|pid| lives(*pid)), "gone before the worker is");
}

#[tokio::test]
async fn a_worker_that_drains_finishes_first() {
    let mut mill = Mill::start().await;
    let gate = mill.shared("gate");
    let line = format!("echo begun; until [ -e {} ]; do sleep 0.01; done", gate.display());
    mill.run(shell(&line)).await;
    mill.logged("begun").await;
    mill.shutdown.ask();
    std::fs::write(gate, "").unwrap();
    let ended = mill.ended().await;
    assert!(matches!(ended.outcome, gristmill_model::attempt::Outcome::Succeeded(_)));
    mill.left().await.unwrap();
}

/// The worker runs in a process of its own, which is this test's program started again.
#[tokio::test]
async fn programs_do_not_outlive_a_killed_worker() {
    const FLAG: &str = "GRISTMILL_TEST_DOOMED";
    if let Ok(file) = std::env::var(FLAG) {
        let mill = Mill::start().await;
        let line =
            "sleep 60 & echo $! >> PIDS; setsid sleep 60 & echo $! >> PIDS; echo $$ >> PIDS; wait";
        mill.run(shell(&line.replace("PIDS", &file))).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("pids");
    let name = "stopping::programs_do_not_outlive_a_killed_worker";
    let mut worker = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(FLAG, &file)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("the tree stands", || pids(&file).len() == 3).await;
    worker.kill().unwrap();
    worker.wait().unwrap();
    all_gone(&pids(&file)).await;
}
