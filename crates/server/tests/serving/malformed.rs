//! Bad requests of every kind: each gets its code and a sentence, and changes nothing.

use gristmill_model::limits;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::world::{World, batch, stages};

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cannot_be_read_say_where() {
    let world = World::start().await;
    let post = |path: &'static str, text: String| {
        let request = world.request(Method::POST, path).header(CONTENT_TYPE, "application/json");
        world.send(request.body(text))
    };
    for (text, said) in [
        ("{", "EOF"),
        ("", "EOF"),
        ("[1", "line 1"),
        (r#"{"jobs": 7}"#, "jobs: invalid type"),
        (r#"{"jobs": [{"labels": {"a": 1}}]}"#, "jobs[0].labels.a"),
        (r#"{"piepline": "x"}"#, "unknown field `piepline`"),
        (r#"{"jobs": [{}]}"#, "expected `pipeline`"),
        (r#"{"stages": [{"name": "x"}]}"#, "stages[0]: missing field `handler`"),
    ] {
        let refused = post("/v1/batches", text.to_owned()).await.ok(400);
        assert_eq!(refused.code(), "invalid_request", "{text}");
        assert!(refused.detail().contains(said), "{text}: {}", refused.detail());
    }
    assert_eq!(post("/v1/jobs", "x".into()).await.ok(400).code(), "invalid_request");
    assert_eq!(world.get("/v1/batches").await.json()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_break_a_rule_get_its_code() {
    let world = World::start().await;
    let large = "x".repeat(limits::INLINE_BYTES + 1);
    let mut unknown = batch(&["a"]);
    unknown["stages"][0]["handler"]["command"]["argv"] = json!(["{inptu}"]);
    let mut nameless = batch(&["a"]);
    nameless["stages"][0]["name"] = json!("no name");
    let long_label = json!({ "a": "x".repeat(limits::LABEL_BYTES + 1) });
    let cases: [(Value, u16, &str); 8] = [
        (json!({ "pipeline": "none", "jobs": [{}] }), 404, "no_such_pipeline"),
        (unknown, 422, "unknown_placeholder"),
        (nameless, 422, "invalid_pipeline"),
        (json!({ "stages": stages() }), 400, "invalid_request"),
        (json!({ "stages": stages(), "jobs": [{ "input": large }] }), 413, "too_large"),
        (json!({ "stages": stages(), "jobs": [{}], "labels": long_label }), 413, "too_large"),
        (json!({ "stages": stages(), "jobs": [{ "key": "" }] }), 400, "invalid_request"),
        (json!({ "stages": stages(), "jobs": [{ "output": "x" }] }), 400, "invalid_request"),
    ];
    for (body, status, code) in cases {
        let refused = world.post("/v1/batches", body).await.ok(status);
        assert_eq!(refused.code(), code, "{refused:?}");
    }
    let inline = world.post("/v1/jobs", json!({ "stages": stages(), "input": large })).await;
    assert!(inline.ok(413).detail().contains("/v1/blobs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_beyond_the_bound_are_refused_before_they_are_read() {
    let world = World::start().await;
    let huge = vec![b' '; limits::BODY_BYTES + 1];
    let request = world.request(Method::POST, "/v1/batches");
    let refused = request.header(CONTENT_TYPE, "application/json").body(huge).send().await;
    // The server may close before the client has sent everything.
    if let Ok(answer) = refused {
        assert_eq!(answer.status(), 413);
        assert!(answer.text().await.unwrap().contains("too_large"));
    }
    let line =
        format!("{}\n{{\"input\":\"{}\"}}", json!({ "stages": stages() }), "x".repeat(70_000));
    let refused = world.post_lines("/v1/batches", line).await.ok(413);
    assert!(refused.detail().starts_with("line 2 "), "{refused:?}");
    world.get("/healthz").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_queries_and_methods_are_refused_in_our_words() {
    let world = World::start().await;
    for (path, status, code, said) in [
        ("/v2/jobs", 404, "no_such_route", "/v2/jobs"),
        ("/v1/jobs/b1", 400, "invalid_request", "not a job id"),
        ("/v1/jobs/17", 400, "invalid_request", "expected `j` and a number"),
        ("/v1/jobs/%ff", 400, "invalid_request", ""),
        ("/v1/jobs/j1", 404, "no_such_job", "j1"),
        ("/v1/batches/b1", 404, "no_such_batch", "b1"),
        ("/v1/attempts/a1", 404, "no_such_attempt", "a1"),
        ("/v1/workers/w1", 404, "no_such_worker", "w1"),
        ("/v1/pipelines/x", 404, "no_such_pipeline", "x"),
        ("/v1/jobs?limit=0", 400, "invalid_request", "limit"),
        ("/v1/jobs?limit=x", 400, "invalid_request", "limit"),
        ("/v1/jobs?lmit=1", 400, "invalid_request", "unknown field `lmit`"),
        ("/v1/jobs?order=up", 400, "invalid_request", "oldest"),
        ("/v1/jobs?after=b3", 400, "invalid_request", "not a job id"),
        ("/v1/batches/b1?wait=soon", 400, "invalid_request", "500ms"),
        ("/problems/nope", 404, "no_such_route", "queue_full"),
    ] {
        let refused = world.get(path).await.ok(status);
        assert_eq!(refused.code(), code, "{path}");
        assert!(refused.detail().contains(said), "{path}: {}", refused.detail());
    }
    let method = world.send(world.request(Method::DELETE, "/v1/jobs")).await.ok(405);
    assert_eq!(method.code(), "method_not_allowed");
    let events = world.request(Method::GET, "/v1/events").header("Last-Event-ID", "x");
    assert_eq!(world.send(events).await.ok(400).code(), "invalid_request");
    let other = json!({ "name": "a", "stages": stages() });
    let named =
        world.send(world.request(Method::PUT, "/v1/pipelines/b").json(&other)).await.ok(400);
    assert!(named.detail().contains("`b`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_is_explained() {
    let world = World::start().await;
    for code in gristmill_model::problem::Code::ALL {
        let page = world.get(&format!("/problems/{}", code.as_str())).await.ok(200);
        assert!(page.text.contains(code.advice()), "{}", page.text);
    }
}
