//! SIGKILL of sessions, workers and the server, at random, while jobs run on GPUs that a mock of
//! the driver shows. Two workers see each GPU, so they need its lock.
//!
//! Afterwards: no two processes were ever on one GPU, no lock is left, every GPU works again, and
//! every job has one committed result, unless three sessions died under it.
//!
//! `GRISTMILL_CHAOS_SESSION_KILLS` makes it longer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gristmill_worker::device::Locks;
use serde_json::{Value, json};

use crate::fleet::{Fleet, Plan, until};
use crate::mock::Mock;
use crate::random::Random;
use crate::setting;

/// GPUs on the machine, and which of them each worker sees.
const GPUS: usize = 4;
const SEEN: [&[usize]; 3] = [&[0, 1], &[1, 2], &[2, 3]];

/// Jobs for each kill.
const JOBS: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_sessions_leave_no_gpu_twice_booked_or_lost() {
    let mut random = Random::from_environment();
    let kills = setting("GRISTMILL_CHAOS_SESSION_KILLS", 15);
    let machine = Machine::new(&mut random);
    let started = Instant::now();
    let plan =
        Plan { lease: Some("4s".into()), dress: Some(machine.dress()), ..Plan::of(SEEN.len()) };
    let mut fleet = Fleet::start(plan).await;
    until("the sessions' pipelines", async || {
        let answer = fleet.http().get(fleet.url("/v1/pipelines/b")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    })
    .await;

    let (mut batches, mut of_sessions) = (Vec::new(), 0);
    for kill in 0..kills {
        batches
            .push(submit(&fleet, &format!("{kill}"), if kill % 2 == 0 { "a" } else { "b" }).await);
        tokio::time::sleep(random.millis_below(400)).await;
        match random.below(8) {
            0 => fleet.kill_server(),
            1 | 2 => fleet.kill_worker(usize::try_from(random.below(SEEN.len() as u64)).unwrap()),
            _ => of_sessions += machine.kill_a_session(&mut random),
        }
    }
    fleet.until_healthy().await;
    let deadline = Instant::now() + Duration::from_secs(180) + started.elapsed() * 3;
    let (mut lost, mut quarantined) = (0, 0);
    for batch in &batches {
        let tally = judge(&fleet, batch, deadline).await;
        lost += tally.0;
        quarantined += tally.1;
    }
    assert!(lost > 0, "no kill hit anything");
    every_gpu_works(&fleet, deadline).await;
    drop(fleet);
    machine.nothing_is_left().await;
    println!(
        "{kills} kills, {of_sessions} of them of sessions, {} jobs in {:.1} s: {lost} attempts lost, \
         {quarantined} jobs quarantined, no GPU booked twice, no lock left",
        kills * JOBS,
        started.elapsed().as_secs_f64()
    );
}

/// The machine: GPUs that are not there, and the books of who was on them.
struct Machine {
    mock: Mock,
    books: tempfile::TempDir,
    gpus: Vec<String>,
}

impl Machine {
    fn new(random: &mut Random) -> Machine {
        // Their own, so that this machine's real locks are not met.
        let serial = format!("{:08x}{:08x}", std::process::id(), random.below(1 << 32));
        let gpus: Vec<String> = (0..GPUS)
            .map(|n| format!("GPU-{}-0000-0000-0000-{serial:0>12.12}", number(n)))
            .collect();
        let state: String = gpus.iter().enumerate().map(|(n, gpu)| shown(n, gpu)).collect();
        let mock = Mock::new(&format!("driver 550.54.15\ncuda 12040\n{state}"));
        Machine { mock, books: tempfile::tempdir().unwrap(), gpus }
    }

    fn dress(&self) -> crate::fleet::Dress {
        let (library, books) = (self.mock.library(), self.books.path().to_owned());
        let gpus = self.gpus.clone();
        Arc::new(move |worker: usize, command: &mut Command| {
            let seen: Vec<&str> = SEEN[worker].iter().map(|gpu| gpus[*gpu].as_str()).collect();
            command
                .args(["echo:a", "echo:b", "--gpu", "1", "--batch", "4", "--host"])
                .arg(fake_host())
                .env("GRISTMILL_NVML_LIBRARY", &library)
                .env("CUDA_VISIBLE_DEVICES", seen.join(","))
                .env("FAKE_HOST_BOOKS", &books);
        })
    }

    /// SIGKILL of one session's process, if any is there.
    fn kill_a_session(&self, random: &mut Random) -> u64 {
        let hosts = self.hosts();
        if hosts.is_empty() {
            return 0;
        }
        let host = hosts[usize::try_from(random.below(hosts.len() as u64)).unwrap()];
        // SAFETY: a signal to a process that a worker of this test started for this test's books.
        unsafe { libc::kill(host, libc::SIGKILL) };
        1
    }

    /// Hosts that write into this test's books.
    fn hosts(&self) -> Vec<i32> {
        let books = format!("FAKE_HOST_BOOKS={}", self.books.path().display());
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let is_host = |pid: &i32| {
            let of = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let environment = of("environ");
            let mut entries = environment.split(|byte| *byte == 0);
            entries.any(|entry| entry == books.as_bytes())
                && fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == fake_host())
        };
        pids.filter(is_host).collect()
    }

    async fn nothing_is_left(&self) {
        until("all hosts have ended", async || self.hosts().is_empty()).await;
        let violations = fs::read_to_string(self.books.path().join("violations"));
        assert!(violations.is_err(), "two on one GPU: {violations:?}");
        let locks = Locks::of_this_machine().unwrap();
        let taken = locks.take_all(&self.gpus, "the test");
        assert!(taken.is_ok(), "a lock is left: {taken:?}");
    }
}

