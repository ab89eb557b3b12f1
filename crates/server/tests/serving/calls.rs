//! Pipelines called like functions, and the documents that say how.

use gristmill_model::attempt::FailureKind;
use gristmill_model::payload::{Artifact, Payload, Place};
use reqwest::Method;
use serde_json::{Value, json};

use crate::worker::Worker;
use crate::world::{Answer, World};

/// A pipeline that says what it takes, of a handler that the scripted worker runs.
async fn world() -> World {
    let world = World::start().await;
    let signature = json!({
        "input": {
            "type": "object",
            "properties": { "prompt": { "type": "string" } },
            "required": ["prompt"],
        },
        "output": { "type": "array", "items": { "type": "number" } },
    });
    let draw = json!({ "name": "draw", "signature": signature.to_string() });
    let stages = json!([{ "name": "draw", "handler": { "session": draw } }]);
    let body = json!({ "name": "draw", "stages": stages });
    world.send(world.request(Method::PUT, "/v1/pipelines/draw").json(&body)).await.ok(200);
    let stages = json!([{ "name": "run", "handler": { "command": { "argv": ["true"] } } }]);
    let body = json!({ "name": "plain", "stages": stages });
    world.send(world.request(Method::PUT, "/v1/pipelines/plain").json(&body)).await.ok(200);
    world
}

fn job_of(answer: &Answer) -> &str {
    answer.headers["gristmill-job"].to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_answers_with_the_result_or_why_there_is_none() {
    let world = world().await;
    let mut worker = world.worker().await;
    let call = || world.post("/v1/pipelines/plain/call?wait=30s", json!({ "n": 1 }));
    let (answer, run) = tokio::join!(call(), async {
        let run = worker.run().await;
        worker.succeed(&[run[0].attempt]).await;
        run
    });
    let answer = answer.ok(200);
    assert_eq!(answer.json(), json!("result of a1"));
    assert_eq!(job_of(&answer), "j1");
    assert_eq!(serde_json::to_value(&run[0].input).unwrap()["json"], json!("{\"n\":1}"));

    let (answer, ()) = tokio::join!(call(), async {
        let run = worker.run().await;
        worker.fail(run[0].attempt, FailureKind::Invalid).await;
    });
    let answer = answer.ok(502);
    assert_eq!((answer.code().as_str(), job_of(&answer)), ("call_failed", "j2"));
    assert!(answer.detail().starts_with("j2 is failed: "), "{}", answer.detail());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_the_result_comes_as_its_bytes() {
    let world = world().await;
    let mut worker = world.worker().await;
    let called = async |worker: &mut Worker, name: &str, bytes: &'static str| {
        let put = world.request(Method::POST, "/v1/blobs").body(bytes);
        let digest = world.send(put).await.ok(201).json()["digest"].as_str().unwrap().to_owned();
        let place = Place::Blob(digest.parse().unwrap());
        let file = Artifact { name: name.into(), size: bytes.len() as u64, place };
        let call = world.post("/v1/pipelines/plain/call?wait=30s", json!({}));
        let (answer, ()) = tokio::join!(call, async {
            let run = worker.run().await;
            worker.give(run[0].attempt, Payload::File(file)).await;
        });
        answer.ok(200)
    };
    let picture = called(&mut worker, "mill\".png", "<b>pixels</b>").await;
    assert_eq!((picture.text.as_str(), job_of(&picture)), ("<b>pixels</b>", "j1"));
    assert_eq!(picture.headers["content-type"], "application/octet-stream");
    assert_eq!(picture.headers["content-disposition"], "attachment; filename=\"mill.png\"");
    let long = called(&mut worker, "result.json", "[1, 2, 3]").await;
    assert_eq!(long.headers["content-type"], "application/json");
    assert_eq!(long.json(), json!([1, 2, 3]), "too long to travel within the job");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_longer_goes_on_and_its_key_finds_it() {
    let world = world().await;
    let call = |wait: &str| {
        let path = format!("/v1/pipelines/plain/call?wait={wait}");
        let request = world.request(Method::POST, &path).header("idempotency-key", "k");
        world.send(request)
    };
    let early = call("1ms").await.ok(202);
    assert_eq!((early.json()["state"].as_str(), job_of(&early)), (Some("queued"), "j1"));
    let mut worker = world.worker().await;
    let (late, ()) = tokio::join!(call("30s"), async {
        let run = worker.run().await;
        worker.succeed(&[run[0].attempt]).await;
    });
    let late = late.ok(200);
    assert_eq!((late.json(), job_of(&late)), (json!("result of a1"), "j1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_called_is_refused_before_it_is_a_job() {
    let world = world().await;
    let call = |path: &'static str, body| world.post(path, body);
    let wrong = call("/v1/pipelines/draw/call", json!({ "promt": "a mill" })).await.ok(422);
    assert_eq!(wrong.code(), "invalid_input");
    assert!(wrong.detail().contains("`prompt`: it is missing"), "{}", wrong.detail());
    let nothing = call("/v1/pipelines/draw/call", Value::Null).await.ok(422);
    assert_eq!(nothing.code(), "invalid_input");
    let absent = call("/v1/pipelines/drow/call", json!({})).await.ok(404);
    assert_eq!(absent.code(), "no_such_pipeline");
    assert_eq!(world.get("/v1/jobs").await.json()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_of_a_pipeline_says_what_it_takes_and_gives() {
    let world = world().await;
    let document = world.get("/v1/pipelines/draw/openapi.json").await.ok(200).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["info"], json!({ "title": "draw", "version": "1" }));
    let call = &document["paths"]["/v1/pipelines/draw/call"]["post"];
    let schema = |part: &Value| part["content"]["application/json"]["schema"].clone();
    assert_eq!(schema(&call["requestBody"])["required"], json!(["prompt"]));
    assert_eq!(schema(&call["responses"]["200"])["items"]["type"], "number");
    let parameters = call["parameters"].as_array().unwrap();
    assert!(parameters.iter().all(|parameter| parameter["in"] != "path"), "{parameters:?}");
    for schema in ["Job", "Problem"] {
        assert!(document["components"]["schemas"][schema].is_object(), "{schema}");
    }
    let mut references = Vec::new();
    crate::openapi::gather(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let place = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(place).is_some(), "{reference} leads nowhere");
    }

    let plain = world.get("/v1/pipelines/plain/openapi.json").await.ok(200).json();
    let call = &plain["paths"]["/v1/pipelines/plain/call"]["post"];
    assert_eq!(schema(&call["requestBody"]), json!({}), "anything");
    world.get("/v1/pipelines/none/openapi.json").await.ok(404);
}
