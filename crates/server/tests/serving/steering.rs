//! Terms, ranges, holding, limits, flows, projects, workers, and verbs for many jobs.

use gristmill_model::Span;
use gristmill_model::limits::Timing;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, batch, stages};

impl World {
    async fn put(&self, path: &str, body: Value) -> crate::world::Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    async fn delete(&self, path: &str) -> crate::world::Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    async fn why(&self, job: &str) -> Value {
        self.get(&format!("/v1/jobs/{job}/explain")).await.ok(200).json()
    }
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_are_taken_shown_and_explained() {
    let world = World::start().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let terms = json!({
        "delay": "1h", "deadline_in": "1day", "hold": true, "limit_key": "user:ada",
        "after": [{ "on": "b1", "when": "finished" }],
    });
    let body = with(batch(&["b"]), "terms", terms);
    world.post("/v1/batches", with(body, "project", json!("lab"))).await.ok(202);
    let shown = world.get("/v1/batches/b2").await.ok(200).json();
    assert_eq!(shown["project"], "lab");
    assert_eq!(
        (&shown["terms"]["held"], &shown["terms"]["limit_key"]),
        (&json!(true), &json!("user:ada"))
    );
    assert_eq!(shown["terms"]["after"], json!([{ "on": "b1", "when": "finished" }]));
    assert!(shown["terms"]["start_at"].is_string() && shown["terms"]["deadline"].is_string());
    assert_eq!(world.get("/v1/batches/b1").await.json()["terms"], Value::Null);

    let why = world.why("j2").await;
    assert_eq!((&why["state"], why["waits_for"].as_array().unwrap().len()), (&json!("blocked"), 3));
    assert_eq!(why["would_help"], json!(["gristmill release b2"]));
    let released = world.post("/v1/batches/b2/release", json!({})).await.ok(200).json();
    assert_eq!(released["terms"]["held"], false);
    let held = world.post("/v1/batches/b2/hold", json!({})).await.ok(200).json();
    assert_eq!(held["terms"]["held"], true);

    let single = json!({ "stages": stages(), "terms": { "hold": true } });
    world.post("/v1/jobs", single).await.ok(202);
    assert_eq!(world.why("j3").await["state"], "blocked");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waited_in_vain_is_told_for_what() {
    let world = World::start().await;
    world.post("/v1/batches", batch(&["a", "b"])).await.ok(202);
    let waits = |range: bool| {
        let body = if range {
            json!({ "stages": stages(), "range": { "brace": "{1..3}" } })
        } else {
            batch(&["c"])
        };
        with(body, "terms", json!({ "after": [{ "on": "b1" }] }))
    };
    world.post("/v1/batches", waits(false)).await.ok(202);
    world.post("/v1/batches", waits(true)).await.ok(202);
    world.post("/v1/batches/b1/cancel", json!({})).await.ok(200);
    for (batch, job) in [("b2", "j3"), ("b3", "j5")] {
        let shown = world.get(&format!("/v1/batches/{batch}")).await.ok(200).json();
        let unmet = &shown["unmet"][0];
        assert_eq!((&unmet["on"], &unmet["when"]), (&json!("b1"), &json!("succeeded")));
        let job_shown = world.get(&format!("/v1/jobs/{job}")).await.ok(200).json();
        assert_eq!(job_shown["failure"]["code"], "dependency_failed");
        assert_eq!(job_shown["finished_at"], unmet["at"]);
        let why = world.why(job).await["summary"].to_string();
        assert!(why.contains("b1, which its batch waited for, did not succeed"), "{why}");
        assert!(why.contains("(b1: 2 cancelled): retry it"), "{why}");
    }
    let late = world.post("/v1/batches", waits(false)).await.ok(202).json();
    assert!(late["warnings"][0].to_string().contains("b1, which must succeed first"), "{late}");
    world.post("/v1/jobs", json!({ "stages": stages() })).await.ok(202);
    world.post("/v1/jobs/j8/cancel", json!({})).await.ok(200);
    assert_eq!(world.get("/v1/jobs/j8").await.json()["failure"], Value::Null);
    assert!(world.why("j8").await["summary"].to_string().contains("it was cancelled: retry it"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_says_by_which_term() {
    let world = World::start().await;
    let under = |terms: Value| json!({ "stages": stages(), "terms": terms });
    for (job, terms, code) in [
        ("j1", json!({ "hold": true, "expires_in": "20ms" }), "expired"),
        ("j2", json!({ "deadline_in": "20ms" }), "deadline_passed"),
    ] {
        world.post("/v1/jobs", under(terms)).await.ok(202);
        let ended = world.get(&format!("/v1/jobs/{job}?wait=20s")).await.ok(200).json();
        assert_eq!((&ended["state"], &ended["failure"]["code"]), (&json!("expired"), &json!(code)));
        let why = world.why(job).await["summary"].as_str().unwrap().to_owned();
        let told = ended["failure"]["message"].as_str().unwrap();
        assert_eq!(why, format!("{told}: retry it to run it after all"));
        let found = world.get(&format!("/v1/jobs?filter=code%3D{code}")).await.ok(200).json();
        assert_eq!(found["items"][0]["id"], job);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_that_cannot_be_are_named() {
    let world = World::start().await;
    let refused = async |terms: Value| {
        let answer = world.post("/v1/batches", with(batch(&["a"]), "terms", terms)).await;
        (answer.code(), answer.detail())
    };
    let both = refused(json!({ "delay": "1h", "start_at": "2030-01-01T00:00:00Z" })).await;
    assert_eq!(both.0, "invalid_request");
    assert!(both.1.contains("`start_at` or `delay`"), "{}", both.1);
    let typo = refused(json!({ "dealy": "1h" })).await;
    assert!(typo.1.contains("terms.dealy") && typo.1.contains("`delay`"), "{}", typo.1);
    let past = refused(json!({ "expires_at": "2001-01-01T00:00:00Z" })).await;
    assert!(past.1.contains("has passed already"), "{}", past.1);
    let unknown = refused(json!({ "after": [{ "on": "b9" }] })).await;
    assert_eq!(unknown.0, "no_such_batch");
    assert!(refused(json!({ "after": [{ "on": "x9" }] })).await.1.contains("neither a job"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_jobs_are_one_record_and_each_has_a_place() {
    let world = World::start().await;
    let range = json!({ "brace": "data/file_{000000..999999}.tar" });
    let body = json!({ "stages": stages(), "range": range, "open": true });
    let accepted = world.post("/v1/batches", body).await.ok(202).json();
    assert_eq!((&accepted["jobs"], &accepted["first_job"]), (&json!(1_000_000), &json!("j1")));
    assert_eq!(world.why("b1.999999").await["job"], "j1000000");
    let more = json!({ "range": { "numbers": { "first": 9, "last": 0 } } });
    let added = world.post("/v1/batches/b1/jobs", more).await.ok(202).json();
    assert_eq!((&added["jobs"], &added["first_job"]), (&json!(10), &json!("j1000001")));
    let beyond = world.get("/v1/jobs/b1.1000010/explain").await;
    assert_eq!((beyond.code(), beyond.status), ("no_such_job".into(), 404));
    assert!(beyond.detail().contains("0 to 1000009"), "{}", beyond.detail());
    assert_eq!(world.get("/v1/jobs/b7.0").await.code(), "no_such_batch");
    assert!(world.get("/v1/jobs/b7.x").await.detail().contains("b3/17"));

    let closed = world.post("/v1/batches/b1/close", json!({})).await.ok(200).json();
    assert_eq!(closed["open"], false);
    let late = world.post("/v1/batches/b1/jobs", json!({ "jobs": [{}] })).await;
    assert_eq!(late.code(), "batch_closed");
    let bad =
        json!({ "stages": stages(), "range": { "numbers": { "first": 0, "last": 9, "step": 0 } } });
    assert!(world.post("/v1/batches", bad).await.detail().contains("step 0"));
    let typo = json!({ "stages": stages(), "range": { "lines": { "lst": "b3-00" } } });
    assert_eq!(world.post("/v1/batches", typo).await.code(), "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_stored_list_are_jobs() {
    let world = World::start().await;
    let stored = world.send(world.request(Method::POST, "/v1/blobs").body("a\nb\nc")).await;
    let digest = stored.ok(201).json()["digest"].clone();
    let lines = |list: Value| json!({ "stages": stages(), "range": { "lines": { "list": list } } });
    let accepted = world.post("/v1/batches", lines(digest)).await.ok(202).json();
    assert_eq!(accepted["jobs"], 3);
    let other = json!(format!("b3-{}", "07".repeat(32)));
    assert_eq!(world.post("/v1/batches", lines(other)).await.code(), "no_such_blob");
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_are_bounded_paused_and_opened() {
    let world = World::start().await;
    let scope = "/v1/limits/stage:inline%2Fonly";
    let limit = json!({ "concurrency": 2, "rate": "100/1m" });
    let set = world.put(scope, limit).await.ok(200).json();
    assert_eq!((&set["scope"], &set["rate"]), (&json!("stage:inline/only"), &json!("100/1m")));
    assert_eq!(set["in_use"], 0);
    let listed = world.get("/v1/limits").await.ok(200).json();
    assert_eq!(listed["items"], json!([set]));
    world.delete(scope).await.ok(204);
    assert_eq!(world.get(scope).await.ok(200).json()["concurrency"], Value::Null);
    assert!(world.put(scope, json!({ "concurrency": 0 })).await.detail().contains("pause"));
    assert!(world.get("/v1/limits/thumbs").await.detail().contains("expected project"));
    assert_eq!(world.get("/v1/limits?project=nobody").await.code(), "no_such_project");

    let flow = "/v1/flows/pipeline:inline";
    world.put(flow, json!({ "flow": "paused" })).await.ok(200);
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let why = world.why("j1").await;
    assert_eq!(why["waits_for"], json!(["pipeline:inline is paused"]));
    world.put(flow, json!({ "flow": "draining" })).await.ok(200);
    assert_eq!(world.post("/v1/batches", batch(&["b"])).await.code(), "draining");
    assert_eq!(world.get("/v1/flows").await.json()["items"][0]["flow"], "draining");
    world.put(flow, json!({ "flow": "open" })).await.ok(200);
    assert_eq!(world.get(flow).await.json()["flow"], "open");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_pause_and_are_declared() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    let paused = world.post("/v1/workers/w1/pause", json!({})).await.ok(200).json();
    assert_eq!(paused["state"], "paused");
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    assert_eq!(world.why("j1").await["state"], "queued");
    let resumed = world.post("/v1/workers/w1/resume", json!({})).await.ok(200).json();
    assert_eq!(resumed["state"], "ready");
    assert_eq!(worker.run().await.len(), 1);

    let hungry = |cpus: u32| {
        let mut stages = stages();
        stages[0]["resources"] = json!({ "cpus": cpus });
        json!({ "stages": stages, "jobs": [{}] })
    };
    let warned = world.post("/v1/batches", hungry(900_000)).await.ok(202).json();
    assert_eq!(warned["warnings"].as_array().unwrap().len(), 1, "{warned}");
    let place = "/v1/declared-workers/big-1";
    let big = json!({ "cpus": 128_000, "labels": { "gpu": "a100" } });
    let declared = world.put(place, big).await.ok(200).json();
    assert_eq!(declared["handlers"], json!(["command", "images"]));
    assert_eq!(world.post("/v1/batches", hungry(900_000)).await.code(), "never_fits");
    world.post("/v1/batches", hungry(100_000)).await.ok(202);
    assert_eq!(world.get("/v1/declared-workers").await.json()["items"][0]["name"], "big-1");
    world.delete(place).await.ok(204);
    assert_eq!(world.delete(place).await.code(), "no_such_worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_have_weights() {
    let world = World::start().await;
    world.put("/v1/projects/lab", json!({ "weight": 3 })).await.ok(200);
    let listed = world.get("/v1/projects?limit=1").await.ok(200).json();
    assert_eq!(
        (&listed["items"][0]["name"], &listed["has_more"]),
        (&json!("default"), &json!(true))
    );
    let rest = world.get("/v1/projects?after=default").await.ok(200).json();
    assert_eq!((&rest["items"][0]["weight"], &rest["has_more"]), (&json!(3), &json!(false)));
    assert_eq!(world.get("/v1/projects/nobody").await.code(), "no_such_project");
    assert!(world.put("/v1/projects/lab", json!({ "weight": 0 })).await.detail().contains("1 to"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_jobs_are_cancelled_and_queued_again_by_a_filter() {
    let world = World::start().await;
    let labelled = with(batch(&["a", "b", "c"]), "labels", json!({ "user": "ada" }));
    world.post("/v1/batches", labelled).await.ok(202);
    world.post("/v1/batches", batch(&["d"])).await.ok(202);
    let many = async |verb: &str, query: &str| {
        world.post(&format!("/v1/jobs/{verb}?{query}"), json!({})).await
    };
    let ada = "filter=label.user%3Dada";
    let counted = many("cancel", &format!("{ada}&dry_run=true")).await.ok(200).json();
    assert_eq!(counted["jobs"], 3);
    assert_eq!(world.why("j1").await["state"], "queued", "nothing was done");
    assert_eq!(many("cancel", ada).await.ok(200).json()["jobs"], 3);
    assert_eq!(many("cancel", ada).await.ok(200).json()["jobs"], 0);
    assert_eq!(world.why("j4").await["state"], "queued", "the others were left alone");
    assert_eq!(many("retry", "filter=id%3Ej1").await.ok(200).json()["jobs"], 2);
    assert_eq!(world.why("j3").await["state"], "queued");
    let all = many("cancel", "").await;
    assert_eq!((all.code(), all.detail().contains("id>j0")), ("invalid_filter".into(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_is_shown_and_not_changed() {
    let timing = Timing { keep_finished: Span::ZERO, ..Timing::default() };
    let world = World::with(timing, false).await;
    world.post("/v1/batches", batch(&["a", "b", "c"])).await.ok(202);
    world.post("/v1/batches/b1/cancel", json!({})).await.ok(200);
    assert_eq!(world.get("/v1/batches/b1").await.ok(200).json()["counts"]["cancelled"], 3);
    for path in ["batches/b1/cancel", "batches/b1/retry", "batches/b1/hold", "jobs/j1/retry"] {
        let refused = world.post(&format!("/v1/{path}"), json!({})).await;
        assert_eq!((refused.status, &*refused.code()), (410, "batch_forgotten"), "{path}");
        assert!(refused.detail().contains("submit it again"), "{}", refused.detail());
    }
    assert_eq!(world.get("/v1/jobs/j2/explain").await.code(), "batch_forgotten");
    for dry in [true, false] {
        let path = format!("/v1/jobs/retry?filter=state%3Dcancelled&dry_run={dry}");
        let answer = world.post(&path, json!({})).await.ok(200).json();
        assert_eq!(answer, json!({ "jobs": 0, "forgotten": 3 }));
    }
    assert_eq!(world.post("/v1/batches/b2/retry", json!({})).await.code(), "no_such_batch");
}