fn number(gpu: usize) -> String {
    format!("{gpu:08}")
}

fn shown(place: usize, gpu: &str) -> String {
    format!(
        "gpu\nuuid {gpu}\nname Mock GPU\nbus 00000000:{place:02}:00.0\nmode 0\n\
         total 85520809984\nused 0\n"
    )
}

fn fake_host() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_gristmill"));
    let host = binary.with_file_name("examples").join("fake_host");
    assert!(host.is_file(), "`cargo build --workspace --examples` makes {}", host.display());
    host
}

/// Submits jobs under a key, until they are acknowledged.
async fn submit(fleet: &Fleet, key: &str, pipeline: &str) -> String {
    let jobs: Vec<Value> =
        (0..JOBS).map(|n| json!({ "input": { "do": "nap", "ms": 5 + n } })).collect();
    let body = json!({ "pipeline": pipeline, "jobs": jobs });
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let request = fleet.http().post(fleet.url("/v1/batches")).header("Idempotency-Key", key);
        match request.json(&body).send().await {
            Ok(answer) if answer.status().is_success() => {
                let said: Value = answer.json().await.unwrap();
                return said["batch"].as_str().unwrap().to_owned();
            }
            Ok(answer) if answer.status() != 503 => {
                panic!("refused: {}", answer.text().await.unwrap())
            }
            _ => assert!(Instant::now() < deadline, "no answer"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every job of a batch has one result, or was quarantined for three deaths. Counts attempts that
/// were lost, and jobs that were quarantined.
async fn judge(fleet: &Fleet, batch: &str, deadline: Instant) -> (u64, u64) {
    loop {
        let found = fleet.get(&format!("/v1/batches/{batch}?wait=2s")).await;
        if found["finished"] == true {
            break;
        }
        assert!(Instant::now() < deadline, "not finished in time: {found:#}");
    }
    let rows = fleet.lines(&format!("/v1/jobs?filter=batch%3D{batch}")).await;
    assert_eq!(rows.len() as u64, JOBS, "each job once");
    let (mut lost, mut quarantined) = (0, 0);
    for job in rows {
        let id = job["id"].as_str().unwrap();
        let told = fleet.get(&format!("/v1/jobs/{id}/attempts")).await;
        let attempts = told["items"].as_array().unwrap();
        let ended = |state: &str| attempts.iter().filter(|a| a["state"] == state).count() as u64;
        lost += ended("lost");
        if job["state"] == "failed" {
            assert_eq!(job["failure"]["code"], "quarantined", "{job:#}");
            assert!(ended("lost") >= 3, "{attempts:#?}");
            quarantined += 1;
            continue;
        }
        assert_eq!(job["state"], "succeeded", "{job:#}");
        assert_eq!(ended("succeeded"), 1, "{id} is committed once: {attempts:#?}");
        assert_eq!(attempts.last().unwrap()["state"], "succeeded", "and nothing follows");
        assert_eq!(attempts.last().unwrap()["devices"].as_array().unwrap().len(), 1);
    }
    (lost, quarantined)
}

/// No slot was lost: every GPU is in service at some worker, and more work than they have seats at
/// a time is done.
async fn every_gpu_works(fleet: &Fleet, deadline: Instant) {
    let mut batches = Vec::new();
    for number in 0..4 {
        batches.push(submit(fleet, &format!("after-{number}"), "a").await);
    }
    for batch in batches {
        judge(fleet, &batch, deadline).await;
    }
    // A worker that was killed last may still wait for what it had started there.
    until("each GPU is one worker's, and in service", async || {
        let devices = fleet.get("/v1/devices").await;
        let rows = devices["items"].as_array().unwrap();
        rows.len() == GPUS && rows.iter().all(|device| device["quarantined"].is_null())
    })
    .await;
}
