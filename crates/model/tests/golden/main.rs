//! Golden files of the three contracts: what any released version has written must load for ever,
//! and what this version writes must not change unseen.
//!
//! Each line is a name and a value: MessagePack in hexadecimal for disk and wire, JSON for the API.
//! `UPDATE_GOLDEN=1` writes the files anew; do that only together with the rule of change that
//! stands on top of the contract's file.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod answers;
mod events;
mod frames;
mod nouns;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use gristmill_model::access::Actor;
use gristmill_model::attempt::{Failure, FailureKind, Outcome, Success, Usage};
use gristmill_model::booking::{Pinned, Seat};
use gristmill_model::cause::Cause;
use gristmill_model::device::{DeviceSample, SessionSample, SessionState};
use gristmill_model::digest::Digest;
use gristmill_model::event::format3::{self, Converter};
use gristmill_model::event::{
    AttemptEvent, BatchEvent, DeviceEvent, Event, JobsEvent, LeaveReason, Opening, PipelineEvent,
    ProjectEvent, Record, ServerEvent, Then, WorkerEvent,
};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::{Artifact, Line, Payload, Place};
use gristmill_model::pipeline::{
    CommandSpec, Handler, ImagesSpec, PipelineSpec, SessionSpec, StageSpec,
};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::resources::{Capacity, Device, DeviceRequest, Resources, WorkerShape};
use gristmill_model::restored::{BatchPart, DevicePart, JobPart, Part, Past};
use gristmill_model::scope::{Flow, Limit, Scope};
use gristmill_model::source::{Lines, Source};
use gristmill_model::terms::{Dependency, Target, Terms, When};
use gristmill_model::wire::{
    Assignment, Ended, FromWorker, Hello, PROTOCOL, Stream, ToWorker, Welcome,
};
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{
    AttemptId, BatchId, JobId, JobRun, Moment, PipelineId, ProjectId, Span, Time, WorkerId, api,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use answers::api_values;
use events::events;
use frames::{from_worker, to_worker};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

/// Compares with a golden file, or writes it.
fn compare(name: &str, lines: &[String]) {
    let text = lines.join("\n") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path(name), &text).unwrap();
    }
    let golden = std::fs::read_to_string(path(name)).unwrap();
    for (line, golden) in text.lines().zip(golden.lines()) {
        assert_eq!(line, golden, "{name} has changed: see the rule of change");
    }
    assert_eq!(text.lines().count(), golden.lines().count(), "{name} has other lines");
}

fn check_msgpack<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, values: &[T]) {
    let line = |value: &T| hex(&rmp_serde::to_vec(value).unwrap());
    compare(name, &values.iter().map(line).collect::<Vec<_>>());
    let golden = std::fs::read_to_string(path(name)).unwrap();
    for (line, value) in golden.lines().zip(values) {
        assert_eq!(&rmp_serde::from_slice::<T>(&unhex(line)).unwrap(), value);
    }
}

#[test]
fn what_lies_on_disk() {
    let at = Moment { now: Time(1_795_250_000_000_000), wall: Time(1_795_250_000_000_007) };
    let actors = [Actor::SERVER, Actor::LOCAL, Actor::TOKEN, Actor::worker(WorkerId(2))];
    let actors = actors.into_iter().cycle();
    let record = |(event, actor)| Record { at, actor, event };
    let records: Vec<_> = events().into_iter().zip(actors).map(record).collect();
    assert!(records.iter().all(|record| record.event.is_durable()));
    check_msgpack("event-4.hex", &records);
}

/// Each record of an older format becomes one of today's; what it did not know is empty.
#[test]
fn what_older_versions_have_written_is_converted() {
    for name in ["event-2.hex", "event-3.hex"] {
        let golden = std::fs::read_to_string(path(name)).unwrap();
        let records: Vec<format3::Record> =
            golden.lines().map(|line| rmp_serde::from_slice(&unhex(line)).unwrap()).collect();
        let mut converter = Converter::default();
        (1..).zip(&records).for_each(|(seq, record)| converter.note(seq, record));
        let today: Vec<Record> =
            (1..).zip(records).map(|(seq, record)| converter.convert(seq, record)).collect();
        let names = |event: &Event| event.name();
        let known: Vec<&str> = events().iter().map(names).collect();
        assert!(today.iter().all(|record| known.contains(&record.event.name())));
        if name == "event-3.hex" {
            let lines: Vec<String> = today.iter().map(|record| format!("{record:?}")).collect();
            compare("event-3-converted.txt", &lines);
        }
    }
}

#[test]
fn what_workers_hear_and_say() {
    check_msgpack("from-worker-4.hex", &from_worker());
    check_msgpack("to-worker-1.hex", &to_worker());
}

#[test]
fn the_greeting_of_the_protocol_before_is_understood() {
    let golden = std::fs::read_to_string(path("from-worker-1.hex")).unwrap();
    let mut bytes = unhex(golden.lines().next().unwrap());
    let FromWorker::Hello(hello) = rmp_serde::from_slice(&bytes).unwrap() else {
        unreachable!("it is the first frame")
    };
    let FromWorker::Hello(today) = from_worker().remove(0) else { unreachable!("as above") };
    assert_eq!((hello.instance, hello.prefetch, &hello.holds), (42, 8, &today.holds));
    assert_eq!(hello.description.name, today.description.name);
    assert_eq!(hello.description.version, today.description.version);
    assert_eq!(hello.description.shape.capacity, today.description.shape.capacity);
    assert_eq!(hello.description.shape.labels, today.description.shape.labels);
    assert_eq!(hello.offers, today.offers);
    bytes.truncate(bytes.len() - 1);
    assert!(rmp_serde::from_slice::<FromWorker>(&bytes).is_err());
}

#[test]
fn what_http_shows() {
    let lines: Vec<_> = api_values().iter().map(|(name, json)| format!("{name} {json}")).collect();
    compare("api-1.txt", &lines);
}
