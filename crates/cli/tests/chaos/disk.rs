//! The server's disk fails: full, broken, or taking only a part of each write. Acknowledgements
//! stop, the process says why and ends; once the disk is well everything acknowledged is there.
//!
//! The disk is made to fail between the process and the kernel (disk/fault.c). Each test asserts
//! that the layer did fail operations, so that none passes because nothing happened.

mod layer;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::fleet::{Fleet, Plan, until};
use crate::load::{Acknowledged, Client, Unheard};
use crate::random::Random;
use crate::verdict;
use layer::{Fault, Layer, SYNC, TRUNCATE, WRITE};

const WAL: &str = "/log.db-wal$";
/// Exit code of a server whose disk is full or failing.
const DISK: i32 = 11;
/// Jobs of one batch.
const BATCH: u64 = 10;
const CLIENTS: u64 = 3;

/// A fleet over a disk that can fail, and clients that submit to it.
struct Scene {
    fleet: Fleet,
    layer: Arc<Layer>,
    witness: Arc<Witness>,
    clients: Vec<tokio::task::JoinHandle<()>>,
    _folder: TempDir,
}

/// What clients heard.
#[derive(Default)]
struct Witness {
    acknowledged: Mutex<Vec<Acknowledged>>,
    /// Acknowledgements of what was asked after the disk had failed.
    after_the_fault: AtomicU64,
    refused: AtomicU64,
    next: AtomicU64,
    done: AtomicBool,
}

impl Scene {
    /// Everything runs and `path` is watched; nothing without a C compiler.
    async fn set(path: &str, ballast: usize) -> Option<Scene> {
        let folder = tempfile::tempdir().unwrap();
        let layer = Arc::new(Layer::compile(folder.path())?);
        layer.watch(path);
        let environment = layer.environment();
        let plan = Plan { lease: Some("2s".into()), environment, ..Plan::of(1) };
        let fleet = Fleet::start(plan).await;
        let witness = Arc::new(Witness::default());
        let client = || {
            let client = Client::of(&fleet).with_ballast(ballast);
            tokio::spawn(submit(client, Arc::clone(&layer), Arc::clone(&witness)))
        };
        let clients = (0..CLIENTS).map(|_| client()).collect();
        Some(Scene { fleet, layer, witness, clients, _folder: folder })
    }

    fn acknowledged(&self) -> usize {
        self.witness.acknowledged.lock().unwrap().len()
    }

    async fn until_acknowledged(&self, more: usize) {
        let enough = self.acknowledged() + more;
        until("acknowledgements", async || self.acknowledged() >= enough).await;
    }

    /// Clients stop; nothing acknowledged is missing, nothing is half there, all of it is done to
    /// its end, once, and SQLite finds both databases sound.
    async fn judge(mut self) {
        self.witness.done.store(true, Ordering::SeqCst);
        for client in self.clients.drain(..) {
            client.await.unwrap();
        }
        let there = verdict::batches(&self.fleet).await;
        for batch in &there {
            assert_eq!(batch.jobs, BATCH, "a batch is there as a whole or not at all: {batch:?}");
        }
        for heard in self.witness.acknowledged.lock().unwrap().iter() {
            assert!(there.contains(heard), "{heard:?} was acknowledged");
        }
        let deadline = Instant::now() + Duration::from_secs(120);
        for batch in &there {
            Client::of(&self.fleet).wait_for(&batch.batch, deadline).await;
        }
        let effects = self.fleet.effects();
        let tally = verdict::judge(&self.fleet, &there, Some(&effects)).await;
        self.fleet.signal_server(libc::SIGTERM);
        assert_eq!(self.fleet.server_ended().await, 0);
        for name in ["log.db", "read.db"] {
            is_sound(&self.fleet.data().join(name));
        }
        let heard = self.acknowledged();
        println!("{heard} batches acknowledged, {} there, {tally:?}", there.len());
    }
}

