//! What every log must do, as tests. An implementation runs them by handing
//! [`log_conformance!`] a function that makes a *site*: something whose `open()` gives the same
//! log each time, as a restart would.

use std::collections::BTreeMap;
use std::sync::Arc;

use gristmill_model::access::Actor;
use gristmill_model::event::{BatchEvent, EphemeralEvent, Event, Opening, Record, WorkerEvent};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::terms::Terms;
use gristmill_model::{BatchId, JobId, Moment, PipelineId, ProjectId, Time, WorkerId, limits};

use super::{Base, Compaction, Log, LogError, LogReader};

/// A short record that can be told from the others.
pub fn small(n: u64) -> Record {
    let event = Event::Worker(WorkerEvent::Draining { worker: WorkerId(n) });
    Record { at: Time(n).into(), actor: Actor::SERVER, event }
}

/// Jobs with inputs of this many bytes.
pub fn jobs(count: usize, bytes: usize) -> Record {
    let job = JobSpec::of(Payload::Text("x".repeat(bytes)));
    let (batch, first, jobs) = (BatchId(1), JobId(1), Arc::new(vec![job; count]));
    let event = Event::Batch(BatchEvent::JobsAdded { batch, first, jobs });
    Record { at: Time(1).into(), actor: Actor::LOCAL, event }
}

/// A record with most of what events are made of.
pub fn rich() -> Record {
    let opening = Opening {
        terms: Terms::default(),
        project: ProjectId::DEFAULT,
        pipeline: PipelineId(1),
        name: Some("Grüße".into()),
        key: Some(("key".into(), u64::MAX)),
        priority: -7,
        labels: BTreeMap::from([("user".into(), "ada".into())]),
    };
    let (batch, opening) = (BatchId(u64::MAX), Arc::new(opening));
    let event = Event::Batch(BatchEvent::Opened { batch, opening });
    let at = Moment { now: Time(u64::MAX), wall: Time(7) };
    Record { at, actor: Actor::TOKEN, event }
}

/// A record that is never written.
pub fn pulse() -> Record {
    let event =
        Event::Ephemeral(EphemeralEvent::LeaseRenewed { worker: WorkerId(1), until: Time(9) });
    Record { at: Time(1).into(), actor: Actor::worker(WorkerId(1)), event }
}

/// All that the log holds, read in pieces.
pub fn everything(reader: &dyn LogReader, piece: usize) -> Vec<(u64, Record)> {
    let mut all: Vec<(u64, Record)> = Vec::new();
    loop {
        let after = all.last().map_or(0, |(seq, _)| *seq);
        let read = reader.read(after, piece).unwrap();
        assert!(read.len() <= piece);
        if read.is_empty() {
            return all;
        }
        all.extend(read);
    }
}

/// What `records` must look like when they are read back from an empty log.
pub fn numbered(records: Vec<Record>) -> Vec<(u64, Record)> {
    (1..).zip(records).collect()
}

pub fn order_is_kept_and_numbers_have_no_gaps(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    assert_eq!(log.last(), 0);
    assert_eq!(log.append(&[small(1), rich()]).unwrap(), 2);
    assert_eq!(log.append(&[small(3)]).unwrap(), 3);
    let expected = numbered(vec![small(1), rich(), small(3)]);
    let reader = log.reader().unwrap();
    for piece in 1..=4 {
        assert_eq!(everything(&*reader, piece), expected);
    }
    assert_eq!(reader.read(1, 10).unwrap(), expected[1..]);
    assert_eq!(reader.read(2, 1).unwrap(), expected[2..]);
    assert!(reader.read(3, 10).unwrap().is_empty());
    assert!(reader.read(99, 10).unwrap().is_empty());
    assert!(reader.read(0, 0).unwrap().is_empty());
}

pub fn nothing_and_pulse_leave_no_trace(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    assert_eq!(log.append(&[]).unwrap(), 0);
    assert_eq!(log.append(&[pulse()]).unwrap(), 0);
    assert_eq!(log.append(&[pulse(), small(1), pulse()]).unwrap(), 1);
    assert_eq!(log.append(&[]).unwrap(), 1);
    assert_eq!(everything(&*log.reader().unwrap(), 10), numbered(vec![small(1)]));
}

