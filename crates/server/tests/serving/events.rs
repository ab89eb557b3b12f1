//! The feed: in order, each event once, resumed where it broke off.

use futures::StreamExt;
use gristmill_model::wire::FromWorker;
use reqwest::Method;
use serde_json::Value;

use crate::world::{PATIENCE, World, batch};

/// A reader of server-sent events.
pub struct Events {
    bytes: futures::stream::BoxStream<'static, Vec<u8>>,
    buffer: String,
}

impl Events {
    pub async fn open(world: &World, path: &str, last: Option<u64>) -> Events {
        let mut request = world.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let bytes = answer.bytes_stream().map(|piece| piece.unwrap().to_vec()).boxed();
        Events { bytes, buffer: String::new() }
    }

    /// The next event: its name, and what it says.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                let field = |name: &str| {
                    block.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
                };
                if let (Some(name), Some(data)) = (field("event:"), field("data:")) {
                    let data: Value = serde_json::from_str(&data).unwrap();
                    if let Some(seq) = data["seq"].as_u64() {
                        assert_eq!(field("id:"), Some(seq.to_string()));
                    }
                    return Some((name, data));
                }
                continue;
            }
            let piece = tokio::time::timeout(PATIENCE, self.bytes.next()).await.unwrap()?;
            self.buffer.push_str(&String::from_utf8(piece).unwrap());
        }
    }

    pub async fn until(&mut self, wanted: &str) -> Value {
        loop {
            let (name, data) = self.next().await.expect("the feed goes on");
            if name == wanted {
                return data;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_heard_of_from_its_submission_to_its_end() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    let mut events = Events::open(&world, "/v1/events", None).await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let attempt = worker.run().await[0].attempt;
    let progress = FromWorker::Progress { attempt, done: 1, total: 2, message: "half".into() };
    worker.say(progress).await;
    let heard = events.until("progress_made").await;
    assert_eq!((heard["job"].as_str(), heard["batch"].as_str()), (Some("j1"), Some("b1")));
    worker.succeed(&[attempt]).await;
    let done = events.until("attempt_succeeded").await;
    assert_eq!((done["state"].as_str(), done["worker"].as_str()), (Some("succeeded"), Some("w1")));
    assert_eq!(done["batch"], "b1", "also when the engine has dropped the job");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_resumed_without_gap_or_doubling() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    let mut events = Events::open(&world, "/v1/events", Some(0)).await;
    let (mut seen, mut last) = (Vec::new(), 0);
    for round in 0..20 {
        world.post("/v1/batches", batch(&["a", "b", "c"])).await.ok(202);
        worker.work_off(3).await;
        if round % 3 == 0 {
            // Whatever was not read yet must come again.
            events = Events::open(&world, "/v1/events", Some(last)).await;
        }
        while last < world.handle().feed().committed().saturating_sub(5) {
            let (_, data) = events.next().await.unwrap();
            let seq = data["seq"].as_u64().unwrap();
            if seq > last {
                seen.push(seq);
                last = seq;
            }
        }
    }
    let target = world.handle().feed().committed();
    while last < target {
        let (_, data) = events.next().await.unwrap();
        let seq = data["seq"].as_u64().unwrap();
        if seq > last {
            seen.push(seq);
            last = seq;
        }
    }
    assert!(seen.into_iter().eq(1..=target));
}

#[tokio::test(flavor = "multi_thread")]
async fn durable_events_come_once_each_in_order() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    world.post("/v1/batches", batch(&["a", "b", "c", "d"])).await.ok(202);
    worker.work_off(4).await;
    let target = world.handle().feed().committed();
    let mut events = Events::open(&world, "/v1/events", Some(0)).await;
    let pulse = ["worker_connected", "lease_renewed", "prefetch_set", "worker_disconnected"];
    for expected in 1..=target {
        loop {
            let (name, data) = events.next().await.unwrap();
            if !pulse.contains(&name.as_str()) {
                assert_eq!(data["seq"].as_u64(), Some(expected), "{name}");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_can_be_narrowed() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let mut of_second = Events::open(&world, "/v1/events?filter=batch%3Db2", Some(0)).await;
    world.post("/v1/batches", batch(&["b", "c"])).await.ok(202);
    let mut of_job = Events::open(&world, "/v1/events?filter=id%3Dj3", Some(0)).await;
    let mut of_batch = Events::open(&world, "/v1/batches/b2/events", Some(0)).await;
    worker.work_off(3).await;
    for events in [&mut of_second, &mut of_batch] {
        for expected in ["batch_opened", "jobs_added", "batch_closed"] {
            let (name, data) = events.next().await.unwrap();
            assert_eq!((name.as_str(), data["batch"].as_str()), (expected, Some("b2")));
        }
    }
    assert_eq!(of_job.next().await.unwrap().0, "jobs_added");
    assert_eq!(of_job.until("attempt_leased").await["job"], "j3");
    let bad = world.get("/v1/events?filter=state%3Dfailed").await.ok(400);
    assert_eq!(bad.code(), "invalid_filter");
    assert_eq!(world.get("/v1/batches/b9/events").await.ok(404).code(), "no_such_batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_too_far_back_is_told_as_a_gap() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    let jobs = vec![serde_json::json!({}); 6_000];
    let body = serde_json::json!({ "stages": crate::world::stages(), "jobs": jobs });
    world.post("/v1/batches", body).await.ok(202);
    worker.work_off(6_000).await;
    // What the tables have not taken in stays for listeners, too.
    world.get("/v1/jobs?limit=1").await.ok(200);
    let mut events = Events::open(&world, "/v1/events", Some(1)).await;
    let (name, data) = events.next().await.unwrap();
    assert_eq!(name, "gap");
    let missed = data["missed"].as_u64().unwrap();
    let (_, first) = events.next().await.unwrap();
    assert_eq!(first["seq"].as_u64(), Some(1 + missed + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_ends_when_the_server_stops() {
    let mut world = World::start().await;
    let mut events = Events::open(&world, "/v1/events", None).await;
    world.stop().await;
    assert!(events.next().await.is_none());
}
