//! What jobs print: kept, shown, followed.

use futures::StreamExt;
use gristmill_model::attempt::FailureKind;
use gristmill_model::wire::{Assignment, FromWorker, Stream};
use reqwest::Method;
use serde_json::json;

use crate::world::{PATIENCE, World, batch};

fn log(of: &Assignment, stream: Stream, text: &str) -> FromWorker {
    FromWorker::Log { attempt: of.attempt, job: of.job, stream, bytes: text.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_whole_when_the_end_is_known() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    assert_eq!(world.get("/v1/jobs/j1/logs").await.ok(200).text, "");
    let run = worker.run().await.remove(0);
    worker.say(log(&run, Stream::Stdout, "out\n")).await;
    worker.say(log(&run, Stream::Stderr, "err\n")).await;
    worker.succeed(&[run.attempt]).await;
    world.get("/v1/jobs/j1?wait=30s").await.ok(200);
    let text = world.get("/v1/jobs/j1/logs").await.ok(200);
    assert_eq!(text.text, "out\nerr\n");
    assert!(text.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let only = world.get(&format!("/v1/jobs/j1/logs?stream=stderr&attempt={}", run.attempt)).await;
    assert_eq!(only.ok(200).text, "err\n");
    let ended = world.get("/v1/jobs/j1/logs?follow=true").await.ok(200);
    assert_eq!(ended.text, "out\nerr\n", "following what has ended ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_an_attempt_that_was_never_leased_is_dropped() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let run = worker.run().await.remove(0);
    let mut invented = run.clone();
    invented.attempt.0 += 1_000;
    worker.say(log(&invented, Stream::Stdout, "made up\n")).await;
    invented = Assignment { attempt: run.attempt, ..invented };
    invented.job.0 += 1_000;
    worker.say(log(&invented, Stream::Stdout, "made up too\n")).await;
    worker.say(log(&run, Stream::Stdout, "true\n")).await;
    worker.succeed(&[run.attempt]).await;
    world.get("/v1/jobs/j1?wait=30s").await.ok(200);
    assert_eq!(world.get("/v1/jobs/j1/logs").await.ok(200).text, "true\n");
    let files = std::fs::read_dir(world.config().data.join("logs/0")).unwrap().count();
    assert_eq!(files, 1, "nothing was written for the others");
    assert!(!world.config().data.join("logs/1").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_hears_every_attempt_until_the_job_is_final() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    let mut body = batch(&["a"]);
    body["stages"][0]["retry"] = json!({ "attempts": 2, "backoff": "1ms" });
    // Too large for now: it waits, and whoever follows waits with it.
    world.post("/v1/batches", body).await.ok(202);
    let answer = world.request(Method::GET, "/v1/jobs/j1/logs?follow=true").send().await.unwrap();
    let mut pieces = answer.bytes_stream();
    let mut heard = String::new();
    let first = worker.run().await.remove(0);
    worker.say(log(&first, Stream::Stdout, "one\n")).await;
    while heard != "one\n" {
        let piece = tokio::time::timeout(PATIENCE, pieces.next()).await.unwrap().unwrap().unwrap();
        heard.push_str(std::str::from_utf8(&piece).unwrap());
    }
    worker.fail(first.attempt, FailureKind::Failed).await;
    let second = worker.run().await.remove(0);
    assert_eq!(second.number, 2);
    worker.say(log(&second, Stream::Stdout, "two\n")).await;
    worker.succeed(&[second.attempt]).await;
    while let Some(piece) = tokio::time::timeout(PATIENCE, pieces.next()).await.unwrap() {
        heard.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
    }
    assert_eq!(heard, "one\ntwo\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_nothing_known_is_refused() {
    let world = World::start().await;
    assert_eq!(world.get("/v1/jobs/j1/logs").await.ok(404).code(), "no_such_job");
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let attempt = world.get("/v1/jobs/j1/logs?attempt=a9").await.ok(404);
    assert_eq!(attempt.code(), "no_such_attempt");
    assert_eq!(world.get("/v1/jobs/j1/logs?stream=x").await.ok(400).code(), "invalid_request");
}
