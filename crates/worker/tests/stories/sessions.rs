//! Sessions with a real process at the other end: a host that does as each input says, well or in
//! every way badly. Whatever it does, each attempt ends once, and nothing of it lives on.

use std::path::PathBuf;
use std::time::Duration;

use gristmill_model::attempt::{Failure, FailureKind, Outcome, Success};
use gristmill_model::payload::{Payload, Place};
use gristmill_model::pipeline::{Handler, PipelineSpec, SessionSpec, StageSpec};
use gristmill_model::resources::{Device, DeviceRequest, Resources};
use gristmill_model::wire::{Assignment, Ended, FromWorker, Stream, ToWorker};
use gristmill_model::{AttemptId, JobId, Span};
use gristmill_worker::SessionWork;
use gristmill_worker::device::Claimed;
use serde_json::{Value, json};

use crate::mill::{Mill, assignment, until};

/// The example `fake_host`, which cargo has built beside the tests.
fn fake_host() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let host = tests.parent().unwrap().parent().unwrap().join("examples/fake_host");
    assert!(host.is_file(), "`cargo build --examples` makes {}", host.display());
    host
}

/// Sessions called `a` that load as `entry` says, on two devices.
async fn mill_for(entry: &str) -> Mill {
    let entry = entry.to_owned();
    Mill::start_as(move |config| {
        let handler = Handler::Session(SessionSpec::new("a"));
        let pipeline =
            PipelineSpec { name: "a".into(), stages: vec![StageSpec::new("a", handler)] };
        let host = vec![fake_host().into(), entry.clone().into()];
        let work = SessionWork::new(host, entry, config.shared_roots[0].clone(), pipeline);
        config.sessions = vec![SessionWork {
            start: Duration::from_secs(2),
            silence: Duration::from_millis(700),
            ..work
        }];
        let devices = ["GPU-1", "GPU-2"].map(|id| Device::new("gpu", id, 80));
        config.devices = Claimed::declared(devices.to_vec());
    })
    .await
}

/// An attempt of a session that takes batches of so many, on one device.
fn seated(number: u64, batch: u32, input: Value) -> Assignment {
    let handler = Handler::Session(SessionSpec { batch, ..SessionSpec::new("a") });
    let devices = vec![DeviceRequest::whole("gpu", 1)];
    Assignment {
        attempt: AttemptId(number),
        job: JobId(number),
        resources: Resources { cpus: 0, devices, ..Resources::default() },
        input: Payload::Json(input.to_string()),
        ..assignment(handler)
    }
}

fn one(input: Value) -> Assignment {
    seated(1, 1, input)
}

fn json_of(success: &Success) -> Value {
    match &success.output {
        Payload::Json(text) => serde_json::from_str(text).unwrap(),
        other => panic!("expected JSON, got {other:?}"),
    }
}

fn told(failure: &Failure) -> (FailureKind, &str) {
    (failure.kind, &failure.code)
}

/// Reports of several attempts, in order of their ids.
async fn reports(mill: &mut Mill, count: usize) -> Vec<Ended> {
    let mut all = Vec::new();
    while all.len() < count {
        if let FromWorker::Ended(batch) = mill.hear().await {
            let settled = batch.iter().map(|ended| ended.attempt).collect();
            mill.say(ToWorker::Settled(settled)).await;
            all.extend(batch);
        }
    }
    all.sort_by_key(|ended| ended.attempt);
    all
}

fn code(ended: &Ended) -> &str {
    match &ended.outcome {
        Outcome::Succeeded(_) => "ok",
        Outcome::Failed(failure) => &failure.code,
    }
}

#[tokio::test]
async fn a_session_stays_and_knows_its_devices() {
    let mut mill = mill_for("echo").await;
    let first = json_of(&mill.succeeds(one(json!({"prompt": "a"}))).await);
    let second = json_of(&mill.succeeds(seated(2, 1, json!({"prompt": "b"}))).await);
    assert_eq!(first["pid"], second["pid"], "one process answers both");
    assert_eq!(first["input"]["prompt"], "a");
    mill.run(seated(3, 1, json!({"do": "devices"}))).await;
    let ended = mill.ended().await;
    assert_eq!(ended.devices, ["GPU-1"]);
    let Outcome::Succeeded(success) = ended.outcome else { panic!("{ended:?}") };
    assert_eq!(json_of(&success), json!(["GPU-1", "GPU-1", null, "1"]));
}