pub fn what_is_acknowledged_survives_a_restart(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    log.append(&[small(1), small(2)]).unwrap();
    drop(log);
    let mut log = open();
    assert_eq!(log.last(), 2);
    assert_eq!(log.append(&[small(3)]).unwrap(), 3);
    drop(log);
    let expected = numbered(vec![small(1), small(2), small(3)]);
    assert_eq!(everything(&*open().reader().unwrap(), 2), expected);
}

pub fn large_records_come_back_whole_and_one_read_stays_bounded(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    let bulk = jobs(limits::JOBS_PER_COMMAND, 1_000);
    let records = vec![small(1), bulk.clone(), bulk, small(4)];
    assert_eq!(log.append(&records).unwrap(), 4);
    let reader = log.reader().unwrap();
    // Each bulk is beyond the bound of a read, so no read brings both.
    assert!(reader.read(0, 10).unwrap().len() <= 2);
    assert_eq!(everything(&*reader, 10), numbered(records));
}

pub fn many_records_in_one_append(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    let records: Vec<Record> = (1..=10_000).map(small).collect();
    assert_eq!(log.append(&records).unwrap(), 10_000);
    let reader = log.reader().unwrap();
    assert_eq!(reader.read(9_998, 10).unwrap().len(), 2);
    assert_eq!(everything(&*reader, 777), numbered(records));
}

pub fn a_reader_on_another_thread_sees_whole_commits_only(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    let reader = log.reader().unwrap();
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut seen = 0;
            while seen < 300 {
                let read = reader.read(seen, usize::MAX).unwrap();
                assert!(read.iter().map(|(seq, _)| *seq).eq(seen + 1..=seen + read.len() as u64));
                assert_eq!(read.len() % 3, 0, "a part of a commit was seen");
                seen += read.len() as u64;
            }
        });
        for n in 0..100 {
            log.append(&[small(n), small(n), small(n)]).unwrap();
        }
        reading.join().unwrap();
    });
}

pub fn a_log_is_the_same_to_all_its_readers_and_no_other(
    open: &dyn Fn() -> Box<dyn Log>,
    another: &dyn Log,
) {
    let mut log = open();
    let identity = log.reader().unwrap().identity().unwrap();
    log.append(&[small(1)]).unwrap();
    assert_eq!(log.reader().unwrap().identity().unwrap(), identity);
    drop(log);
    assert_eq!(open().reader().unwrap().identity().unwrap(), identity, "after a restart");
    assert_ne!(another.reader().unwrap().identity().unwrap(), identity);
}

/// All records of the base in force, read in pieces.
pub fn whole_base(reader: &dyn LogReader, piece: usize) -> Vec<Record> {
    let base = reader.base().unwrap().expect("there is a base");
    let mut all = Vec::new();
    loop {
        let read = reader.read_base(&base, all.len() as u64, piece).unwrap();
        if read.is_empty() {
            assert_eq!(all.len() as u64, base.records);
            return all;
        }
        let numbers = read.iter().map(|(number, _)| *number);
        assert!(numbers.eq(all.len() as u64 + 1..=(all.len() + read.len()) as u64));
        all.extend(read.into_iter().map(|(_, record)| record));
    }
}

/// Writes a base piece by piece and puts it in force.
pub fn compact(compaction: &mut dyn Compaction, records: &[Record], through: u64) -> Base {
    compaction.begin().unwrap();
    records.chunks(2).for_each(|piece| compaction.write(piece).unwrap());
    let written = compaction.written(0, usize::MAX).unwrap();
    assert_eq!(written, numbered(records.to_vec()));
    compaction.finish(through).unwrap()
}

fn clear_all(compaction: &mut dyn Compaction) {
    while compaction.clear().unwrap() {}
}

