//! The log is compacted while the server works, and nobody notices but who looks far back.

use std::time::Instant;

use gristmill_model::AttemptId;
use gristmill_model::wire::FromWorker;
use serde_json::json;

use crate::callbacks::Hook;
use crate::events::Events;
use crate::worker::{Worker, success};
use crate::world::{PATIENCE, World, batch, stages};

/// Jobs that lead to more events than are let go of in one go.
const JOBS: usize = 600;
/// Of one batch: few wait at any time, so that the base stays small and is soon replaced.
const SHARE: usize = 50;
/// An event that a base stands for once all is done, with all the first batches' events before it.
const BEYOND: u64 = 800;

/// Waits until the log begins with a base that stands for the first jobs, and returns where.
async fn compacted(world: &World, beyond: u64) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let health = world.get("/healthz").await.ok(200).json();
        let after = health["kept_after"].as_u64().unwrap();
        if after > beyond {
            assert!(health["events"].as_u64().unwrap() >= after, "{health}");
            return after;
        }
        assert!(Instant::now() < deadline, "the log is not compacted: {health}");
        tokio::task::yield_now().await;
    }
}

/// Has the jobs done, batch by batch.
async fn grind(world: &World, worker: &mut Worker) {
    let body = json!({ "stages": stages(), "jobs": vec![json!({ "input": "grain" }); SHARE] });
    for _ in 0..JOBS / SHARE {
        world.post("/v1/batches", body.clone()).await.ok(202);
        worker.work_off(SHARE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_goes_on_and_what_was_done_stays_readable() {
    let mut world = World::keeping(0).await;
    let mut hook = Hook::start(&["204 No Content"]).await;
    let mut worker = world.worker().await;
    let mut called = batch(&["a", "b"]);
    called["terms"] = json!({ "callback": hook.url });
    world.post("/v1/batches", called).await.ok(202);
    let running: Vec<AttemptId> = worker.run().await.iter().map(|run| run.attempt).collect();
    grind(&world, &mut worker).await;
    let first = world.get("/v1/jobs/j3").await.ok(200).json();
    assert_eq!(first["state"], "succeeded");
    compacted(&world, BEYOND).await;

    world.restart().await;
    assert_eq!(world.get("/v1/jobs/j3").await.ok(200).json(), first);
    let tried = world.get("/v1/jobs/j3/attempts").await.ok(200).json();
    assert_eq!(tried["items"][0]["state"], "succeeded");
    let shown = world.get("/v1/batches/b1").await.ok(200).json();
    assert_eq!(shown["counts"], json!({ "running": 2 }), "they still run");

    let mut back = Worker::connect(&world, 1, running.clone()).await;
    assert!(back.welcome.stale.is_empty());
    back.say(FromWorker::Ended(running.iter().map(|attempt| success(*attempt)).collect())).await;
    assert_eq!(back.settled().await, running);
    let shown = world.get("/v1/batches/b1?wait=30s").await.ok(200).json();
    assert_eq!(shown["counts"], json!({ "succeeded": 2 }));
    assert_eq!(hook.call().await.body["data"]["batch"], "b1");
    // Ids go on where they were.
    let next = world.post("/v1/batches", batch(&["c"])).await.ok(202).json();
    assert_eq!(next["batch"], format!("b{}", JOBS / SHARE + 2));
    assert_eq!(next["first_job"], format!("j{}", JOBS + 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_comes_back_from_before_the_base_is_told_of_the_gap() {
    let mut world = World::keeping(0).await;
    let mut worker = world.worker().await;
    grind(&world, &mut worker).await;
    let after = compacted(&world, BEYOND).await;
    // What was compacted away may still stand in memory, until the server starts again.
    world.stop().await;
    world.open_again();
    for path in ["/v1/events", "/v1/events?filter=batch%3Db1", "/v1/batches/b1/events"] {
        let mut events = Events::open(&world, path, Some(5)).await;
        let (name, data) = events.next().await.unwrap();
        assert_eq!(name, "gap", "{path}");
        // It may have been compacted further meanwhile.
        assert!(data["missed"].as_u64().unwrap() >= after - 5, "{path}: {data}");
    }
    let last = world.handle().feed().committed();
    let mut events = Events::open(&world, "/v1/events", Some(last)).await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let opened = events.until("batch_opened").await;
    assert_eq!(opened["batch"], format!("b{}", JOBS / SHARE + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_tables_a_compacted_log_says_what_is_lost() {
    let mut world = World::keeping(0).await;
    let mut worker = world.worker().await;
    grind(&world, &mut worker).await;
    let mut last = batch(&["a", "b"]);
    last["name"] = json!("last");
    world.post("/v1/batches", last).await.ok(202);
    let after = compacted(&world, BEYOND).await;
    world.stop().await;
    std::fs::remove_file(world.path().join("read.db")).unwrap();
    world.open_again();
    let told = world.get("/v1/jobs/j1").await.ok(404);
    assert!(
        told.detail().contains("read.db was made anew from a log that was compacted"),
        "{told:?}"
    );
    let first = world.get("/v1/batches/b1").await.ok(200).json();
    assert_eq!(first["counts"], json!({ "succeeded": SHARE }), "they are still counted");
    assert_eq!(first["finished"], true);
    let results = world.get("/v1/batches/b1/results").await.ok(200);
    assert_eq!(results.text, "", "nothing is known of what ended before event {after}");
    world.worker().await.work_off(2).await;
    let path = format!("/v1/batches/b{}?wait=30s", JOBS / SHARE + 1);
    let last = world.get(&path).await.ok(200).json();
    assert_eq!((&last["name"], &last["counts"]), (&json!("last"), &json!({ "succeeded": 2 })));
    assert_eq!(world.get("/v1/jobs/j9999").await.ok(404).code(), "no_such_job");
}