#[tokio::test]
async fn a_batch_is_one_call_and_each_has_its_own_end() {
    let mut mill = mill_for("echo").await;
    let inputs =
        [json!({"n": 1}), json!({"do": "raise"}), json!({"do": "invalid"}), json!({"n": 4})];
    let batch = (1..).zip(inputs).map(|(number, input)| seated(number, 4, input));
    mill.say(ToWorker::Run(batch.collect())).await;
    let ended = reports(&mut mill, 4).await;
    assert_eq!(ended.iter().map(code).collect::<Vec<_>>(), ["ok", "ValueError", "bad_input", "ok"]);
    let Outcome::Succeeded(success) = &ended[3].outcome else { unreachable!() };
    assert_eq!(json_of(success)["size"], 4);
    let Outcome::Failed(failure) = &ended[1].outcome else { unreachable!() };
    assert_eq!(failure.traceback.as_deref(), Some("File \"app.py\", line 7"));
}

#[tokio::test]
async fn what_is_printed_said_and_given_in_parts_reaches_its_attempt() {
    let mut mill = mill_for("echo").await;
    mill.succeeds(one(json!({"do": "print", "text": "grinding"}))).await;
    assert_eq!(mill.log(Stream::Stdout), "grinding\n");
    mill.succeeds(one(json!({"do": "log"}))).await;
    assert_eq!(mill.log(Stream::Worker), "half\n");
    for what in ["progress", "parts"] {
        mill.run(one(json!({ "do": what }))).await;
        let (mut progress, mut parts) = (0, Vec::new());
        loop {
            match mill.hear().await {
                FromWorker::Progress { done: 1, total: 2, .. } => progress += 1,
                FromWorker::Partial { index, value, .. } => parts.push((index, value)),
                FromWorker::Ended(_) => break,
                _ => {}
            }
        }
        mill.say(ToWorker::Settled(vec![AttemptId(1)])).await;
        let all = [(0, "0".to_owned()), (1, "1".to_owned()), (2, "2".to_owned())];
        match what {
            "progress" => assert_eq!(progress, 1),
            _ => assert_eq!(parts, all),
        }
    }
}

#[tokio::test]
async fn files_come_to_the_host_and_go_to_the_store() {
    let mut mill = mill_for("echo").await;
    let made = mill.succeeds(one(json!({"do": "file"}))).await;
    let Payload::File(artifact) = &made.output else { panic!("{made:?}") };
    let Place::Blob(digest) = artifact.place else { panic!("{artifact:?}") };
    assert_eq!((artifact.name.as_str(), artifact.size), ("flour.txt", 5));
    assert_eq!(std::fs::read_to_string(mill.blob(&digest)).unwrap(), "flour");

    let blob = json!({"$blob": {"digest": digest.to_string(), "name": "flour.txt", "size": 5}});
    let read = mill.succeeds(one(json!({"do": "read", "file": blob}))).await;
    assert_eq!(read.output, Payload::Text("flour".into()));
    std::fs::write(mill.shared("grain"), "rye").unwrap();
    let path = json!({"$path": mill.shared("grain")});
    let read = mill.succeeds(one(json!({"do": "read", "file": path}))).await;
    assert_eq!(read.output, Payload::Text("rye".into()));

    let several = json_of(&mill.succeeds(one(json!({"do": "files"}))).await);
    assert_eq!(
        (&several["first"]["$blob"]["name"], &several["second"]),
        (&json!("bran.txt"), &json!(2))
    );
    let long = mill.succeeds(one(json!({"do": "long"}))).await;
    assert!(matches!(&long.output, Payload::File(file) if file.name == "result.json"));
}

#[tokio::test]
async fn files_that_are_nobodys_business_are_refused() {
    let mut mill = mill_for("echo").await;
    let stolen = mill.fails(one(json!({"do": "steal"}))).await;
    assert_eq!(told(&stolen), (FailureKind::Failed, "no_output"));
    let asked = json!({"do": "read", "file": {"$file": {"path": "/etc/passwd"}}});
    assert_eq!(told(&mill.fails(one(asked)).await), (FailureKind::Invalid, "bad_value"));
    let outside = json!({"do": "read", "file": {"$path": "/etc/passwd"}});
    assert_eq!(mill.fails(one(outside)).await.kind, FailureKind::Invalid);
}

#[tokio::test]
async fn a_crash_ends_the_session_and_not_the_worker() {
    let mut mill = mill_for("echo").await;
    for (what, words) in [("crash", "signal 6"), ("leave", "status 3")] {
        let failure = mill.fails(one(json!({ "do": what }))).await;
        assert_eq!(told(&failure), (FailureKind::Lost, "session_lost"), "{failure:?}");
        assert!(failure.message.contains(words), "{failure:?}");
        mill.succeeds(one(json!({"prompt": "again"}))).await;
    }
}

#[tokio::test]
async fn a_host_that_is_silent_in_a_call_is_ended() {
    let mut mill = mill_for("echo").await;
    let failure = mill.fails(one(json!({"do": "hang"}))).await;
    assert_eq!(told(&failure), (FailureKind::Lost, "session_lost"));
    assert!(failure.message.contains("taken for hung"), "{failure:?}");
    mill.succeeds(one(json!({"prompt": "again"}))).await;
}

