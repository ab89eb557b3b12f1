//! Pages, filters, lines, workers, health and the page for people.

use reqwest::Method;
use serde_json::json;

use crate::world::{World, batch, stages};

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_gap_or_doubling() {
    let world = World::start().await;
    let inputs: Vec<String> = (0..25).map(|n| n.to_string()).collect();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    world.post("/v1/batches", batch(&inputs)).await.ok(202);
    for (order, expected) in [("oldest", 1..=25), ("newest", 1..=25)] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/jobs?limit=10&order={order}{after}");
            let page = world.get(&path).await.ok(200).json();
            for job in page["items"].as_array().unwrap() {
                seen.push(job["id"].as_str().unwrap()[1..].parse::<u64>().unwrap());
            }
            if page["has_more"] == false {
                break;
            }
            after = format!("&after=j{}", seen.last().unwrap());
        }
        if order == "newest" {
            seen.reverse();
        }
        assert!(seen.into_iter().eq(expected), "{order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_as_lines_holds_all_pages() {
    let world = World::start().await;
    let jobs = vec![json!({}); 2_500];
    world.post("/v1/batches", json!({ "stages": stages(), "jobs": jobs })).await.ok(202);
    let lines = |path: &str| {
        world.send(world.request(Method::GET, path).header("Accept", "application/x-ndjson"))
    };
    assert_eq!(lines("/v1/jobs").await.ok(200).text.lines().count(), 2_500);
    assert_eq!(lines("/v1/jobs?limit=7").await.ok(200).text.lines().count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_choose_and_bad_ones_are_explained() {
    let world = World::start().await;
    let mut labelled = batch(&["a"]);
    labelled["labels"] = json!({ "user": "ada" });
    world.post("/v1/batches", labelled).await.ok(202);
    world.post("/v1/batches", batch(&["b", "c"])).await.ok(202);
    let count = async |filter: &str| {
        let page = world.get(&format!("/v1/jobs?filter={filter}")).await.ok(200).json();
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(count("label.user%3Dada").await, 1);
    assert_eq!(count("batch%3Db2%20state%3Dqueued").await, 2);
    assert_eq!(count("id%3Ej2").await, 1);
    let bad = world.get("/v1/jobs?filter=colour%3Dred").await.ok(400);
    assert_eq!(bad.code(), "invalid_filter");
    assert!(bad.detail().contains("`colour`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_show_what_only_the_engine_knows() {
    let world = World::start().await;
    assert_eq!(world.get("/v1/workers").await.ok(200).json()["items"], json!([]));
    let mut worker = world.worker().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    worker.run().await;
    let shown = world.get("/v1/workers/w1").await.ok(200).json();
    assert_eq!((&shown["state"], &shown["running"]), (&json!("ready"), &json!(1)));
    let draining = world.post("/v1/workers/w1/drain", json!({})).await.ok(200).json();
    assert_eq!(draining["state"], "draining");
    let all = world.get("/v1/workers?gone=true").await.ok(200).json();
    assert_eq!(all["items"][0]["name"], "scripted-1");
    assert_eq!(world.get("/v1/workers/w9").await.ok(404).code(), "no_such_worker");
    assert_eq!(
        world.post("/v1/workers/w9/drain", json!({})).await.ok(404).code(),
        "no_such_worker"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health_counts_what_is_not_done() {
    let world = World::start().await;
    let _worker = world.worker().await;
    let mut body = batch(&["a"]);
    body["stages"][0]["resources"] = json!({ "cpus": 1_000_000 });
    world.post("/v1/batches", body).await.ok(202);
    let health = world.get("/healthz").await.ok(200).json();
    assert_eq!((&health["status"], &health["workers"]), (&json!("ok"), &json!(1)));
    assert_eq!(health["jobs"], json!({ "queued": 1 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_everything_and_trusts_nothing() {
    let world = World::start().await;
    let mut body = batch(&["a"]);
    body["name"] = json!("<script>alert(1)</script>");
    world.post("/v1/batches", body).await.ok(202);
    let page = world.get("/").await.ok(200);
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("'none'"));
    assert!(
        page.text.contains("&lt;script&gt;") && !page.text.contains("<script"),
        "{}",
        page.text
    );
    assert!(page.text.contains("/v1/jobs/j1"));
}