/// Ten records in commits of three, and one of one.
fn ten(log: &mut dyn Log) -> Vec<(u64, Record)> {
    let records: Vec<Record> = (1..=10).map(small).collect();
    for commit in records.chunks(3) {
        log.append(commit).unwrap();
    }
    numbered(records)
}

fn told(reader: &dyn LogReader, after: u64) -> u64 {
    match reader.read(after, 10) {
        Err(LogError::Compacted { through }) => through,
        other => panic!("a read after {after} answers {other:?}"),
    }
}

pub fn a_base_stands_in_the_place_of_what_was_before_it(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    let all = ten(&mut *log);
    assert_eq!(log.reader().unwrap().base().unwrap(), None);
    let mut compaction = log.compaction().unwrap();
    let parts = vec![small(71), rich(), small(73)];
    let base = compact(&mut *compaction, &parts, 5);
    assert_eq!((base.through, base.records), (5, 3));
    let holds = |log: &dyn Log, after: &[(u64, Record)]| {
        let reader = log.reader().unwrap();
        assert_eq!(reader.base().unwrap(), Some(base));
        for piece in 1..=4 {
            assert_eq!(whole_base(&*reader, piece), parts);
        }
        assert_eq!(reader.read(5, 100).unwrap(), after);
        assert_eq!(reader.read(8, 1).unwrap(), after[3..4]);
        assert_eq!([0, 3, 4].map(|position| told(&*reader, position)), [5; 3]);
    };
    // Before what it stands for is cleared, while it is, and afterwards.
    holds(&*log, &all[5..]);
    assert!(compaction.clear().unwrap());
    holds(&*log, &all[5..]);
    clear_all(&mut *compaction);
    holds(&*log, &all[5..]);
    assert_eq!(log.last(), 10);
    assert_eq!(log.append(&[small(11)]).unwrap(), 11);
    drop((log, compaction));
    let log = open();
    assert_eq!(log.last(), 11);
    holds(&*log, &[&all[5..], &[(11, small(11))]].concat());
}

pub fn a_log_of_which_only_a_base_is_left_goes_on(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    ten(&mut *log);
    let mut compaction = log.compaction().unwrap();
    compact(&mut *compaction, &[small(71)], 10);
    clear_all(&mut *compaction);
    drop((log, compaction));
    let mut log = open();
    assert_eq!(log.last(), 10);
    assert_eq!(log.append(&[small(11)]).unwrap(), 11);
    let reader = log.reader().unwrap();
    assert_eq!(reader.read(10, 10).unwrap(), [(11, small(11))]);
    assert_eq!(told(&*reader, 9), 10);
    assert!(reader.read(11, 10).unwrap().is_empty());
}

pub fn a_base_that_was_not_finished_is_none(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    let all = ten(&mut *log);
    let mut compaction = log.compaction().unwrap();
    compaction.begin().unwrap();
    compaction.write(&[small(71), small(72)]).unwrap();
    // As a crash leaves it.
    drop((log, compaction));
    let log = open();
    let reader = log.reader().unwrap();
    assert_eq!(reader.base().unwrap(), None);
    assert_eq!(everything(&*reader, 4), all);
    let mut compaction = log.compaction().unwrap();
    clear_all(&mut *compaction);
    assert_eq!(everything(&*reader, 4), all);
    compact(&mut *compaction, &[small(73)], 10);
    assert_eq!(whole_base(&*reader, 9), [small(73)]);
}

pub fn clearing_leaves_a_base_alone_that_is_being_written(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    let all = ten(&mut *log);
    let mut compaction = log.compaction().unwrap();
    compact(&mut *compaction, &[small(71)], 3);
    compaction.begin().unwrap();
    compaction.write(&[small(72)]).unwrap();
    clear_all(&mut *compaction);
    compaction.write(&[small(73)]).unwrap();
    assert_eq!(whole_base(&*log.reader().unwrap(), 9), [small(71)]);
    compaction.finish(9).unwrap();
    clear_all(&mut *compaction);
    let reader = log.reader().unwrap();
    assert_eq!(whole_base(&*reader, 9), [small(72), small(73)]);
    assert_eq!(reader.read(9, 9).unwrap(), all[9..]);
}

