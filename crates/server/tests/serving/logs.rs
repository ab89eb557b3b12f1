//! What jobs print: kept, shown, followed.

use futures::StreamExt;
use gristmill_model::attempt::{Failure, FailureKind, Outcome, Usage};
use gristmill_model::limits;
use gristmill_model::wire::{Assignment, Ended, FromWorker, Stream};
use reqwest::Method;
use serde_json::{Value, json};

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

fn told(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn texts(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["text"].as_str().unwrap()).collect()
}

/// The end of an attempt that tells where it failed.
fn raised(of: &Assignment) -> FromWorker {
    let failure = Failure {
        traceback: Some("Traceback\n  app.py, line 7".into()),
        ..Failure::new(FailureKind::Failed, "ValueError", "no such prompt".to_owned())
    };
    FromWorker::Ended(vec![Ended {
        attempt: of.attempt,
        outcome: Outcome::Failed(failure),
        usage: Usage::default(),
        devices: vec![],
    }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traceback_is_told_after_the_output_unless_it_is_in_it() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    let mut body = batch(&["a", "b"]);
    body["stages"][0]["retry"] = json!({ "attempts": 1 });
    world.post("/v1/batches", body).await.ok(202);
    let runs = worker.run().await;
    let [silent, loud] = &runs[..] else { panic!("{runs:?}") };
    worker.say(log(silent, Stream::Stdout, "begun")).await;
    worker.say(log(loud, Stream::Stderr, "Traceback\n  app.py, line 7\n")).await;
    worker.say(raised(silent)).await;
    worker.say(raised(loud)).await;
    world.get("/v1/batches/b1?wait=30s").await.ok(200);
    let expected = "begun\n[traceback]\nTraceback\n  app.py, line 7\n";
    for query in ["", "?follow=true"] {
        let shown = |job: &str| format!("/v1/jobs/{job}/logs{query}");
        assert_eq!(world.get(&shown("j1")).await.ok(200).text, expected);
        assert_eq!(world.get(&shown("j2")).await.ok(200).text, "Traceback\n  app.py, line 7\n");
    }
    let only = world.get("/v1/jobs/j1/logs?stream=traceback&grep=line").await.ok(200);
    assert_eq!(only.text, "[traceback]\n  app.py, line 7\n".replace("[traceback]\n", ""));
    let all = told(&world.get("/v1/logs?batch=b1&stream=traceback").await.ok(200).text);
    assert_eq!(texts(&all), ["Traceback", "  app.py, line 7"]);
    assert!(all.iter().all(|line| line["job"] == "j1" && line["stream"] == "traceback"));
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_output_of_many_is_told_in_the_order_of_time() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    world.post("/v1/batches", batch(&["a", "b"])).await.ok(202);
    let runs = worker.run().await;
    let [a, b] = &runs[..] else { panic!("{runs:?}") };
    for (of, text) in [(a, "1\n"), (b, "2\n"), (a, "3\n"), (b, "no end")] {
        worker.say(log(of, Stream::Stdout, text)).await;
        // What came before is kept when the next comes: each has a time of its own.
        let said = text.trim_end().to_owned();
        world.until(&format!("/v1/jobs/{}/logs", of.job), |text| text.contains(&said)).await;
    }
    world.post("/v1/batches", batch(&["other"])).await.ok(202);
    let other = worker.run().await.remove(0);
    worker.say(log(&other, Stream::Stderr, "of another batch\n")).await;
    worker.succeed(&[other.attempt]).await;
    world.get("/v1/jobs/j3?wait=30s").await.ok(200);

    let lines = told(&world.get("/v1/logs?batch=b1").await.ok(200).text);
    assert_eq!(texts(&lines), ["1", "2", "3", "no end"]);
    assert_eq!(
        (&lines[1]["job"], &lines[1]["batch"], &lines[1]["index"]),
        (&json!("j2"), &json!("b1"), &json!(1))
    );
    assert_eq!((&lines[1]["worker"], &lines[1]["stream"]), (&json!("w1"), &json!("stdout")));
    assert!(lines[2]["at"].as_str().unwrap() > lines[1]["at"].as_str().unwrap());
    let all = told(&world.get("/v1/logs?worker=w1").await.ok(200).text);
    assert_eq!(texts(&all), ["1", "2", "3", "no end", "of another batch"]);
    let both = told(&world.get("/v1/logs?batch=b2&worker=w1&grep=another").await.ok(200).text);
    assert_eq!(texts(&both), ["of another batch"]);
    let none = world.get("/v1/logs?batch=b2&stream=stdout").await.ok(200);
    assert_eq!(none.text, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_output_of_very_many_is_told_once_each() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    let inputs: Vec<String> = (0..150).map(|n| n.to_string()).collect();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    world.post("/v1/batches", batch(&inputs)).await.ok(202);
    let mut runs = Vec::new();
    while runs.len() < inputs.len() {
        runs.extend(worker.run().await);
    }
    for run in &runs {
        worker.say(log(run, Stream::Stdout, &format!("{}\n", run.job))).await;
    }
    let last = format!("/v1/jobs/{}/logs", runs[149].job);
    world.until(&last, |text| !text.is_empty()).await;
    let mut jobs: Vec<String> = runs.iter().map(|run| run.job.to_string()).collect();
    jobs.sort();
    for path in ["/v1/logs?batch=b1", "/v1/logs?worker=w1", "/v1/logs?batch=b1&worker=w1"] {
        let lines = told(&world.get(path).await.ok(200).text);
        let mut heard = texts(&lines);
        heard.sort_unstable();
        assert_eq!(heard, jobs, "{path}");
        assert!(lines.iter().all(|line| line["job"] == line["text"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_a_batch_hears_attempts_that_begin_later_each_line_once() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    let mut body = batch(&["a", "b"]);
    body["stages"][0]["retry"] = json!({ "attempts": 2, "backoff": "1ms" });
    world.post("/v1/batches", body).await.ok(202);
    let runs = worker.run().await;
    let [a, b] = &runs[..] else { panic!("{runs:?}") };
    worker.say(log(a, Stream::Stdout, "before\nhalf ")).await;
    world.until("/v1/jobs/j1/logs", |text| text.contains("half")).await;
    let mut heard = Heard::follow(&world, "/v1/logs?batch=b1&follow=true").await;
    heard.until("before").await;
    worker.say(log(b, Stream::Stderr, "b runs\n")).await;
    heard.until("b runs").await;
    worker.say(log(a, Stream::Stdout, "whole\n")).await;
    heard.until("half whole").await;
    worker.say(raised(a)).await;
    let again = worker.run().await.remove(0);
    assert_eq!((again.job, again.number), (a.job, 2));
    worker.say(log(&again, Stream::Stdout, "again\nthe end")).await;
    heard.until("again").await;
    worker.succeed(&[again.attempt, b.attempt]).await;
    let lines = heard.end().await;
    let expected =
        ["before", "b runs", "half whole", "Traceback", "  app.py, line 7", "again", "the end"];
    assert_eq!(texts(&lines), expected);
    let (first, second) = (a.attempt.to_string(), again.attempt.to_string());
    assert_eq!((&lines[2]["attempt"], &lines[5]["attempt"]), (&json!(first), &json!(second)));
    assert_eq!((&lines[5]["index"], &lines[5]["job"]), (&json!(0), &json!("j1")));
    let kept = world.get("/v1/logs?batch=b1&follow=true").await.ok(200);
    assert_eq!(told(&kept.text).len(), lines.len(), "following what has finished ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_followed_until_it_leaves() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    let heard = Heard::follow(&world, "/v1/logs?worker=w1&follow=true").await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let run = worker.run().await.remove(0);
    worker.say(log(&run, Stream::Worker, "unfinished")).await;
    world.until("/v1/jobs/j1/logs", |text| text.contains("unfinished")).await;
    worker.say(FromWorker::Goodbye).await;
    assert_eq!(texts(&heard.end().await), ["unfinished"]);
    let gone = told(&world.get("/v1/logs?worker=w1&follow=true").await.ok(200).text);
    assert_eq!(texts(&gone), ["unfinished"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn joint_logs_of_nothing_and_too_many_of_them_are_refused() {
    let world = World::start().await;
    assert_eq!(world.get("/v1/logs").await.ok(400).code(), "invalid_request");
    assert_eq!(world.get("/v1/logs?batch=b9").await.ok(404).code(), "no_such_batch");
    assert_eq!(world.get("/v1/logs?worker=w9").await.ok(404).code(), "no_such_worker");
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let follow = || async {
        world.request(Method::GET, "/v1/logs?batch=b1&follow=true").send().await.unwrap()
    };
    let mut followers = Vec::new();
    for _ in 0..limits::JOINT_LOGS {
        let answer = follow().await;
        assert_eq!(answer.status(), 200);
        followers.push(answer);
    }
    assert_eq!(world.get("/v1/logs?batch=b1").await.ok(429).code(), "too_many");
    // Whoever goes away makes room.
    drop(followers);
    world.until("/v1/logs?batch=b1", |text| text.is_empty()).await;
}

/// Somebody who follows.
struct Heard {
    pieces: futures::stream::BoxStream<'static, reqwest::Result<Vec<u8>>>,
    text: String,
}

impl Heard {
    async fn follow(world: &World, path: &str) -> Heard {
        let answer = world.request(Method::GET, path).send().await.unwrap();
        let pieces = answer.bytes_stream().map(|piece| piece.map(Vec::from)).boxed();
        Heard { pieces, text: String::new() }
    }

    async fn next(&mut self) -> bool {
        let piece = tokio::time::timeout(PATIENCE, self.pieces.next()).await;
        let piece = piece.ok().and_then(|piece| piece.transpose().ok());
        let piece = piece.unwrap_or_else(|| panic!("no more came after {}", self.text));
        self.text.push_str(std::str::from_utf8(piece.as_deref().unwrap_or_default()).unwrap());
        piece.is_some()
    }

    /// Waits until a line has come.
    async fn until(&mut self, text: &str) {
        let line = format!("\"text\":{}", json!(text));
        while !self.text.contains(&line) {
            assert!(self.next().await, "it ended with {}", self.text);
        }
    }

    /// All lines, once there are no more.
    async fn end(mut self) -> Vec<Value> {
        while self.next().await {}
        told(&self.text)
    }
}
