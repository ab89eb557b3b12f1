//! What is measured: a server and workers as processes of their own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::error::{Error, Result};

/// A server that is not up by then will not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a data folder of its own; both go when this is dropped.
pub struct Stage {
    pub client: Client,
    pub url: String,
    folder: TempDir,
    bind: String,
    durability: String,
    server: Child,
}

impl Stage {
    pub async fn set(dir: Option<&Path>, durability: &str) -> Result<Stage> {
        let dir = dir.map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = tempfile::Builder::new()
            .prefix("gristmill-bench-")
            .tempdir_in(&dir)
            .map_err(|error| Error::file("make a folder in", &dir, &error))?;
        let bind = free_address()?;
        let server = serve(&bind, folder.path(), durability)?;
        let url = format!("http://{bind}");
        let client = Client::new(&url, None)?;
        let durability = durability.to_owned();
        let stage = Stage { client, url, folder, bind, durability, server };
        stage.up(0).await?;
        Ok(stage)
    }

    /// Ends the server as a service manager does.
    pub async fn stop(&mut self) -> Result<()> {
        let broke = |error| Error::internal(format!("cannot end the server: {error}"));
        let pid = self.server.id().ok_or_else(|| Error::internal("the server has ended"))?;
        // SAFETY: a signal to a child of ours that nobody has reaped yet.
        unsafe { libc::kill(pid.cast_signed(), libc::SIGTERM) };
        self.server.wait().await.map(drop).map_err(broke)
    }

    /// Starts it again, and waits until it answers.
    pub async fn start(&mut self) -> Result<()> {
        self.server = serve(&self.bind, self.folder.path(), &self.durability)?;
        self.up(0).await
    }

    /// Memory that the server holds, in MiB, as the system counts it: with the pages of its program
    /// file that it has touched.
    pub fn resident(&self) -> Result<f64> {
        self.status("VmRSS:")
    }

    /// The part of it that no file backs: what the server itself has filled.
    pub fn anonymous(&self) -> Result<f64> {
        self.status("RssAnon:")
    }

    /// A size of the server's process, in MiB.
    fn status(&self, name: &str) -> Result<f64> {
        let odd = || Error::internal("the system does not say how large the server is");
        let pid = self.server.id().ok_or_else(odd)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|_| odd())?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(odd)?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().map_err(|_| odd())?;
        Ok(kib / 1024.0)
    }

    /// Where the server listens.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A worker that answers at once, for the images handler's name.
    pub async fn no_op_worker(&self) -> Result<Child> {
        let worker = spawn(Command::new(this()?).args(["bench", "no-op-worker", &self.url]))?;
        self.up(1).await?;
        Ok(worker)
    }

    /// A real worker for programs.
    pub async fn process_worker(&self) -> Result<Child> {
        let args = ["work", "--handlers", "command", "--server", &self.url];
        let worker = spawn(Command::new(this()?).args(args))?;
        self.up(1).await?;
        Ok(worker)
    }

    /// Ends a worker and waits until the server has seen it go.
    pub async fn dismiss(&self, mut worker: Child) -> Result<()> {
        // It may have ended by itself; then there is nothing to end.
        let _ = worker.kill().await;
        self.until("the worker to go", |workers| workers == 0).await
    }

    async fn up(&self, workers: u32) -> Result<()> {
        self.until("the server and its workers", |connected| connected >= workers).await
    }

    async fn until(&self, what: &str, good: impl Fn(u32) -> bool) -> Result<()> {
        let started = Instant::now();
        loop {
            match self.client.health().await {
                Ok(health) if good(health.workers) => return Ok(()),
                Ok(_) | Err(_) if started.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Ok(_) => return Err(Error::internal(format!("waited too long for {what}"))),
                Err(error) => return Err(error),
            }
        }
    }
}

fn serve(bind: &str, folder: &Path, durability: &str) -> Result<Child> {
    let settings = ["serve", "--bind", bind, "--durability", durability, "--data"];
    spawn(Command::new(this()?).args(settings).arg(folder.join("data")))
}

/// This program.
pub fn this() -> Result<PathBuf> {
    std::env::current_exe()
        .map_err(|error| Error::internal(format!("cannot find this program: {error}")))
}

fn spawn(command: &mut Command) -> Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Error::internal(format!("cannot start a process: {error}")))
}

/// An address where nobody listens. Somebody may take it before we do; then the server says so.
fn free_address() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = listener.map_err(|error| Error::internal(format!("no free port: {error}")))?;
    Ok(address.to_string())
}
