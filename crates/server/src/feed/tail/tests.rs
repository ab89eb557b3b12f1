//! What the tail keeps, what it lets go, and when it rouses the follower.

use gristmill_engine::change::{Accepted, Change, Inputs, Made};
use gristmill_model::access::Actor;
use gristmill_model::event::{BatchEvent, EphemeralEvent, Event, Record};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::{BatchId, JobId, Time, WorkerId};

mod schedules;

use super::*;

fn closed() -> Event {
    Event::Batch(BatchEvent::Closed { batch: BatchId(1) })
}

fn pulse() -> Event {
    Event::Ephemeral(EphemeralEvent::WorkerDisconnected { worker: WorkerId(1), until: Time(1) })
}

/// A round that ends at `last`.
fn round(last: u64, events: impl IntoIterator<Item = Event>) -> Arc<Committed> {
    heavy(last, events, 0)
}

/// A round that weighs so many bytes, and a little more. They are not really there.
fn heavy(last: u64, events: impl IntoIterator<Item = Event>, bytes: usize) -> Arc<Committed> {
    let record = |event| Record { at: Time(1).into(), actor: Actor::SERVER, event };
    let spec = JobSpec::of(Payload::Text("x".repeat(limits::INLINE_BYTES)));
    let each = Arc::new(vec![spec; 8]);
    let accepted = || Accepted {
        batch: BatchId(1),
        first: JobId(1),
        index: 0,
        priority: 0,
        inputs: Inputs::Each(Arc::clone(&each)),
        created_at: Time(1),
    };
    let count = bytes.div_ceil(each.len() * limits::INLINE_BYTES);
    let made = (0..count).map(|_| Made { record: 0, change: Change::Accepted(accepted()) });
    Arc::new(Committed::new(last, events.into_iter().map(record).collect(), made.collect()))
}

/// The numbers of the durable events of rounds.
fn numbers(rounds: &[Arc<Committed>]) -> Vec<u64> {
    let happened = rounds.iter().flat_map(|round| round.happened());
    happened.filter(|it| it.record.event.is_durable()).map(|it| it.seq).collect()
}

/// The numbers of the events that come next.
fn next(tail: &Tail, after: u64) -> Vec<u64> {
    numbers(&tail.next(after).expect("the tail is open"))
}

/// The first event that is here, and whether the sums are right.
fn first(tail: &Tail) -> u64 {
    let inner = tail.lock();
    let bytes = |waits: bool| -> usize {
        let rounds = inner.rounds.iter().filter(|round| !waits || round.last > inner.taken);
        rounds.map(|round| round.bytes()).sum()
    };
    assert_eq!((inner.bytes, inner.waiting), (bytes(false), bytes(true)));
    inner.rounds.front().map_or(inner.committed + 1, |round| round.first())
}

#[test]
fn durable_events_come_in_order_with_their_numbers() {
    let tail = Tail::new(0);
    tail.push(&round(2, [pulse(), closed(), pulse(), closed()]));
    tail.push(&round(2, [pulse()]));
    tail.push(&round(3, [closed()]));
    assert_eq!(next(&tail, 0), [1, 2, 3], "after a moment, though nobody asks");
    assert_eq!(next(&tail, 2), [3]);
    assert_eq!(tail.committed(), 3);
    let newest: Vec<u64> = tail.newest(9).iter().map(|round| round.last).collect();
    assert_eq!((newest, tail.newest(1).len()), (vec![3, 2], 1));
    tail.close();
    assert!(tail.next(0).is_none());
}

#[test]
fn the_follower_is_roused_by_whoever_asks_by_much_and_by_the_end() {
    let tail = &Tail::new(0);
    std::thread::scope(|scope| {
        let (heard, hears) = std::sync::mpsc::channel();
        scope.spawn(move || {
            let mut after = 0;
            while let Some(rounds) = tail.next(after) {
                after = rounds.last().unwrap().last;
                tail.took(after);
                heard.send(after).unwrap();
            }
        });
        tail.push(&round(1, [closed()]));
        tail.want(1);
        assert_eq!(hears.recv(), Ok(1));
        let much = limits::CHANGES_PER_CHUNK;
        tail.push(&round(1 + much as u64, vec![closed(); much]));
        assert_eq!(hears.recv(), Ok(1 + much as u64));
        tail.close();
        assert!(hears.recv().is_err(), "it has ended");
    });
}

