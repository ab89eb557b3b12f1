//! Submissions larger than one command.

use std::fmt::Write;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::events::Events;

use crate::world::{World, stages};

fn head() -> String {
    json!({ "stages": stages(), "name": "bulk" }).to_string()
}

fn lines(count: usize) -> String {
    let mut text = head();
    for n in 0..count {
        write!(text, "\n{{\"input\":\"{n}\"}}").unwrap();
    }
    text
}

/// Sends a part of a submission, waits until so many pieces of it are taken in, and hangs up.
async fn break_off(world: &World, headers: &str, part: &str, pieces: usize) {
    let mut events = Events::open(world, "/v1/events", None).await;
    let mut socket = TcpStream::connect(world.address()).await.unwrap();
    let length = part.len() + 1_000;
    let head = format!(
        "POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-ndjson\r\n{headers}\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(part.as_bytes()).await.unwrap();
    for _ in 0..pieces {
        events.until("jobs_added").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_thousand_lines_that_wait_for_what_has_failed_are_told_so() {
    let world = World::start().await;
    world.post("/v1/batches", json!({ "stages": stages(), "jobs": [{}] })).await.ok(202);
    world.post("/v1/batches/b1/cancel", json!({})).await.ok(200);
    let terms = json!({ "after": [{ "on": "b1", "when": "succeeded" }] });
    let waits = json!({ "stages": stages(), "terms": terms }).to_string();
    let body = lines(25_000).replacen(&head(), &waits, 1);
    let refused = world.post_lines("/v1/batches", body).await.ok(409);
    assert_eq!(refused.code(), "batch_closed");
    let why = refused.detail();
    assert!(why.contains("b1, which must succeed first") && why.contains("b2 is closed"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_thousand_lines_become_one_closed_batch_in_order() {
    let world = World::start().await;
    let accepted = world.post_lines("/v1/batches", lines(25_000)).await.ok(202).json();
    assert_eq!(accepted["jobs"], 25_000);
    let batch = world.get("/v1/batches/b1").await.ok(200).json();
    assert_eq!((&batch["jobs"], &batch["open"]), (&json!(25_000), &json!(false)));
    let results = world.get("/v1/batches/b1/results").await.ok(200);
    let mut count = 0;
    for (n, line) in results.text.lines().enumerate() {
        let job: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(job["input"]["text"], n.to_string());
        count += 1;
    }
    assert_eq!(count, 25_000);

    let mut worker = world.worker().await;
    worker.work_off(25_000).await;
    let done = world.get("/v1/batches/b1?wait=30s").await.ok(200).json();
    assert_eq!(done["counts"], json!({ "succeeded": 25_000 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_beyond_one_command_is_taken_in_too() {
    let world = World::start().await;
    let jobs = vec![json!({ "input": "x" }); 20_001];
    let body = json!({ "stages": stages(), "jobs": jobs });
    let accepted = world.post("/v1/batches", body).await.ok(202).json();
    assert_eq!(accepted["jobs"], 20_001);
    assert_eq!(world.get("/v1/batches/b1").await.json()["open"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_is_named_and_leaves_nothing_behind_that_runs() {
    let world = World::start().await;
    let mut few = lines(3);
    few.push_str("\n\n{\"inptu\":1}\n");
    let refused = world.post_lines("/v1/batches", few).await.ok(400);
    let said = refused.detail();
    assert!(
        said.starts_with("line 6: inptu: unknown field") && said.ends_with("at column 8"),
        "{said}"
    );
    assert_eq!(world.get("/v1/batches").await.json()["items"], json!([]), "nothing was made");

    let mut many = lines(12_000);
    many.push_str("\n{\"input\":\"x\",\"output\":\"relative\"}");
    let refused = world.post_lines("/v1/batches", many).await.ok(400);
    assert!(refused.detail().starts_with("line 12002: output"), "{refused:?}");
    let half = world.get("/v1/batches/b1").await.ok(200).json();
    assert_eq!((&half["open"], &half["finished"]), (&json!(false), &json!(true)));
    assert_eq!(half["counts"], json!({ "cancelled": 10_000 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_refuses_is_named_by_its_line() {
    let world = World::start().await;
    let twice = format!("{}\n{{\"key\":\"k\"}}\n{{\"key\":\"k\"}}\n", head());
    let refused = world.post_lines("/v1/batches", twice).await.ok(422);
    assert_eq!(refused.code(), "key_reused");
    assert!(refused.detail().starts_with("line 3: "), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyed_upload_that_broke_off_goes_on_where_it_was() {
    let world = World::start().await;
    let whole = lines(25_000);
    let keyed = || {
        let request = world.request(Method::POST, "/v1/batches");
        request.header(CONTENT_TYPE, "application/x-ndjson").header("Idempotency-Key", "k")
    };
    // Two pieces and a half, and then the connection breaks.
    let cut = whole.match_indices('\n').nth(22_000).unwrap().0;
    break_off(&world, "Idempotency-Key: k\r\n", &whole[..cut], 2).await;
    let half = world.get("/v1/batches/b1").await.json();
    assert_eq!((&half["jobs"], &half["open"]), (&json!(20_000), &json!(true)));

    // The server may not have noticed yet, and then says so.
    let resumed = loop {
        let answer = world.send(keyed().body(whole.clone())).await;
        if answer.status != 429 {
            break answer.ok(202).json();
        }
        assert_eq!(answer.code(), "too_many");
        tokio::task::yield_now().await;
    };
    assert_eq!(resumed["jobs"], 25_000);
    let batch = world.get("/v1/batches/b1").await.json();
    assert_eq!((&batch["jobs"], &batch["open"]), (&json!(25_000), &json!(false)));
    let again = world.send(keyed().body(whole)).await.ok(200).json();
    assert_eq!((&again["replayed"], &again["jobs"]), (&json!(true), &json!(25_000)));
    assert_eq!(world.get("/v1/batches").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_without_a_key_that_broke_off_is_cancelled() {
    let world = World::start().await;
    let mut events = Events::open(&world, "/v1/events", None).await;
    break_off(&world, "", &lines(15_000), 1).await;
    events.until("batch_closed").await;
    let batch = world.get("/v1/batches/b1?wait=30s").await.ok(200).json();
    assert_eq!((&batch["finished"], &batch["counts"]["cancelled"]), (&json!(true), &json!(10_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_appended_to_an_open_batch() {
    let world = World::start().await;
    let open = json!({ "stages": stages(), "open": true }).to_string();
    world.post_lines("/v1/batches", open).await.ok(202);
    let more = world.post_lines("/v1/batches/b1/jobs?close=true", "{}\n{\"input\":\"x\"}".into());
    assert_eq!(more.await.ok(202).json()["jobs"], 2);
    assert_eq!(world.get("/v1/batches/b1").await.json()["open"], false);
}