pub fn a_base_that_was_replaced_is_not_read_on(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    ten(&mut *log);
    let mut compaction = log.compaction().unwrap();
    let first = compact(&mut *compaction, &[small(71), small(72)], 3);
    let reader = log.reader().unwrap();
    assert_eq!(reader.read_base(&first, 0, 1).unwrap(), [(1, small(71))]);
    let second = compact(&mut *compaction, &[small(73)], 8);
    let error = reader.read_base(&first, 1, 1).unwrap_err();
    assert!(matches!(error, LogError::Compacted { through: 8 }), "{error}");
    let said = "events up to 8 are no longer kept one by one";
    assert!(error.to_string().starts_with(said), "{error}");
    assert_eq!(reader.read_base(&second, 0, 9).unwrap(), [(1, small(73))]);
}

pub fn a_large_base_comes_back_whole(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    ten(&mut *log);
    let mut compaction = log.compaction().unwrap();
    let bulk = jobs(limits::JOBS_PER_COMMAND, 1_000);
    let mut parts: Vec<Record> = (1..=10_000).map(small).collect();
    parts.extend([bulk.clone(), bulk, small(4)]);
    compaction.begin().unwrap();
    parts.chunks(6_000).for_each(|piece| compaction.write(piece).unwrap());
    compaction.finish(10).unwrap();
    assert_eq!(whole_base(&*log.reader().unwrap(), 777), parts);
    // A second one leaves nothing of the first.
    compact(&mut *compaction, &[small(5)], 10);
    clear_all(&mut *compaction);
    assert_eq!(whole_base(&*log.reader().unwrap(), 777), [small(5)]);
}

pub fn appends_go_on_while_a_base_is_written(open: &dyn Fn() -> Box<dyn Log>) {
    let mut log = open();
    let all = ten(&mut *log);
    let mut compaction = log.compaction().unwrap();
    std::thread::scope(|scope| {
        let compacting = scope.spawn(move || {
            for through in 1..=10 {
                let parts: Vec<Record> = (1..=20).map(|n| small(through * 100 + n)).collect();
                compact(&mut *compaction, &parts, through);
                clear_all(&mut *compaction);
            }
        });
        (11..=60).for_each(|n| assert_eq!(log.append(&[small(n)]).unwrap(), n));
        compacting.join().unwrap();
    });
    let reader = log.reader().unwrap();
    assert_eq!(whole_base(&*reader, 9).len(), 20);
    assert_eq!(reader.read(10, 100).unwrap(), (11..=60).map(|n| (n, small(n))).collect::<Vec<_>>());
    assert_eq!(all.len(), 10);
}

macro_rules! log_conformance {
    ($site:expr) => {
        $crate::log::conformance::log_conformance! { $site,
            a_base_stands_in_the_place_of_what_was_before_it
            a_log_of_which_only_a_base_is_left_goes_on
            a_base_that_was_not_finished_is_none
            clearing_leaves_a_base_alone_that_is_being_written
            a_base_that_was_replaced_is_not_read_on
            a_large_base_comes_back_whole
            appends_go_on_while_a_base_is_written
            order_is_kept_and_numbers_have_no_gaps
            nothing_and_pulse_leave_no_trace
            what_is_acknowledged_survives_a_restart
            large_records_come_back_whole_and_one_read_stays_bounded
            many_records_in_one_append
            a_reader_on_another_thread_sees_whole_commits_only
        }

        #[test]
        fn a_log_is_the_same_to_all_its_readers_and_no_other() {
            let (site, another) = ($site(), $site());
            $crate::log::conformance::a_log_is_the_same_to_all_its_readers_and_no_other(
                &|| site.open(),
                &*another.open(),
            );
        }
    };
    ($site:expr, $($law:ident)+) => {
        $(
            #[test]
            fn $law() {
                let site = $site();
                $crate::log::conformance::$law(&|| site.open());
            }
        )+
    };
}
pub(crate) use log_conformance;
