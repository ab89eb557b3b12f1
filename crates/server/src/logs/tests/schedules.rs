//! An attempt writes, followers read, and the attempt ends. Looked at under thousands of schedules:
//! a follower gets each byte once, is woken for it while the attempt runs, and hears of the end.

use std::sync::atomic::{AtomicU64, Ordering};

use gristmill_threads::{Clock, Model, Mutex};
use shuttle::future::block_on;
use shuttle::thread;
use tokio::sync::watch;

use super::*;

/// Fewer than usual: each makes files.
const SCHEDULES: usize = 1_000;

/// Captured output in a folder for all schedules; each has an attempt of its own.
struct Kept {
    folder: TempDir,
    attempts: AtomicU64,
}

impl Kept {
    fn new() -> Arc<Kept> {
        Arc::new(Kept { folder: TempDir::new().unwrap(), attempts: AtomicU64::new(0) })
    }

    /// An attempt that has said nothing yet.
    fn attempt(&self) -> Spoken {
        let attempt = AttemptId(self.attempts.fetch_add(1, Ordering::SeqCst));
        Spoken { logs: Logs::new(self.folder.path()), attempt, runs: Arc::new(Mutex::new(true)) }
    }
}

/// An attempt as its writer and its followers see it.
#[derive(Clone)]
struct Spoken {
    logs: Logs,
    attempt: AttemptId,
    runs: Arc<Mutex<bool>>,
}

/// What somebody who follows does first.
#[derive(Clone, Copy, PartialEq)]
enum First {
    Follow,
    /// The mistake against which [`Logs::follow`] warns.
    Ask,
}

fn text(captured: &Captured) -> String {
    let pieces = captured.pieces.iter().map(|piece| match piece {
        Piece::Said { bytes, .. } => String::from_utf8(bytes.clone()).unwrap(),
        Piece::Skipped { .. } => panic!("little was said"),
    });
    pieces.collect()
}

impl Spoken {
    fn says(&self, text: &str) {
        block_on(self.logs.append(JOB, self.attempt, NOW, vec![out(text)])).unwrap();
    }

    fn ends(&self) {
        *self.runs.lock().unwrap() = false;
        self.logs.ended(self.attempt);
    }

    /// Reads to the end.
    fn follow(&self, first: First, mut hears: impl FnMut(&str)) -> String {
        let runs = || *self.runs.lock().unwrap();
        let asked = (first == First::Ask).then(runs);
        let mut follow = self.logs.follow(JOB, self.attempt, 0);
        if !asked.unwrap_or_else(runs) {
            follow.finish();
        }
        let mut all = String::new();
        while let Some(captured) = block_on(follow.next()).unwrap() {
            all += &text(&captured);
            hears(&all);
        }
        all
    }
}

fn an_attempt_is_followed(kept: &Kept, first: First) {
    let spoken = kept.attempt();
    let followers = [0, 1].map(|_| {
        let spoken = spoken.clone();
        thread::spawn(move || spoken.follow(first, |_| {}))
    });
    spoken.says("one");
    spoken.says("two");
    spoken.ends();
    for follower in followers {
        assert_eq!(follower.join().unwrap(), "onetwo");
    }
    assert!(spoken.logs.followed().is_empty(), "nobody follows any more");
}

#[test]
fn each_byte_comes_once_and_the_end_is_heard() {
    let model = Model::new(Clock::StandsStill).at_most(SCHEDULES);
    let kept = Kept::new();
    model.explore({
        let kept = Arc::clone(&kept);
        move || an_attempt_is_followed(&kept, First::Follow)
    });
    assert!(model.finds(move || an_attempt_is_followed(&kept, First::Ask)).is_standstill());
}

/// The attempt goes on only when its follower has heard what it said.
fn what_is_said_is_heard_at_once(kept: &Kept, says: fn(&Spoken)) {
    let spoken = kept.attempt();
    let (heard, mut hears) = watch::channel(false);
    let follower = thread::spawn({
        let spoken = spoken.clone();
        move || {
            spoken.follow(First::Follow, |all| {
                heard.send_replace(all == "one");
            })
        }
    });
    says(&spoken);
    block_on(hears.wait_for(|heard| *heard)).unwrap();
    spoken.ends();
    assert_eq!(follower.join().unwrap(), "one");
}

#[test]
fn a_follower_is_woken_for_every_byte() {
    let model = Model::new(Clock::StandsStill).at_most(SCHEDULES);
    let kept = Kept::new();
    model.explore({
        let kept = Arc::clone(&kept);
        move || what_is_said_is_heard_at_once(&kept, |spoken| spoken.says("one"))
    });
    let wakes_first = model.finds(move || {
        what_is_said_is_heard_at_once(&kept, |Spoken { logs, attempt, .. }| {
            if let Some(followers) = logs.followed().get(attempt) {
                followers.send_replace(());
            }
            let said = |files: &Files| files.append(NOW, &[out("one")]);
            block_on(logs.with_files(JOB, *attempt, said)).unwrap();
        });
    });
    assert!(wakes_first.is_standstill());
}
