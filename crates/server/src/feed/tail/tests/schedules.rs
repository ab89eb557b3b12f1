//! Who commits, who asks, who compacts and the follower meet at the tail's bells. Looked at under
//! thousands of schedules: whoever asks is answered though no time passes, what nobody asks for is
//! taken in when it has gathered for a while, and whoever waits for room goes on when there is
//! some.

use std::sync::LazyLock;

use gristmill_threads::{Clock, Found, Model, Planted};
use shuttle::future::block_on;
use shuttle::thread::{self, JoinHandle};
use tokio::sync::watch;

use super::*;

/// Commits in all.
const ROUNDS: u64 = 3;

/// A follower as [`crate::follower`] has it, with nothing to fill; gives what it has seen.
fn follower(tail: &Arc<Tail>, progress: watch::Sender<u64>, took: Took) -> JoinHandle<Vec<u64>> {
    let tail = Arc::clone(tail);
    thread::spawn(move || {
        let mut seen = Vec::new();
        loop {
            let after = *progress.borrow();
            let Some(rounds) = tail.next(after) else { return seen };
            seen.extend(numbers(&rounds));
            let seq = *seen.last().expect("something is to be taken in");
            progress.send_replace(seq);
            took(&tail, seq);
        }
    })
}

/// How the follower says how far it has come.
type Took = fn(&Tail, u64);

fn commit(tail: &Tail) {
    for seq in 1..=ROUNDS {
        tail.push(&round(seq, [pulse(), closed()]));
        tail.push(&round(seq, [pulse()]));
    }
}

/// Waits as [`crate::read::Read::caught_up`] does, but for ever.
fn caught_up(tail: &Tail, mut progress: watch::Receiver<u64>, want: fn(&Tail, u64)) {
    let seq = tail.committed();
    if *progress.borrow() < seq {
        want(tail, seq);
        block_on(progress.wait_for(|at| *at >= seq)).unwrap();
    }
}

fn all_meet(want: fn(&Tail, u64), close: fn(&Tail)) {
    let tail = Arc::new(Tail::new(0));
    let (sends, progress) = watch::channel(0);
    let follower = follower(&tail, sends, Tail::took);
    let commits = thread::spawn({
        let tail = Arc::clone(&tail);
        move || commit(&tail)
    });
    let asks = [0, 1].map(|_| {
        let (tail, progress) = (Arc::clone(&tail), progress.clone());
        thread::spawn(move || caught_up(&tail, progress, want))
    });
    commits.join().unwrap();
    asks.into_iter().for_each(|asks| asks.join().unwrap());
    close(&tail);
    let seen = follower.join().unwrap();
    assert!(seen.iter().copied().eq(1..=seen.len() as u64), "each once, in order: {seen:?}");
}

#[test]
fn whoever_asks_is_answered_though_no_time_passes_and_the_end_is_heard() {
    for clock in [Clock::StandsStill, Clock::Passes] {
        Model::new(clock).at_most(2_000).explore(|| all_meet(Tail::want, Tail::close));
    }
}

#[test]
fn a_bell_that_is_not_heard_is_found() {
    let finds = |scenario: fn()| -> Found { Model::new(Clock::StandsStill).finds(scenario) };
    let rings_first: fn() = || {
        all_meet(
            |tail, seq| {
                tail.bell.notify_one();
                tail.lock().wanted = seq;
            },
            Tail::close,
        );
    };
    assert!(finds(rings_first).is_standstill());
    let ends_quietly: fn() = || all_meet(Tail::want, |tail| tail.lock().closed = true);
    assert!(finds(ends_quietly).is_standstill());
    let deaf = Model::new(Clock::StandsStill).with(Planted::WaitInTwoSteps);
    assert!(deaf.finds(|| all_meet(Tail::want, Tail::close)).is_standstill());
}

/// Nobody asks; all is taken in nevertheless.
fn nobody_asks() {
    let tail = Arc::new(Tail::new(0));
    let (sends, mut progress) = watch::channel(0);
    let follower = follower(&tail, sends, Tail::took);
    commit(&tail);
    block_on(progress.wait_for(|seq| *seq == ROUNDS)).unwrap();
    tail.close();
    assert!(follower.join().unwrap().into_iter().eq(1..=ROUNDS));
}

#[test]
fn what_nobody_asks_for_is_taken_in_after_a_while() {
    Model::new(Clock::Passes).explore(nobody_asks);
    assert!(Model::new(Clock::StandsStill).finds(nobody_asks).is_standstill());
}

/// Rounds of which one may wait for the tables, but not two.
static LARGE: LazyLock<Vec<Arc<Committed>>> = LazyLock::new(|| {
    let half = limits::PENDING_BYTES / 2 + 1;
    (1..=ROUNDS).map(|seq| heavy(seq, [closed()], half)).collect()
});

/// Commits large rounds, each when there is room for it.
fn commit_large(tail: &Tail) {
    for round in &*LARGE {
        tail.push(round);
        tail.wait_for_room();
    }
}

/// One commits more than may wait, another waits for the tables to come far, as the compactor does.
fn all_have_room(took: Took) {
    let tail = Arc::new(Tail::new(0));
    let (sends, _) = watch::channel(0);
    let follower = follower(&tail, sends, took);
    let compacts = thread::spawn({
        let tail = Arc::clone(&tail);
        move || assert_eq!(tail.until_taken(ROUNDS + 1), None, "it never comes")
    });
    let commits = thread::spawn({
        let tail = Arc::clone(&tail);
        move || commit_large(&tail)
    });
    commits.join().unwrap();
    tail.close();
    compacts.join().unwrap();
    let seen = follower.join().unwrap();
    assert!(seen.iter().copied().eq(1..=seen.len() as u64), "each once, in order: {seen:?}");
}

#[test]
fn whoever_waits_for_room_goes_on_when_there_is_some_though_no_time_passes() {
    Model::new(Clock::StandsStill).at_most(2_000).explore(|| all_have_room(Tail::took));
    let quietly: Took = |tail, seq| tail.lock().come_to(seq);
    let quiet = Model::new(Clock::StandsStill).finds(move || all_have_room(quietly));
    assert!(quiet.is_standstill());
}

/// Nobody fills the tables; whoever commits loses patience, or hears of the end.
fn no_room(ends: bool) {
    let tail = Arc::new(Tail::new(0));
    let commits = thread::spawn({
        let tail = Arc::clone(&tail);
        move || commit_large(&tail)
    });
    if ends {
        tail.close();
    }
    commits.join().unwrap();
    assert_eq!(tail.newest(9).len() as u64, ROUNDS, "nothing is let go");
}

#[test]
fn tables_that_are_not_filled_hold_nobody_up_for_ever() {
    Model::new(Clock::Passes).at_most(1_000).explore(|| no_room(false));
    assert!(Model::new(Clock::StandsStill).finds(|| no_room(false)).is_standstill());
    Model::new(Clock::StandsStill).at_most(1_000).explore(|| no_room(true));
}
