//! Who commits, who asks and the follower meet at the tail's bell. Looked at under thousands of
//! schedules: whoever asks is answered though no time passes, and what nobody asks for is taken in
//! when it has gathered for a while.

use gristmill_threads::{Clock, Found, Model, Planted};
use shuttle::future::block_on;
use shuttle::thread::{self, JoinHandle};
use tokio::sync::watch;

use super::*;

/// Commits in all.
const ROUNDS: u64 = 3;

/// A follower as [`crate::follower`] has it, with nothing to fill; gives what it has seen.
fn follower(tail: &Arc<Tail>, progress: watch::Sender<u64>) -> JoinHandle<Vec<u64>> {
    let tail = Arc::clone(tail);
    thread::spawn(move || {
        let mut seen = Vec::new();
        loop {
            let after = *progress.borrow();
            let Some(next) = tail.next(after) else { return seen };
            let Next::Pieces(pieces) = next else { panic!("nothing fell out") };
            seen.extend(pieces.iter().flat_map(Piece::events).map(|(seq, _)| seq));
            let seq = *seen.last().expect("something is to be taken in");
            progress.send_replace(seq);
            tail.took(seq);
        }
    })
}

fn commit(tail: &Tail) {
    for seq in 1..=ROUNDS {
        let events = [pulse(), Event::BatchClosed { batch: BatchId(1) }];
        let records = events.map(|event| Record { at: Time(1), event });
        tail.push(seq, &Arc::new(records.to_vec()));
        tail.push(seq, &Arc::new(vec![records[0].clone()]));
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
    let follower = follower(&tail, sends);
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
    let follower = follower(&tail, sends);
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
