//! What every log must do, as tests. An implementation runs them by handing
//! [`log_conformance!`] a function that makes a *site*: something whose `open()` gives the same
//! log each time, as a restart would.

use std::collections::BTreeMap;

use gristmill_model::access::Actor;
use gristmill_model::event::{Event, Record};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::{BatchId, JobId, PipelineId, ProjectId, Time, WorkerId, limits};

use super::{Log, LogReader};

/// A short record that can be told from the others.
pub fn small(n: u64) -> Record {
    Record { at: Time(n), event: Event::WorkerDraining { worker: WorkerId(n) } }
}

/// Jobs with inputs of this many bytes.
pub fn jobs(count: usize, bytes: usize) -> Record {
    let job = JobSpec::of(Payload::Text("x".repeat(bytes)));
    Record {
        at: Time(1),
        event: Event::JobsAdded { batch: BatchId(1), first: JobId(1), jobs: vec![job; count] },
    }
}

/// A record with most of what events are made of.
pub fn rich() -> Record {
    let event = Event::BatchOpened {
        terms: Box::default(),
        batch: BatchId(u64::MAX),
        project: ProjectId::DEFAULT,
        pipeline: PipelineId(1),
        actor: Actor::Token,
        name: Some("Grüße".into()),
        key: Some(("key".into(), u64::MAX)),
        priority: -7,
        labels: BTreeMap::from([("user".into(), "ada".into())]),
    };
    Record { at: Time(u64::MAX), event }
}

/// A record that is never written.
pub fn pulse() -> Record {
    let event = Event::LeaseRenewed { worker: WorkerId(1), until: Time(9) };
    Record { at: Time(1), event }
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

macro_rules! log_conformance {
    ($site:expr) => {
        $crate::log::conformance::log_conformance! { $site,
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
