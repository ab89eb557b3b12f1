//! The server goes away and comes back; work that runs goes on.

use gristmill_model::AttemptId;
use gristmill_model::wire::FromWorker;
use serde_json::json;

use crate::worker::{Worker, success};
use crate::world::{World, batch};

#[tokio::test(flavor = "multi_thread")]
async fn running_attempts_survive_a_restart_and_their_reports_are_settled_once() {
    let mut world = World::start().await;
    let mut worker = world.worker().await;
    world.post("/v1/batches", batch(&["a", "b", "c"])).await.ok(202);
    let attempts: Vec<AttemptId> = worker.run().await.iter().map(|run| run.attempt).collect();
    worker.succeed(&attempts[..1]).await;
    assert_eq!(worker.settled().await, attempts[..1]);

    world.restart().await;
    assert_eq!(worker.hear().await, None);
    let batch = world.get("/v1/batches/b1").await.ok(200).json();
    assert_eq!(batch["counts"], json!({ "running": 2, "succeeded": 1 }), "they still run");

    // The report of the first is made again, as if its settlement had been lost.
    let mut back = Worker::connect(&world, 1, attempts.clone()).await;
    assert_eq!(back.welcome.stale, attempts[..1], "that one is settled already");
    back.say(FromWorker::Ended(attempts.iter().map(|attempt| success(*attempt)).collect())).await;
    assert_eq!(back.settled().await, attempts);
    let batch = world.get("/v1/batches/b1?wait=30s").await.ok(200).json();
    assert_eq!(batch["counts"], json!({ "succeeded": 3 }));
    for job in ["j1", "j2", "j3"] {
        let tries = world.get(&format!("/v1/jobs/{job}/attempts")).await.json();
        assert_eq!(tries["items"].as_array().unwrap().len(), 1, "{job} was tried once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_acknowledged_is_there_after_a_restart() {
    let mut world = World::start().await;
    let mut body = batch(&["a", "b"]);
    body["name"] = json!("kept");
    world.post("/v1/batches", body).await.ok(202);
    world.post("/v1/jobs/j1/cancel", json!({})).await.ok(200);
    let before = world.handle().feed().committed();
    world.restart().await;
    assert_eq!(world.handle().feed().committed(), before + 1, "and the start was written down");
    let batch = world.get("/v1/batches/b1").await.ok(200).json();
    assert_eq!(batch["name"], "kept");
    assert_eq!(batch["counts"], json!({ "cancelled": 1, "queued": 1 }));
    world.worker().await.work_off(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_goes_on_over_a_restart() {
    let mut world = World::start().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let last = world.handle().feed().committed();
    world.restart().await;
    let mut events = crate::events::Events::open(&world, "/v1/events", Some(last - 1)).await;
    let (name, data) = events.next().await.unwrap();
    assert_eq!((name.as_str(), data["batch"].as_str()), ("batch_closed", Some("b1")));
    assert_eq!(events.next().await.unwrap().0, "server_started");
}