#[tokio::test]
async fn nonsense_and_forgotten_items_end_the_session() {
    let mut mill = mill_for("echo").await;
    for (what, words) in [("babble", "no frame"), ("forget", "have no result")] {
        let failure = mill.fails(one(json!({ "do": what }))).await;
        assert_eq!(told(&failure), (FailureKind::Lost, "session_lost"), "{what}");
        assert!(failure.message.contains(words), "{what}: {failure:?}");
        mill.succeeds(one(json!({"prompt": "again"}))).await;
    }
}

#[tokio::test]
async fn want_of_memory_and_sick_devices_are_told_apart() {
    let mut mill = mill_for("echo").await;
    let first = json_of(&mill.succeeds(one(json!({}))).await);
    let failure = mill.fails(one(json!({"do": "oom"}))).await;
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    let second = json_of(&mill.succeeds(one(json!({}))).await);
    assert_eq!(first["pid"], second["pid"], "want of memory ends no session");
    let batch = vec![seated(1, 2, json!({"do": "sticky"})), seated(2, 2, json!({"do": "hang"}))];
    mill.say(ToWorker::Run(batch)).await;
    let ended = reports(&mut mill, 2).await;
    let kinds = ended.iter().map(|ended| match &ended.outcome {
        Outcome::Failed(failure) => failure.kind,
        other @ Outcome::Succeeded(_) => panic!("{other:?}"),
    });
    assert_eq!(kinds.collect::<Vec<_>>(), [FailureKind::Device, FailureKind::Lost]);
    let third = json_of(&mill.succeeds(one(json!({}))).await);
    assert_ne!(first["pid"], third["pid"]);
}

#[tokio::test]
async fn what_cannot_load_says_why() {
    for (entry, kind, code, words) in [
        ("fail", FailureKind::Failed, "ImportError", "no module named torch"),
        ("crash", FailureKind::Lost, "session_lost", "while it loaded"),
        ("silent", FailureKind::Failed, "session_hung", "said nothing"),
        ("slow", FailureKind::Failed, "session_slow", "had not loaded"),
        ("stranger", FailureKind::Failed, "wrong_device", "GPU-of-somebody-else"),
        ("elsewhere", FailureKind::Failed, "not_on_device", "works on the CPUs"),
        ("oldest", FailureKind::Failed, "wrong_protocol", "speaks version 0"),
    ] {
        let mut mill = mill_for(entry).await;
        let failure = mill.fails(one(json!({}))).await;
        assert_eq!(told(&failure), (kind, code), "{entry}: {failure:?}");
        assert!(failure.message.contains(words), "{entry}: {failure:?}");
        if entry != "oldest" {
            let printed = failure.traceback.unwrap_or_default();
            assert!(printed.contains(&format!("loading {entry}")), "{entry}: {printed}");
        }
    }
}

#[tokio::test]
async fn a_stop_is_passed_on_and_enforced() {
    let mut mill = mill_for("echo").await;
    mill.run(one(json!({"do": "work"}))).await;
    // It works: it has been alive for a while.
    mill.say(ToWorker::Stop(vec![AttemptId(1)])).await;
    assert_eq!(told(&mill.failed().await), (FailureKind::Cancelled, "cancelled"));
    let after = json_of(&mill.succeeds(one(json!({}))).await);
    let pid = after["pid"].clone();
    let patient = Assignment { timeout: Some(Span::millis(100)), ..one(json!({"do": "hang"})) };
    mill.run(patient).await;
    assert_eq!(told(&mill.failed().await), (FailureKind::TimedOut, "timed_out"));
    let other = json_of(&mill.succeeds(one(json!({}))).await);
    assert_ne!(other["pid"], pid, "one that does not stop is ended");
}

#[tokio::test]
async fn those_who_sat_beside_one_that_would_not_stop_are_not_to_blame() {
    let mut mill = mill_for("echo").await;
    let hang = seated(1, 2, json!({"do": "hang"}));
    mill.say(ToWorker::Run(vec![
        Assignment { timeout: Some(Span::millis(50)), ..hang },
        seated(2, 2, json!({})),
    ]))
    .await;
    let ended = reports(&mut mill, 2).await;
    assert_eq!(ended.iter().map(code).collect::<Vec<_>>(), ["timed_out", "session_stopped"]);
}

#[tokio::test]
async fn nothing_of_a_session_outlives_its_worker() {
    let mut mill = mill_for("echo").await;
    let pid = json_of(&mill.succeeds(one(json!({}))).await)["pid"].as_u64().unwrap();
    mill.shutdown.ask();
    let home = mill.home.path().join("scratch/sessions");
    mill.left().await.unwrap();
    let gone = || !std::path::Path::new(&format!("/proc/{pid}")).exists();
    until("the host is gone", gone).await;
    let left = std::fs::read_dir(home).map(|entries| entries.count()).unwrap_or(0);
    assert_eq!(left, 0, "and so is its folder");
}
