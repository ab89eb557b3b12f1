//! Submitting, waiting, cancelling, retrying, asking why.

use gristmill_model::attempt::FailureKind;
use gristmill_model::wire::ToWorker;
use reqwest::Method;
use serde_json::json;

use crate::world::{World, batch, stages};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_its_way_and_whoever_waits_hears_of_its_end() {
    let world = World::start().await;
    let accepted = world.post("/v1/batches", batch(&["a", "b"])).await.ok(202);
    assert_eq!(accepted.headers["location"], "/v1/batches/b1");
    let accepted = accepted.json();
    assert_eq!(accepted["first_job"], "j1");
    assert_eq!(accepted["jobs"], 2);
    assert_eq!(accepted["links"]["results"], "/v1/batches/b1/results");
    let queued = world.get("/v1/batches/b1").await.ok(200).json();
    assert_eq!(queued["counts"], json!({ "queued": 2 }), "its own write is read");

    let mut worker = world.worker().await;
    let waiting = world.get("/v1/batches/b1?wait=30s");
    let working = async {
        let run = worker.run().await;
        assert_eq!((run.len(), run[0].stage.as_str(), run[0].number), (2, "only", 1));
        let attempts: Vec<_> = run.iter().map(|assignment| assignment.attempt).collect();
        worker.succeed(&attempts).await;
        assert_eq!(worker.settled().await, attempts);
    };
    let (finished, ()) = tokio::join!(waiting, working);
    let finished = finished.ok(200).json();
    assert_eq!(
        (&finished["finished"], &finished["counts"]),
        (&json!(true), &json!({"succeeded": 2}))
    );

    let job = world.get("/v1/jobs/j2").await.ok(200).json();
    assert_eq!(job["result"], json!({ "text": "result of a2" }));
    let attempts = world.get("/v1/jobs/j2/attempts").await.ok(200).json();
    assert_eq!(attempts["items"][0]["state"], "succeeded");
    assert_eq!(world.get("/v1/attempts/a2").await.ok(200).json()["job"], "j2");
    let results = world.get("/v1/batches/b1/results").await.ok(200);
    assert_eq!(results.headers["content-type"], "application/x-ndjson");
    let inputs: Vec<serde_json::Value> =
        results.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(inputs[0]["input"]["text"], "a");
    assert_eq!(inputs[1]["index"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_job_can_be_submitted_and_waited_for_in_one_request() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    let body = json!({ "stages": stages(), "input": { "n": 1 }, "labels": { "user": "ada" } });
    let waiting = world.post("/v1/jobs?wait=30s", body.clone());
    let working = async {
        let run = worker.run().await;
        worker.succeed(&[run[0].attempt]).await;
    };
    let (job, ()) = tokio::join!(waiting, working);
    let job = job.ok(200).json();
    assert_eq!((&job["state"], &job["labels"]["user"]), (&json!("succeeded"), &json!("ada")));
    let accepted = world.post("/v1/jobs", body).await.ok(202);
    assert_eq!(accepted.headers["location"], "/v1/jobs/j2");
    let early = world.get("/v1/jobs/j2?wait=1ms").await.ok(200).json();
    assert!(["queued", "running"].contains(&early["state"].as_str().unwrap()), "{early}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_one_batch_whatever_becomes_of_the_answer() {
    let world = World::start().await;
    let keyed = |body: serde_json::Value| {
        world.request(Method::POST, "/v1/batches").header("Idempotency-Key", "k").json(&body)
    };
    let first = world.send(keyed(batch(&["a"]))).await.ok(202).json();
    let again = world.send(keyed(batch(&["a"]))).await.ok(200).json();
    assert_eq!((&again["batch"], &again["replayed"]), (&first["batch"], &json!(true)));
    assert_eq!(again["jobs"], 1);
    let other = world.send(keyed(batch(&["b"]))).await.ok(422);
    assert_eq!(other.code(), "key_reused");
    let jobs = world.get("/v1/jobs").await.ok(200).json();
    assert_eq!(jobs["items"].as_array().unwrap().len(), 1);

    let by_job = json!({ "stages": stages(), "key": "own" });
    let one = world.post("/v1/jobs", by_job.clone()).await.ok(202);
    let same = world.post("/v1/jobs", by_job).await.ok(200);
    assert_eq!(one.headers["location"], same.headers["location"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_are_defined_by_name_and_change_by_version() {
    let world = World::start().await;
    let define = |stages: serde_json::Value| {
        let body = json!({ "name": "p", "stages": stages });
        world.send(world.request(Method::PUT, "/v1/pipelines/p").json(&body))
    };
    assert_eq!(define(stages()).await.ok(200).json()["version"], 1);
    assert_eq!(define(stages()).await.ok(200).json()["version"], 1, "the same changes nothing");
    let other = json!([{ "name": "x", "handler": { "command": { "argv": ["false"] } } }]);
    assert_eq!(define(other).await.ok(200).json()["version"], 2);
    assert_eq!(world.get("/v1/pipelines/p").await.ok(200).json()["version"], 2);
    let all = world.get("/v1/pipelines").await.ok(200).json();
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    let submitted = world.post("/v1/batches", json!({ "pipeline": "p", "jobs": [{}] })).await;
    submitted.ok(202);
    assert_eq!(world.get("/v1/jobs/j1").await.json()["stage"], "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_batch_takes_more_until_it_is_closed() {
    let world = World::start().await;
    let mut body = batch(&["a"]);
    body["open"] = json!(true);
    world.post("/v1/batches", body).await.ok(202);
    let more = json!({ "jobs": [{ "input": "b" }], "close": false });
    assert_eq!(world.post("/v1/batches/b1/jobs", more).await.ok(202).json()["first_job"], "j2");
    world.post("/v1/batches/b1/jobs?close=true", json!([{ "input": "c" }])).await.ok(202);
    let batch = world.get("/v1/batches/b1").await.json();
    assert_eq!((&batch["open"], &batch["jobs"]), (&json!(false), &json!(3)));
    let late = world.post("/v1/batches/b1/jobs", json!([{}])).await.ok(409);
    assert_eq!(late.code(), "batch_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_cancelled_at_once_and_what_runs_is_asked_to_stop() {
    let world = World::start().await;
    world.post("/v1/batches", batch(&["a", "b"])).await.ok(202);
    let waiting = world.post("/v1/jobs/j2/cancel", json!({})).await.ok(200).json();
    assert_eq!(waiting["state"], "cancelled");
    let mut worker = world.worker().await;
    let attempt = worker.run().await[0].attempt;
    let running = world.post("/v1/jobs/j1/cancel", json!({})).await.ok(200).json();
    assert_eq!(running["state"], "cancelling");
    let stop = worker
        .until(|frame| match frame {
            ToWorker::Stop(stop) => Ok(stop),
            other => Err(other),
        })
        .await;
    assert_eq!(stop, [attempt]);
    worker.fail(attempt, FailureKind::Cancelled).await;
    let job = world.get("/v1/jobs/j1?wait=30s").await.ok(200).json();
    assert_eq!(job["state"], "cancelled");
    let again = world.post("/v1/jobs/j1/cancel", json!({})).await.ok(409);
    assert_eq!(again.code(), "wrong_state");

    world.post("/v1/jobs/j1/retry", json!({})).await.ok(200);
    let run = worker.run().await;
    assert_eq!(run[0].job.0, 1, "a person queued it again");
    let all = world.post("/v1/batches/b1/cancel", json!({})).await.ok(200).json();
    assert_eq!(all["jobs"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_retried_as_a_whole() {
    let world = World::start().await;
    let mut body = batch(&["a", "b", "c"]);
    body["stages"][0]["retry"] = json!({ "attempts": 1 });
    world.post("/v1/batches", body).await.ok(202);
    let mut worker = world.worker().await;
    let run = worker.run().await;
    worker.fail(run[0].attempt, FailureKind::Failed).await;
    worker.fail(run[1].attempt, FailureKind::Invalid).await;
    worker.succeed(&[run[2].attempt]).await;
    let batch = world.get("/v1/batches/b1?wait=30s").await.ok(200).json();
    assert_eq!(batch["counts"], json!({ "failed": 2, "succeeded": 1 }));
    let failed = world.get("/v1/jobs?filter=state%3Dfailed").await.ok(200).json();
    assert_eq!(failed["items"][0]["failure"]["code"], "scripted");
    let retried = world.post("/v1/batches/b1/retry", json!({})).await.ok(200).json();
    assert_eq!(retried["jobs"], 2);
    assert_eq!(world.get("/v1/batches/b1").await.json()["finished"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_ask_why() {
    let world = World::start().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let why = world.get("/v1/jobs/j1/explain").await.ok(200).json();
    assert!(why["summary"].as_str().unwrap().contains("gristmill work"), "{why}");
    assert_eq!(world.get("/v1/jobs/j9/explain").await.ok(404).code(), "no_such_job");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_what_does_not_exist_ends_at_once() {
    let world = World::start().await;
    assert_eq!(world.get("/v1/jobs/j7?wait=30s").await.ok(404).code(), "no_such_job");
    assert_eq!(world.get("/v1/batches/b7?wait=30s").await.ok(404).code(), "no_such_batch");
}
