//! What the tail keeps, what it lets go, and when it rouses the follower.

use gristmill_model::Time;
use gristmill_model::access::Actor;
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::{JobId, ProjectId, WorkerId};

mod schedules;

use super::*;

fn opened(batch: u64) -> Event {
    Event::BatchOpened {
        terms: Box::default(),
        batch: BatchId(batch),
        project: ProjectId::DEFAULT,
        pipeline: PipelineId(7),
        actor: Actor::Local,
        name: None,
        key: None,
        priority: 0,
        labels: Default::default(),
    }
}

fn added(batch: u64, first: u64, jobs: usize, input: usize) -> Event {
    let jobs = vec![JobSpec::of(Payload::Text("x".repeat(input))); jobs];
    Event::JobsAdded { batch: BatchId(batch), first: JobId(first), jobs }
}

fn pulse() -> Event {
    Event::WorkerDisconnected { worker: WorkerId(1), until: Time(1) }
}

struct Told {
    tail: Tail,
    runs: Runs,
    last: u64,
}

impl Told {
    fn new() -> Told {
        Told { tail: Tail::new(0), runs: Runs::default(), last: 0 }
    }

    fn push(&mut self, events: Vec<Event>) {
        events.iter().for_each(|event| self.runs.learn(event));
        self.last += events.iter().filter(|event| event.is_durable()).count() as u64;
        let records = events.into_iter().map(|event| Record { at: Time(1), event }).collect();
        self.tail.push(self.last, &Arc::new(records));
    }

    /// The numbers of the events that come next; nothing where the log has them.
    fn next(&self, after: u64) -> Option<Vec<u64>> {
        match self.tail.next(after).expect("the tail is open") {
            Next::Pieces(pieces) => {
                Some(pieces.iter().flat_map(|piece| piece.events().map(|(seq, _)| seq)).collect())
            }
            Next::Log => None,
        }
    }

    fn story(&self, batch: u64) -> Option<Vec<u64>> {
        let story = self.tail.story(BatchId(batch), &self.runs)?;
        assert_eq!(story.pipeline, PipelineId(7));
        Some(story.events().map(|(seq, _)| seq).collect())
    }
}

#[test]
fn durable_events_come_in_order_with_their_numbers() {
    let mut told = Told::new();
    told.push(vec![pulse(), opened(1), pulse(), added(1, 1, 1, 0)]);
    told.push(vec![pulse()]);
    told.push(vec![Event::BatchClosed { batch: BatchId(1) }]);
    assert_eq!(told.next(0), Some(vec![1, 2, 3]), "after a moment, though nobody asks");
    assert_eq!(told.next(2), Some(vec![3]));
    told.tail.close();
    assert!(told.tail.next(0).is_none());
}

#[test]
fn the_follower_is_roused_by_whoever_asks_by_much_and_by_the_end() {
    let told = Told::new();
    std::thread::scope(|scope| {
        let (heard, hears) = std::sync::mpsc::channel();
        let tail = &told.tail;
        scope.spawn(move || {
            let mut after = 0;
            while let Some(next) = tail.next(after) {
                let Next::Pieces(pieces) = next else { panic!("nothing fell out") };
                after = pieces.last().unwrap().last;
                tail.took(after);
                heard.send(after).unwrap();
            }
        });
        let push = |last, count| {
            let event = Event::BatchClosed { batch: BatchId(1) };
            let records = vec![Record { at: Time(1), event }; count];
            tail.push(last, &Arc::new(records));
        };
        push(1, 1);
        tail.want(1);
        assert_eq!(hears.recv(), Ok(1));
        push(1 + limits::EVENTS_PER_READ as u64, limits::EVENTS_PER_READ);
        assert_eq!(hears.recv(), Ok(1 + limits::EVENTS_PER_READ as u64));
        tail.close();
        assert!(hears.recv().is_err(), "it has ended");
    });
}

#[test]
fn what_is_too_much_to_keep_is_left_to_the_log() {
    let mut told = Told::new();
    let count = limits::TAIL_BYTES / limits::INLINE_BYTES + 9;
    for n in 1..=count as u64 {
        told.push(vec![added(1, n, 1, limits::INLINE_BYTES)]);
        assert!(told.tail.lock().bytes <= limits::TAIL_BYTES);
    }
    assert_eq!(told.next(0), None);
    let kept = told.tail.lock().pieces.front().unwrap().first;
    assert!(kept > 9, "{kept}");
    assert_eq!(told.next(kept - 1).unwrap().first(), Some(&kept));

    told.tail.took(told.last);
    let inner = told.tail.lock();
    assert!(inner.bytes <= limits::TAIL_KEPT_BYTES, "{}", inner.bytes);
    let bytes: usize = inner.pieces.iter().map(|piece| piece.bytes).sum();
    assert_eq!(inner.bytes, bytes);
}

#[test]
fn a_young_batch_has_its_story() {
    let mut told = Told::new();
    told.push(vec![opened(1), added(1, 1, 2, 0), pulse(), opened(2), added(2, 3, 1, 0)]);
    told.push(vec![
        Event::BackoffElapsed { job: JobId(2) },
        Event::BackoffElapsed { job: JobId(3) },
    ]);
    told.push(vec![Event::BatchClosed { batch: BatchId(1) }]);
    assert_eq!(told.story(1), Some(vec![1, 2, 5, 7]));
    assert_eq!(told.story(2), Some(vec![3, 4, 6]));
    assert_eq!(told.story(3), None);
    told.tail.took(told.last);
    assert_eq!(told.story(2), Some(vec![3, 4, 6]), "also after the follower has taken it in");
}

#[test]
fn a_long_story_and_an_old_one_are_left_to_the_tables() {
    let mut told = Told::new();
    told.push(vec![opened(1), added(1, 1, limits::STORY_EVENTS, 0)]);
    assert_eq!(told.story(1), None);
    told.push(vec![opened(2), added(2, 1_000, 1, 0)]);
    assert!(told.story(2).is_some());
    told.push(vec![Event::BackoffElapsed { job: JobId(9_999) }; limits::STORY_LOOK_BACK]);
    assert_eq!(told.story(2), None);
}
