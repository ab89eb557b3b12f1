//! SIGSTOP: a process that is not dead but says nothing, for longer than a lease, and then goes on
//! as if nothing had been.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fleet::{Fleet, PATIENCE, Plan, until};
use crate::load::Client;
use crate::verdict;

const LEASE: &str = "2s";
/// Longer than a lease, and than what the server's clock takes for a stall.
const SILENCE: Duration = Duration::from_secs(5);

/// A program that says that it began, waits for the gate, and says that it came through.
const GATED: &str = "echo began $0 >> $TMPDIR/told; until [ -e $TMPDIR/gate ]; do sleep 0.02; \
                     done; echo ended $0 >> $TMPDIR/told; printf %s $0";

async fn submit_gated(fleet: &Fleet) -> String {
    let argv = ["sh", "-c", GATED, "{attempt}"];
    let body = json!({
        "stages": [{ "name": "wait", "handler": { "command": { "argv": argv } } }],
        "jobs": [{ "input": "grain" }],
    });
    let request = fleet.http().post(fleet.url("/v1/batches")).json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["batch"].as_str().unwrap().to_owned()
}

async fn until_told(fleet: &Fleet, what: &str) {
    let told = fleet.path().join("told");
    until(what, async || read(&told).lines().any(|line| line == what)).await;
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

async fn attempts(fleet: &Fleet, job: &str) -> Vec<Value> {
    let found = fleet.get(&format!("/v1/jobs/{job}/attempts")).await;
    found["items"].as_array().unwrap().clone()
}

async fn workers(fleet: &Fleet) -> Vec<Value> {
    fleet.get("/v1/workers").await["items"].as_array().unwrap().clone()
}

/// The work goes to somebody else, who commits it. The first one's program ends too, while its
/// worker is stopped; what that worker says of it afterwards counts for nothing, and it works on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_worker_loses_its_lease_and_its_late_report_counts_for_nothing() {
    let mut fleet = Fleet::start(Plan { lease: Some(LEASE.into()), ..Plan::of(1) }).await;
    let batch = submit_gated(&fleet).await;
    until_told(&fleet, "began a1").await;
    fleet.signal_worker(0, libc::SIGSTOP);
    fleet.add_worker();
    until_told(&fleet, "began a2").await;
    std::fs::write(fleet.path().join("gate"), "").unwrap();
    until_told(&fleet, "ended a1").await;
    let client = Client::of(&fleet);
    client.wait_for(&batch, Instant::now() + PATIENCE).await;
    let committed = attempts(&fleet, "j1").await;

    fleet.signal_worker(0, libc::SIGCONT);
    until("the zombie to come back", async || {
        workers(&fleet).await.iter().filter(|worker| worker["state"] == "ready").count() == 2
    })
    .await;
    // Both are given work, so whatever the zombie had to say of its attempt has been heard.
    let more = client.submit(0, 400).await;
    client.wait_for(&more.batch, Instant::now() + PATIENCE).await;
    for worker in workers(&fleet).await {
        assert!(worker["succeeded"].as_u64() > Some(0), "{worker:#}");
        assert_eq!(worker["running"], 0, "nothing is left at {worker:#}");
    }

    let now = attempts(&fleet, "j1").await;
    assert_eq!(now, committed, "the late report changed nothing");
    let states: Vec<&Value> = now.iter().map(|attempt| &attempt["state"]).collect();
    assert_eq!(states, ["lost", "succeeded"]);
    let why = now[0]["failure"]["message"].as_str().unwrap();
    assert!(why.contains("not heard of for longer than its lease"), "{why}");
    assert_ne!(now[0]["worker"], now[1]["worker"]);
    let job = fleet.get("/v1/jobs/j1").await;
    assert_eq!((&job["state"], &job["result"]["text"]), (&json!("succeeded"), &json!("a2")));
    let told = read(&fleet.path().join("told"));
    for line in ["ended a1", "ended a2"] {
        assert_eq!(told.lines().filter(|told| *told == line).count(), 1, "{told}");
    }
}

/// Nobody's lease runs out merely because the server did not listen: every attempt that was under
/// way is committed as it is, and work goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_comes_back_and_no_work_is_done_over() {
    let fleet = Fleet::start(Plan { lease: Some(LEASE.into()), ..Plan::of(2) }).await;
    let client = Client::of(&fleet);
    let gated = submit_gated(&fleet).await;
    until_told(&fleet, "began a1").await;
    let before = client.submit(0, 300).await;
    fleet.signal_server(libc::SIGSTOP);
    std::fs::write(fleet.path().join("gate"), "").unwrap();
    until_told(&fleet, "ended a1").await;
    // What is shown here is that nothing happens, which no event tells of.
    tokio::time::sleep(SILENCE).await;
    fleet.signal_server(libc::SIGCONT);
    let after = client.submit(300, 300).await;
    let deadline = Instant::now() + PATIENCE;
    for batch in [&gated, &before.batch, &after.batch] {
        client.wait_for(batch, deadline).await;
    }
    let told = attempts(&fleet, "j1").await;
    assert_eq!(told.len(), 1, "{told:#?}\n{}", fleet.server_said());
    assert_eq!(fleet.get("/v1/jobs/j1").await["result"]["text"], "a1");
    let tally = verdict::judge_some(&fleet, &[before, after], Some(&fleet.effects())).await;
    println!("{tally:?}");
    assert_eq!(tally.lost, 0, "the server's absence was nobody's fault");
    assert_eq!(workers(&fleet).await.len(), 2, "{}", fleet.server_said());
}
