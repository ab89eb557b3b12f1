//! A server and some workers as child processes, which a test may kill and which end with it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// SplitMix64 (Steele, Lea, Flood 2014): enough to shuffle kills.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

pub struct Fleet {
    folder: TempDir,
    port: u16,
    server: Child,
    workers: Vec<Child>,
    http: reqwest::Client,
}

impl Fleet {
    pub async fn start(workers: usize) -> Fleet {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let server = spawn_server(folder.path(), port);
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let workers = (0..workers).map(|index| spawn_worker(folder.path(), port, index)).collect();
        let fleet = Fleet { folder, port, server, workers, http };
        fleet.until_healthy().await;
        fleet
    }

    pub fn kill_worker(&mut self, index: usize) {
        end(&mut self.workers[index]);
        self.workers[index] = spawn_worker(self.folder.path(), self.port, index);
    }

    pub async fn kill_server(&mut self) {
        end(&mut self.server);
        self.server = spawn_server(self.folder.path(), self.port);
        self.until_healthy().await;
    }

    /// Submits the batch under one idempotency key, again and again until it is acknowledged.
    pub async fn submit(&self, jobs: u64) -> String {
        let inputs: Vec<_> = (0..jobs).map(|n| json!({ "input": format!("grain-{n}") })).collect();
        let argv = ["sh", "-c", "sleep 0.05; printf 'flour of %s' \"$0\"", "{input}"];
        let body = json!({
            "stages": [{ "name": "grind", "handler": { "command": { "argv": argv } } }],
            "jobs": inputs,
        });
        let request = || {
            self.http
                .post(self.url("/v1/batches"))
                .header("Idempotency-Key", "chaos")
                .json(&body)
                .send()
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match request().await {
                Ok(answer) if answer.status().is_success() => {
                    let answer: Value = answer.json().await.unwrap();
                    return answer["batch"].as_str().unwrap().to_owned();
                }
                Ok(answer) => panic!("refused: {}", answer.text().await.unwrap()),
                Err(error) => assert!(Instant::now() < deadline, "no answer: {error}"),
            }
        }
    }

    pub async fn wait_for(&self, batch: &str, deadline: Instant) {
        loop {
            let found = self.get(&format!("/v1/batches/{batch}?wait=2s")).await;
            if found["finished"] == true {
                return;
            }
            assert!(Instant::now() < deadline, "not finished in time: {found:#}");
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(self.url(path)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    async fn until_healthy(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = self.http.get(self.url("/healthz")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the server does not answer; it said:\n{}",
                std::fs::read_to_string(self.folder.path().join("server.err")).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.workers.iter_mut().for_each(end);
        end(&mut self.server);
    }
}

fn spawn_server(folder: &Path, port: u16) -> Child {
    gristmill(folder, "server.err")
        .args(["serve", "--bind", &format!("127.0.0.1:{port}")])
        .args(["--data".as_ref(), folder.join("data").as_os_str()])
        .spawn()
        .unwrap()
}

fn spawn_worker(folder: &Path, port: u16, index: usize) -> Child {
    gristmill(folder, &format!("worker-{index}.err"))
        .args(["work", "--server", &format!("http://127.0.0.1:{port}")])
        .args(["--cpus", "2", "--name", &format!("worker-{index}")])
        .spawn()
        .unwrap()
}

fn gristmill(folder: &Path, errors: &str) -> Command {
    let errors = std::fs::File::options().create(true).append(true).open(folder.join(errors));
    let mut command = Command::new(env!("CARGO_BIN_EXE_gristmill"));
    command.current_dir(folder).env("TMPDIR", folder).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(errors.unwrap());
    command
}

/// `Child::kill` is SIGKILL.
fn end(child: &mut Child) {
    child.kill().ok();
    child.wait().ok();
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