/// One client: submits, and notes what it hears.
async fn submit(client: Client, layer: Arc<Layer>, witness: Arc<Witness>) {
    // Every job must be done and judged: no more of them than a fault needs.
    let pause = Duration::from_millis(if client.carries_ballast() { 0 } else { 50 });
    while !witness.done.load(Ordering::SeqCst) {
        let first = witness.next.fetch_add(BATCH, Ordering::SeqCst);
        let after = layer.failed() > 0;
        match client.try_submit(first, BATCH).await {
            Ok(heard) => {
                witness.after_the_fault.fetch_add(u64::from(after), Ordering::SeqCst);
                witness.acknowledged.lock().unwrap().push(heard);
                tokio::time::sleep(pause).await;
            }
            Err(Unheard::Refused(StatusCode::SERVICE_UNAVAILABLE, said)) => {
                assert!(said["detail"].is_string() && said["advice"].is_string(), "{said}");
                witness.refused.fetch_add(1, Ordering::SeqCst);
            }
            Err(Unheard::Refused(status, said)) => panic!("{status} {said}"),
            Err(Unheard::Broken(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

fn is_sound(database: &Path) {
    let connection = Connection::open(database).unwrap();
    let found: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok", "{}", database.display());
}

/// The log cannot be written: the server ends, refuses to start while it is so, and loses nothing.
async fn stops_and_loses_nothing(operations: u32, error: i32, brief: bool, words: &[&str]) {
    let Some(mut scene) = Scene::set(WAL, 0).await else { return };
    scene.until_acknowledged(5).await;
    assert!(scene.layer.seen() > 0, "the layer sees the log's files");
    let skip = Random::from_environment().below(40) as u32;
    scene.layer.fail(Fault { path: WAL, operations, error, brief, skip });
    assert_eq!(scene.fleet.server_ended().await, DISK, "{}", scene.fleet.server_said());
    assert!(scene.layer.failed() > 0, "the layer failed something");
    for word in words {
        let said = scene.fleet.server_said();
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
    let before = scene.fleet.server_said().len();
    scene.fleet.start_server();
    assert_eq!(scene.fleet.server_ended().await, DISK, "it does not start on such a disk");
    let said = scene.fleet.server_said()[before..].to_owned();
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    println!("after {} failed operations, and at the next start:\n{said}", scene.layer.failed());

    let late = scene.witness.after_the_fault.load(Ordering::SeqCst);
    assert_eq!(late, 0, "nothing that was asked after the fault was acknowledged");
    scene.layer.lift();
    // What clients ask from here on was asked of a disk that is well.
    scene.layer.fail(Fault { path: WAL, operations: 0, error, brief, skip: 0 });
    scene.fleet.start_server();
    scene.fleet.until_healthy().await;
    scene.until_acknowledged(5).await;
    scene.judge().await;
}

const FULL: [&str; 3] = ["log.db", "the disk is full", "free some space"];
const FAILING: [&str; 3] = ["log.db", "the disk fails", "look at the system's log"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_the_server_and_loses_nothing() {
    stops_and_loses_nothing(WRITE, libc::ENOSPC, false, &FULL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_in_the_middle_of_a_write_stops_the_server_and_loses_nothing() {
    stops_and_loses_nothing(WRITE, libc::ENOSPC, true, &FULL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_fails_stops_the_server_and_loses_nothing() {
    stops_and_loses_nothing(WRITE, libc::EIO, true, &FAILING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_stops_the_server_and_loses_nothing() {
    stops_and_loses_nothing(SYNC, libc::EIO, false, &FAILING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_finds_no_space_stops_the_server_and_loses_nothing() {
    stops_and_loses_nothing(SYNC, libc::ENOSPC, false, &FAILING).await;
}

/// The disk does something that costs nothing: the server goes on, and after a crash on top of it
/// everything is there.
async fn goes_on(fault: Fault, ballast: usize) {
    let Some(mut scene) = Scene::set(fault.path, ballast).await else { return };
    scene.until_acknowledged(5).await;
    scene.layer.fail(fault);
    until("the fault", async || scene.layer.failed() > 0).await;
    println!("{fault:?} came after {} batches", scene.acknowledged());
    scene.until_acknowledged(5).await;
    assert!(scene.witness.after_the_fault.load(Ordering::SeqCst) > 0);
    scene.fleet.kill_server();
    scene.layer.lift();
    scene.fleet.until_healthy().await;
    assert_eq!(scene.witness.refused.load(Ordering::SeqCst), 0, "nothing was refused");
    scene.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_writes_are_written_to_their_end() {
    goes_on(Fault { path: "/log.db", operations: WRITE, error: 0, brief: true, skip: 0 }, 0).await;
}

/// When the WAL cannot be copied into the database it goes on growing, and holds everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_written_loses_nothing_as_long_as_the_wal_can() {
    for (operations, error) in [(WRITE, libc::ENOSPC), (SYNC, libc::EIO)] {
        let fault = Fault { path: "/log.db$", operations, error, brief: false, skip: 0 };
        goes_on(fault, 24).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wal_that_cannot_be_cut_loses_nothing() {
    let error = libc::EIO;
    goes_on(Fault { path: WAL, operations: TRUNCATE, error, brief: false, skip: 0 }, 24).await;
}

/// Read tables that cannot be written hold up no acknowledgement, and catch up afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_tables_that_fail_hold_up_no_acknowledgement() {
    let path = "/read.db";
    let operations = WRITE | SYNC;
    goes_on(Fault { path, operations, error: libc::EIO, brief: false, skip: 0 }, 0).await;
}

/// Blobs: an upload that cannot be stored is refused with the reason, leaves nothing under its
/// name, and goes through once the disk is well. Everything else goes on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_cannot_be_stored_is_told_and_leaves_nothing() {
    let Some(mut scene) = Scene::set("/blobs/", 0).await else { return };
    let large: Vec<u8> = (0..30_000_000_u32).map(|n| (n / 251) as u8).collect();
    for (operations, error, brief, word) in [
        (WRITE, libc::ENOSPC, true, "full"),
        (WRITE, libc::EIO, false, "cannot be used"),
        (SYNC, libc::EIO, false, "cannot be used"),
    ] {
        for bytes in [&large[..1_000], &large] {
            // The first pieces of the large one may pass.
            let skip = if bytes.len() > 1_000 && operations == WRITE { 1 } else { 0 };
            scene.layer.fail(Fault { path: "/blobs/", operations, error, brief, skip });
            let name = format!("b3-{}", blake3::hash(bytes).to_hex());
            let (status, said) = upload(&scene.fleet, &name, bytes).await;
            assert!(scene.layer.failed() > 0, "the layer failed something");
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
            assert!(said.contains("store_unavailable") && said.contains(word), "{said}");
            assert_eq!(blob(&scene.fleet, &name).await, None);
            scene.until_acknowledged(2).await;
            scene.layer.lift();
        }
    }
    for bytes in [&large[..1_000], &large] {
        let name = format!("b3-{}", blake3::hash(bytes).to_hex());
        let (status, said) = upload(&scene.fleet, &name, bytes).await;
        assert_eq!(status, StatusCode::OK, "{said}");
        assert!(blob(&scene.fleet, &name).await.unwrap() == bytes, "the bytes that were sent");
    }
    scene.fleet.kill_server();
    scene.fleet.until_healthy().await;
    assert_eq!(files(&scene.fleet.data().join("blobs")), 2, "nothing is left aside");
    scene.judge().await;
}

/// Uploads as many clients do: all is sent before the answer is looked at.
async fn upload(fleet: &Fleet, name: &str, bytes: &[u8]) -> (StatusCode, String) {
    let address = fleet.url("").trim_start_matches("http://").to_owned();
    let length = bytes.len();
    let head = format!(
        "PUT /v1/blobs/{name} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    let bytes = bytes.to_vec();
    let exchange = move || {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(head.as_bytes())?;
        socket.write_all(&bytes)?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer: std::io::Result<String> = tokio::task::spawn_blocking(exchange).await.unwrap();
    let answer = answer.expect("the answer is heard");
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

async fn blob(fleet: &Fleet, name: &str) -> Option<Vec<u8>> {
    let answer = fleet.http().get(fleet.url(&format!("/v1/blobs/{name}"))).send().await.unwrap();
    if answer.status() == StatusCode::NOT_FOUND {
        return None;
    }
    Some(answer.bytes().await.unwrap().to_vec())
}

/// How many files lie below a folder.
fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}
