//! A server and some workers as child processes, which a test may kill, stop and start again, and
//! which end with it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// No test waits longer for anything but a batch.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What a fleet is made of.
#[derive(Clone)]
pub struct Plan {
    pub workers: usize,
    /// The server's `--lease`; nothing for the default.
    pub lease: Option<String>,
    /// The server's `--keep-events`; nothing for the default.
    pub keep_events: Option<String>,
    /// A data folder to serve; one of the fleet's own where none is named.
    pub data: Option<PathBuf>,
    /// What the server's environment holds besides.
    pub environment: Vec<(String, String)>,
    /// What is special about each worker.
    pub dress: Option<Dress>,
}

/// Adds to a worker's command, by its number.
pub type Dress = std::sync::Arc<dyn Fn(usize, &mut Command) + Send + Sync>;

impl Plan {
    pub fn of(workers: usize) -> Plan {
        Plan {
            workers,
            lease: None,
            keep_events: None,
            data: None,
            environment: Vec::new(),
            dress: None,
        }
    }
}

pub struct Fleet {
    folder: TempDir,
    plan: Plan,
    port: u16,
    server: Child,
    workers: Vec<Child>,
    http: reqwest::Client,
}

impl Fleet {
    pub async fn start(plan: Plan) -> Fleet {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let server = spawn_server(folder.path(), &plan, port);
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let mut fleet = Fleet { folder, plan, port, server, workers: Vec::new(), http };
        for _ in 0..fleet.plan.workers {
            fleet.add_worker();
        }
        fleet.until_healthy().await;
        fleet
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        data(self.path(), &self.plan)
    }

    /// Where each job's program writes that it ran.
    pub fn effects(&self) -> PathBuf {
        self.path().join("effects")
    }

    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn add_worker(&mut self) {
        let worker = spawn_worker(self.path(), &self.plan, self.port, self.workers.len());
        self.workers.push(worker);
    }

    /// SIGKILL, and another one in its place.
    pub fn kill_worker(&mut self, index: usize) {
        end(&mut self.workers[index]);
        self.workers[index] = spawn_worker(self.folder.path(), &self.plan, self.port, index);
    }

    /// SIGKILL, and started again at once. It does not wait until the server answers.
    pub fn kill_server(&mut self) {
        end(&mut self.server);
        self.start_server();
    }

    /// Starts the server again after it ended.
    pub fn start_server(&mut self) {
        self.server = spawn_server(self.path(), &self.plan, self.port);
    }

    pub fn signal_worker(&self, index: usize, signal: i32) {
        send(&self.workers[index], signal);
    }

    pub fn signal_server(&self, signal: i32) {
        send(&self.server, signal);
    }

    /// Waits until the server ends by itself, and returns its exit code.
    pub async fn server_ended(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.server.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "the server does not end: {}", self.server_said());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What all servers of this fleet said on standard error.
    pub fn server_said(&self) -> String {
        std::fs::read_to_string(self.path().join("server.err")).unwrap_or_default()
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(self.url(path)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    /// All rows of a listing that can be had as lines.
    pub async fn lines(&self, path: &str) -> Vec<Value> {
        let request = self.http.get(self.url(path)).header("Accept", "application/x-ndjson");
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let text = answer.text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub async fn until_healthy(&self) {
        let healthy = async || match self.http.get(self.url("/healthz")).send().await {
            Ok(answer) => answer.status().is_success(),
            Err(error) => {
                assert!(!error.is_timeout(), "it hears and does not answer: {error:?}");
                false
            }
        };
        until(&format!("the server; it said: {}", self.server_said()), healthy).await;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.workers.iter_mut().for_each(end);
        end(&mut self.server);
    }
}

/// Waits until something holds that no event tells of.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The binary in a world of its own.
pub fn gristmill(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gristmill"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GRISTMILL_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).env("HOME", folder).env("TMPDIR", folder).stdin(Stdio::null());
    command
}

fn data(folder: &Path, plan: &Plan) -> PathBuf {
    plan.data.clone().unwrap_or_else(|| folder.join("data"))
}

fn spawn_server(folder: &Path, plan: &Plan, port: u16) -> Child {
    let mut command = quiet(folder, "server.err");
    command.args(["serve", "--bind", &format!("127.0.0.1:{port}")]);
    command.args(["--data".as_ref(), data(folder, plan).as_os_str()]);
    command.args(plan.lease.iter().flat_map(|lease| ["--lease", lease.as_str()]));
    command.args(plan.keep_events.iter().flat_map(|kept| ["--keep-events", kept.as_str()]));
    command.envs(plan.environment.iter().cloned());
    command.spawn().unwrap()
}

fn spawn_worker(folder: &Path, plan: &Plan, port: u16, index: usize) -> Child {
    let mut command = quiet(folder, &format!("worker-{index}.err"));
    command.args(["work", "--server", &format!("http://127.0.0.1:{port}")]).args([
        "--cpus",
        "2",
        "--name",
        &format!("worker-{index}"),
    ]);
    if let Some(dress) = &plan.dress {
        dress(index, &mut command);
    }
    command.spawn().unwrap()
}

fn quiet(folder: &Path, errors: &str) -> Command {
    let errors = std::fs::File::options().create(true).append(true).open(folder.join(errors));
    let mut command = gristmill(folder);
    command.stdout(Stdio::null()).stderr(errors.unwrap());
    command
}

fn send(child: &Child, signal: i32) {
    // SAFETY: it only sends a signal, to a process that this test started and has not yet reaped.
    unsafe { libc::kill(child.id() as i32, signal) };
}

/// `Child::kill` is SIGKILL.
fn end(child: &mut Child) {
    child.kill().ok();
    child.wait().ok();
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
