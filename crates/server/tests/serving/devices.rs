//! Devices and sessions over HTTP: offers become pipelines, devices are listed, taken out of
//! service and put back, and parts of results and samples reach those who ask for them.

use gristmill_model::Span;
use gristmill_model::device::{DeviceSample, SessionSample, SessionState};
use gristmill_model::pipeline::{Handler, PipelineSpec, SessionSpec, StageSpec};
use gristmill_model::resources::{Capacity, Device, DeviceRequest, Resources};
use gristmill_model::wire::{FromWorker, Hello, ToWorker};
use serde_json::{Value, json};

use crate::events::Events;
use crate::worker::{Worker, hello};
use crate::world::World;

fn offer(name: &str, batch: u32) -> PipelineSpec {
    let handler = Handler::Session(SessionSpec { batch, ..SessionSpec::new(name) });
    let devices = vec![DeviceRequest::whole("gpu", 1)];
    let resources = Resources { devices, ..Resources::default() };
    let stage = StageSpec { resources, ..StageSpec::new(name, handler) };
    PipelineSpec { name: name.into(), stages: vec![stage] }
}

/// A worker with two GPUs that offers a session.
fn mill(instance: u64, offers: Vec<PipelineSpec>) -> FromWorker {
    let devices = (0..2).map(|n| Device::new("gpu", format!("GPU-{n}"), 16 << 30)).collect();
    let handlers = vec!["command".to_owned(), "caption".to_owned()];
    let capacity = Capacity { devices, ..Capacity::of_cpus(8) };
    let mut hello = Hello { offers, ..hello(instance, vec![]) };
    (hello.description.shape.handlers, hello.description.shape.capacity) = (handlers, capacity);
    FromWorker::Hello(hello)
}

