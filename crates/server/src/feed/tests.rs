//! The core loop publishes while subscribers come and read. Looked at under thousands of schedules:
//! each committed event comes once and in order, the pulse between, and the end is told last.

use gristmill_model::{Time, WorkerId};
use gristmill_threads::{Clock, Model};
use shuttle::future::block_on;
use shuttle::thread;

use super::*;
use crate::log::{Log, MemoryLog};

/// Commits in all.
const ROUNDS: u64 = 3;

fn round() -> Vec<Record> {
    let worker = WorkerId(1);
    let events = [
        Event::BatchClosed { batch: BatchId(1) },
        Event::WorkerDisconnected { worker, until: Time(1) },
    ];
    events.map(|event| Record { at: Time(1), event }).to_vec()
}

/// Publishes all rounds, each by `publish`, to two subscribers, one of whom comes when they like.
fn all_is_told(publish: fn(&Publisher, u64, &Arc<Vec<Record>>)) {
    let mut log = MemoryLog::default();
    let (publisher, feed) = feed(log.reader().unwrap(), Runs::default(), 0);
    let early = feed.subscribe(Topic::default(), None);
    let subscribers = [Some(early), None].map(|early| {
        let feed = feed.clone();
        thread::spawn(move || {
            let subscription = early.unwrap_or_else(|| feed.subscribe(Topic::default(), Some(0)));
            hear(subscription)
        })
    });
    for _ in 0..ROUNDS {
        let records = Arc::new(round());
        let seq = log.append(&records).unwrap();
        publish(&publisher, seq, &records);
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
        all_is_told(|publisher, seq, records| {
            let record = Arc::new(records[1].clone());
            drop(publisher.pulses.send(Pulse { seq, record }));
            thread::yield_now();
            publisher.publish(seq, records);
        });
    });
    assert!(found.why.contains("each once, in order") || found.why.contains("a pulse comes after"));
}
