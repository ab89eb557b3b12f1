//! `gristmill backup` at random moments under load. Each copy is served, has everything that was
//! acknowledged before it began, and goes on to finish.
//!
//! `GRISTMILL_CHAOS_BACKUPS` and `GRISTMILL_CHAOS_BACKUP_JOBS` make it longer.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fleet::{Fleet, PATIENCE, Plan, gristmill};
use crate::load::{Acknowledged, Client};
use crate::random::Random;
use crate::setting;
use crate::verdict;

/// Jobs of one batch.
const BATCH: u64 = 50;
/// Batches that wait at any time.
const AHEAD: usize = 4;

/// A copy, and what was certain before it began.
struct Taken {
    folder: PathBuf,
    acknowledged: Vec<Acknowledged>,
    /// Results by job.
    results: HashMap<String, Value>,
}

fn plan() -> Plan {
    // Whoever worked for the original does not come to the copy: it need not wait long for them.
    Plan { lease: Some("2s".into()), ..Plan::of(2) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_working_server_is_a_server_that_goes_on() {
    let mut random = Random::from_environment();
    let backups = setting("GRISTMILL_CHAOS_BACKUPS", 3);
    let jobs = setting("GRISTMILL_CHAOS_BACKUP_JOBS", 1_000);
    let fleet = Fleet::start(plan()).await;
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let submitting = tokio::spawn(submit_all(Client::of(&fleet), jobs, Arc::clone(&acknowledged)));
    let mut taken = Vec::new();
    for n in 0..backups {
        tokio::time::sleep(random.millis_below(600)).await;
        taken.push(take(&fleet, n, &acknowledged).await);
    }
    submitting.await.unwrap();
    let all = acknowledged.lock().unwrap().clone();
    let deadline = Instant::now() + Duration::from_secs(120);
    for heard in &all {
        Client::of(&fleet).wait_for(&heard.batch, deadline).await;
    }
    // The copies were read, and cost the original nothing.
    let tally = verdict::judge(&fleet, &all, Some(&fleet.effects())).await;
    println!("original: {tally:?}");
    drop(fleet);
    for copy in taken {
        goes_on(copy).await;
    }
}

/// Submits batch after batch, a few ahead of the work, so that copies meet all there is to meet.
async fn submit_all(client: Client, jobs: u64, acknowledged: Arc<Mutex<Vec<Acknowledged>>>) {
    let mut ahead = VecDeque::new();
    for first in (0..jobs).step_by(BATCH as usize) {
        // What the log points to was stored before it was logged: a copy that has the batch has
        // this too.
        client.store(sack(first)).await;
        let heard = client.submit(first, BATCH).await;
        acknowledged.lock().unwrap().push(heard.clone());
        ahead.push_back(heard.batch);
        if ahead.len() > AHEAD {
            let deadline = Instant::now() + PATIENCE;
            client.wait_for(&ahead.pop_front().unwrap(), deadline).await;
        }
    }
}

/// Bytes that go with a batch.
fn sack(first: u64) -> Vec<u8> {
    format!("sack of grain-{first} ").repeat(5_000).into_bytes()
}

async fn take(fleet: &Fleet, n: u64, acknowledged: &Mutex<Vec<Acknowledged>>) -> Taken {
    let results = results(fleet).await;
    let acknowledged = acknowledged.lock().unwrap().clone();
    let folder = fleet
        .path()
        .parent()
        .unwrap()
        .join(format!("{}-copy-{n}", fleet.path().file_name().unwrap().to_string_lossy()));
    let mut command = gristmill(fleet.path());
    command.arg("backup").arg(&folder).arg("--data").arg(fleet.data()).arg("--json");
    let done = tokio::process::Command::from(command).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["read_tables"], true, "{told}");
    println!("{told}, {} batches and {} results before", acknowledged.len(), results.len());
    Taken { folder, acknowledged, results }
}

/// The results that are committed and shown.
async fn results(fleet: &Fleet) -> HashMap<String, Value> {
    let done = fleet.lines("/v1/jobs?filter=state%3Dsucceeded").await;
    done.iter().map(|job| (job["id"].as_str().unwrap().to_owned(), job["result"].clone())).collect()
}

/// Serves a copy, to its end.
async fn goes_on(copy: Taken) {
    let fleet = Fleet::start(Plan { data: Some(copy.folder.clone()), ..plan() }).await;
    let there = verdict::batches(&fleet).await;
    for batch in &there {
        assert_eq!(batch.jobs, BATCH, "a batch is there as a whole or not at all");
        let name = format!("/v1/blobs/b3-{}", blake3::hash(&sack(batch.first)).to_hex());
        let found = fleet.http().get(fleet.url(&name)).send().await.unwrap();
        assert_eq!(found.status(), 200, "the blob that belongs to {batch:?}");
        assert!(found.bytes().await.unwrap() == sack(batch.first), "{batch:?}");
    }
    for heard in &copy.acknowledged {
        assert!(there.contains(heard), "{heard:?} was acknowledged before the copy began");
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    for batch in &there {
        Client::of(&fleet).wait_for(&batch.batch, deadline).await;
    }
    let tally = verdict::judge(&fleet, &there, None).await;
    let now = results(&fleet).await;
    for (job, result) in &copy.results {
        assert_eq!(
            now[job], *result,
            "{job} was done before the copy began, and is not done again"
        );
    }
    println!("copy: {} batches, {tally:?}", there.len());
    drop(fleet);
    std::fs::remove_dir_all(copy.folder).unwrap();
}