fn job(pipeline: &str) -> Value {
    json!({ "pipeline": pipeline, "input": { "text": "a field of rye" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_offers_can_be_submitted_to_by_name() {
    let world = World::start().await;
    let mut worker = Worker::joins(&world, mill(1, vec![offer("caption", 4)])).await.unwrap();
    world.post("/v1/jobs", job("caption")).await.ok(202);
    assert_eq!(worker.run().await[0].handler.word(), "caption");
    let shown = world.get("/v1/pipelines/caption").await.ok(200).json();
    assert_eq!(
        (&shown["version"], &shown["spec"]["stages"][0]["name"]),
        (&json!(1), &json!("caption"))
    );

    // The same again is no new version, another offer is, and a reconnect offers nothing anew.
    Worker::joins(&world, mill(2, vec![offer("caption", 4)])).await.unwrap();
    assert_eq!(world.get("/v1/pipelines/caption").await.json()["version"], 1);
    Worker::joins(&world, mill(3, vec![offer("caption", 8)])).await.unwrap();
    assert_eq!(world.get("/v1/pipelines/caption").await.json()["version"], 2);
    Worker::joins(&world, mill(1, vec![offer("caption", 4)])).await.unwrap();
    assert_eq!(world.get("/v1/pipelines/caption").await.json()["version"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_offer_is_none_is_told_why() {
    let world = World::start().await;
    let refused = async |offers| match Worker::joins(&world, mill(1, offers)).await {
        Err(Some(ToWorker::Refused { detail, .. })) => detail,
        _ => panic!("taken in"),
    };
    let detail = refused(vec![offer("draw", 1)]).await;
    assert!(detail.contains("offers `draw`, which is not one stage of a session that it runs"));
    let detail = refused(vec![offer("caption", 0)]).await;
    assert!(detail.contains("offers `caption`") && detail.contains("batches 0 jobs"), "{detail}");
    let detail = refused(vec![offer("caption", 1); 33]).await;
    assert!(detail.contains("offers 33 pipelines: at most 32"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_listed_with_what_runs_on_them_and_how_they_do() {
    let world = World::start().await;
    let mut worker = Worker::joins(&world, mill(1, vec![offer("caption", 1)])).await.unwrap();
    let mut charts = Events::open(&world, "/v1/events?filter=worker=w1", None).await;
    world.post("/v1/jobs", job("caption")).await.ok(202);
    let attempt = worker.run().await[0].attempt;
    let device = "GPU-0".to_owned();
    let sample = DeviceSample { device: device.clone(), used: Some(7), ..DeviceSample::default() };
    let session = SessionSample {
        name: "caption".into(),
        devices: vec![device],
        state: SessionState::Busy,
        vram: Some(7),
        calls: 3,
        load: Some(Span::seconds(2)),
    };
    worker.say(FromWorker::Sample { devices: vec![sample], sessions: vec![session] }).await;
    assert_eq!(charts.until("devices_sampled").await["data"]["devices"][0]["used"], 7);

    let listed = world.get("/v1/devices").await.ok(200).json();
    let [first, second] = &listed["items"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&first["id"], &first["worker"]), (&json!("GPU-0"), &json!("w1")));
    assert_eq!((&first["booked_share"], &second["booked_share"]), (&json!(1_000), &json!(0)));
    assert_eq!(first["attempts"], json!([attempt]));
    assert_eq!(first["sample"]["used"], 7);
    assert_eq!((&first["quarantined"], &second["sample"]), (&Value::Null, &Value::Null));
    let sessions = world.get("/v1/sessions?worker=w1").await.ok(200).json();
    assert_eq!(
        (&sessions["items"][0]["name"], &sessions["items"][0]["calls"]),
        (&json!("caption"), &json!(3))
    );
    assert_eq!(world.get("/v1/devices?worker=w9").await.ok(200).json()["items"], json!([]));
    let shown = world.get("/v1/workers/w1").await.ok(200).json();
    assert_eq!(shown["devices"][0]["attempts"], json!([attempt]));
    let attempts = world.get("/v1/jobs/j1/attempts").await.ok(200).json();
    assert_eq!(attempts["items"][0]["devices"], json!(["GPU-0"]));

    worker.succeed(&[attempt]).await;
    worker.settled().await;
    let listed = world.get("/v1/devices").await.ok(200).json();
    assert_eq!(
        (&listed["items"][0]["session"], &listed["items"][0]["booked_share"]),
        (&json!("caption"), &json!(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_taken_out_of_service_and_put_back() {
    let world = World::start().await;
    let mut worker = Worker::joins(&world, mill(1, vec![offer("caption", 1)])).await.unwrap();
    let path = |verb: &str| format!("/v1/workers/w1/devices/GPU-0/{verb}");
    let reason = json!({ "reason": "its fan rattles" });
    let out = world.post(&path("quarantine"), reason.clone()).await.ok(200).json();
    assert_eq!(out["quarantined"], json!({ "reason": "its fan rattles", "by": "local" }));
    let heard = |frame| match frame {
        ToWorker::Device { quarantined, .. } => Ok(quarantined),
        other => Err(other),
    };
    assert_eq!(worker.until(heard).await.as_deref(), Some("its fan rattles"));
    world.post("/v1/jobs", job("caption")).await.ok(202);
    let seat = worker.run().await[0].seat.clone().unwrap();
    assert_eq!(seat.devices, [1]);
    let back = world.post(&path("return"), json!({})).await.ok(200).json();
    assert_eq!(back["quarantined"], Value::Null);
    assert_eq!(worker.until(heard).await, None);

    let missing = world.post("/v1/workers/w1/devices/GPU-7/quarantine", reason.clone()).await;
    assert_eq!(missing.code(), "no_such_device");
    assert!(missing.detail().contains("it has GPU-0, GPU-1"), "{}", missing.detail());
    let missing = world.post("/v1/workers/w9/devices/GPU-0/quarantine", reason).await;
    assert_eq!(missing.code(), "no_such_worker");
    let empty = world.post(&path("quarantine"), json!({ "reason": " " })).await;
    assert_eq!(empty.code(), "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_results_reach_who_follows_and_samples_only_who_asks() {
    let world = World::start().await;
    let mut worker = Worker::joins(&world, mill(1, vec![offer("caption", 1)])).await.unwrap();
    world.post("/v1/jobs", job("caption")).await.ok(202);
    let attempt = worker.run().await[0].attempt;
    let mut all = Events::open(&world, "/v1/events", None).await;
    worker.say(FromWorker::Sample { devices: vec![], sessions: vec![] }).await;
    let value = r#"{"token":"rye"}"#.to_owned();
    worker.say(FromWorker::Partial { attempt, index: 4, value }).await;
    loop {
        let (name, event) = all.next().await.expect("the feed goes on");
        assert_ne!(name, "devices_sampled", "nobody asked for it");
        if name == "partial_made" {
            assert_eq!((&event["job"], &event["data"]["index"]), (&json!("j1"), &json!(4)));
            assert_eq!(event["data"]["value"], json!({ "token": "rye" }));
            break;
        }
    }
}