#[test]
fn much_is_what_waits_and_not_what_is_kept_for_listeners() {
    let tail = Tail::new(0);
    tail.push(&heavy(1, [closed()], limits::FEED_KEPT_BYTES / 4 * 3));
    tail.took(1);
    tail.push(&heavy(2, [closed()], limits::CHUNK_BYTES / 4 * 3));
    assert_eq!(first(&tail), 1, "it is kept for listeners");
    assert!(tail.lock().bytes > limits::CHUNK_BYTES);
    assert!(!tail.lock().is_much());
    tail.push(&heavy(3, [closed()], limits::CHUNK_BYTES / 4));
    assert!(tail.lock().is_much());
}

#[test]
fn what_was_not_taken_in_stays_and_of_the_rest_as_many_events_as_are_promised() {
    let tail = Tail::new(0);
    let most = limits::FEED_KEPT;
    for last in 1..=most * 2 {
        tail.push(&round(last, [closed()]));
    }
    assert_eq!(first(&tail), 1, "nobody has taken it in");
    tail.took(10);
    assert_eq!(first(&tail), 11);
    tail.took(most * 2);
    assert_eq!(first(&tail), most + 1);
    tail.push(&round(most * 2 + 7, vec![closed(); 7]));
    assert_eq!(first(&tail), most + 1, "the tables let go, not the core loop");
    tail.took(most * 2 + 7);
    assert_eq!(first(&tail), most + 8);
    // A round goes as a whole, when the last of it is too far back.
    tail.push(&round(most * 3 + 6, vec![closed(); most as usize - 1]));
    tail.took(most * 3 + 6);
    assert_eq!(first(&tail), most * 2 + 1);
}

#[test]
fn what_was_not_taken_in_stays_and_of_the_rest_as_many_bytes_as_are_promised() {
    let tail = Tail::new(0);
    let piece = limits::FEED_KEPT_BYTES / 4;
    for last in 1..=20 {
        tail.push(&heavy(last, [closed()], piece));
    }
    assert!(tail.lock().bytes > limits::FEED_KEPT_BYTES * 4);
    assert_eq!(first(&tail), 1, "nobody has taken it in");
    tail.took(2);
    assert_eq!(first(&tail), 3);
    tail.took(20);
    assert!(tail.lock().bytes <= limits::FEED_KEPT_BYTES);
    assert_eq!(first(&tail), 18, "a piece is a little more than a fourth");
}

#[test]
fn whoever_lacks_events_is_told_which_was_the_last_that_is_gone() {
    let tail = Tail::new(3);
    assert_eq!(tail.after(2).unwrap_err(), 3);
    assert!(tail.after(3).unwrap().is_empty());
    tail.push(&round(5, [closed(), closed()]));
    tail.push(&round(6, [closed()]));
    assert_eq!(tail.after(2).unwrap_err(), 3);
    assert_eq!(numbers(&tail.after(3).unwrap()), [4, 5, 6]);
    assert_eq!(numbers(&tail.after(4).unwrap()), [4, 5, 6], "by whole rounds");
    assert_eq!(numbers(&tail.after(5).unwrap()), [6]);
    assert!(tail.after(6).unwrap().is_empty());
    let much = limits::EVENTS_PER_READ as u64;
    for last in 7..=6 + much * 2 {
        tail.push(&round(last, [closed()]));
    }
    assert_eq!(tail.after(6).unwrap().len() as u64, much, "so much at a time");
}

#[test]
fn a_log_that_is_replayed_is_there_for_listeners_and_not_for_the_tables() {
    let tail = Tail::new(0);
    let much = limits::FEED_KEPT;
    tail.recall(round(50, vec![closed(); 10]));
    assert_eq!((first(&tail), tail.committed()), (41, 50));
    tail.recall(round(50 + much, vec![closed(); much as usize]));
    assert_eq!((first(&tail), tail.committed()), (51, 50 + much));
    tail.wait_for_room();
    assert_eq!(tail.until_taken(50 + much), Some(50 + much));
    tail.push(&round(51 + much, [closed()]));
    assert_eq!(next(&tail, 50 + much), [51 + much]);
    assert_eq!(tail.after(40).unwrap_err(), 50);
}

#[test]
fn a_chunk_is_bounded_and_has_one_round_at_least() {
    let tail = Tail::new(0);
    let most = limits::CHANGES_PER_CHUNK;
    tail.push(&round(most as u64 + 5, vec![closed(); most + 5]));
    tail.push(&heavy(most as u64 + 6, [closed()], limits::CHUNK_BYTES));
    tail.push(&round(most as u64 + 7, [closed()]));
    assert_eq!(next(&tail, 0).len(), most + 5);
    assert_eq!(next(&tail, most as u64 + 5), [most as u64 + 6]);
    assert_eq!(next(&tail, most as u64 + 6), [most as u64 + 7]);
}
