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

use gristmill_model::access::Actor;
use gristmill_model::attempt::{Failure, FailureKind, Outcome, Success, Usage};
use gristmill_model::booking::{Pinned, Seat};
use gristmill_model::device::{DeviceSample, SessionSample, SessionState};
use gristmill_model::digest::Digest;
use gristmill_model::event::{Event, LeaveReason, Record, Then};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::{Artifact, Line, Payload, Place};
use gristmill_model::pipeline::{
    CommandSpec, Handler, ImagesSpec, PipelineSpec, SessionSpec, StageSpec,
};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::resources::{Capacity, Device, DeviceRequest, Resources, WorkerShape};
use gristmill_model::restored::{BatchPart, DevicePart, JobPart, Part};
use gristmill_model::scope::{Flow, Limit, Scope};
use gristmill_model::source::{Lines, Source};
use gristmill_model::terms::{Dependency, Target, Terms, When};
use gristmill_model::wire::{Assignment, Ended, FromWorker, Hello, Stream, ToWorker, Welcome};
use gristmill_model::{
    AttemptId, BatchId, JobId, JobRun, PipelineId, ProjectId, Span, Time, WorkerId, api,
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
    let record = |event| Record { at: Time(1_795_250_000_000_000), event };
    let records: Vec<_> = events().into_iter().map(record).collect();
    assert!(records.iter().all(|record| record.event.is_durable()));
    check_msgpack("event-3.hex", &records);
}

#[test]
fn what_older_versions_have_written_loads() {
    let golden = std::fs::read_to_string(path("event-2.hex")).unwrap();
    for line in golden.lines() {
        rmp_serde::from_slice::<Record>(&unhex(line)).unwrap();
    }
    let lease = |line: &&str| line.contains(&hex(b"AttemptLeased"));
    let line = golden.lines().find(lease).unwrap();
    let Event::AttemptLeased { seat, .. } =
        rmp_serde::from_slice::<Record>(&unhex(line)).unwrap().event
    else {
        unreachable!("it says so")
    };
    assert_eq!(seat, None);
}

#[test]
fn what_workers_hear_and_say() {
    check_msgpack("from-worker-1.hex", &from_worker());
    check_msgpack("to-worker-1.hex", &to_worker());
}

#[test]
fn what_http_shows() {
    let lines: Vec<_> = api_values().iter().map(|(name, json)| format!("{name} {json}")).collect();
    compare("api-1.txt", &lines);
}
