//! The core loop publishes while subscribers come and read. Looked at under thousands of schedules:
//! each committed event comes once and in order, ephemeral ones between, and the end is told last.

use gristmill_model::access::Actor;
use gristmill_model::event::{EphemeralEvent, Record};
use gristmill_model::{BatchId, Time, WorkerId};
use gristmill_threads::{Clock, Model};
use shuttle::future::block_on;
use shuttle::thread;

use super::*;

/// Commits in all.
const ROUNDS: u64 = 3;

fn round(seq: u64) -> Arc<Committed> {
    let worker = WorkerId(1);
    let events = [
        Event::Batch(BatchEvent::Closed { batch: BatchId(1) }),
        Event::Ephemeral(EphemeralEvent::WorkerDisconnected { worker, until: Time(1) }),
    ];
    let record = |event| Record { at: Time(1).into(), actor: Actor::SERVER, event };
    Arc::new(Committed::new(seq, events.map(record).to_vec(), Vec::new()))
}

/// Publishes all rounds, each by `publish`, to two subscribers, one of whom comes when they like.
fn all_is_told(publish: fn(&Publisher, &Arc<Committed>)) {
    let (publisher, feed) = feed(Arc::new(Tail::new(0)));
    let early = feed.subscribe(Topic::default(), None);
    let subscribers = [Some(early), None].map(|early| {
        let feed = feed.clone();
        thread::spawn(move || {
            let subscription = early.unwrap_or_else(|| feed.subscribe(Topic::default(), Some(0)));
            hear(subscription)
        })
    });
    for seq in 1..=ROUNDS {
        publish(&publisher, &round(seq));
        thread::yield_now();
    }
    drop(publisher);
    subscribers.into_iter().for_each(|subscriber| subscriber.join().unwrap());
}

fn hear(mut subscription: Subscription) {
    let (mut committed, mut at) = (0, 0);
    while let Some(event) = block_on(subscription.next()).unwrap() {
        assert!(event.seq >= at, "{} comes after {at}", event.seq);
        at = event.seq;
        if event.event == "batch_closed" {
            committed += 1;
            assert_eq!(event.seq, committed, "each once, in order");
        } else {
            assert!(event.seq <= committed, "a pulse comes after what was before it");
        }
    }
    assert_eq!(committed, ROUNDS, "all before the end");
}

#[test]
fn each_event_comes_once_and_in_order() {
    Model::new(Clock::StandsStill).at_most(1_500).explore(|| all_is_told(Publisher::publish));
}

#[test]
fn a_pulse_before_its_time_is_found() {
    let found = Model::new(Clock::StandsStill).finds(|| {
        all_is_told(|publisher, round| {
            drop(publisher.ephemeral.send(Arc::clone(round)));
            thread::yield_now();
            publisher.publish(round);
        });
    });
    assert!(found.why.contains("each once, in order") || found.why.contains("a pulse comes after"));
}

#[test]
fn whoever_is_too_far_behind_is_told_how_much_was_missed_and_goes_on() {
    let (publisher, feed) = feed(Arc::new(Tail::new(0)));
    let mut slow = feed.subscribe(Topic::default(), None);
    let rounds = limits::FEED_KEPT + 5;
    for seq in 1..=rounds {
        publisher.publish(&round(seq));
        publisher.tail.took(seq);
    }
    assert_eq!(slow.next_up_to(rounds), Err(Missed { events: 5, through: 5 }));
    let mut heard = Vec::new();
    while let Some(event) = slow.next_up_to(rounds).unwrap() {
        heard.push(event.seq);
    }
    assert!(heard.into_iter().eq(6..=rounds));
    let mut late = feed.subscribe(Topic::batch(BatchId(2)), Some(rounds - 1));
    assert_eq!(late.next_up_to(rounds), Ok(None), "it does not concern them");
}
