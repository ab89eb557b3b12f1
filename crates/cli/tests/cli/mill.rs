//! The binary run to its end, or kept running as a server and a worker that end with the test.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Asserts the exit code; shows everything where it is another.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Done {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// The error and its hint.
    #[track_caller]
    pub fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in:\n{}", self.err);
        }
    }
}

/// The binary in a world of its own: no settings of whoever runs the tests come in.
pub fn gristmill(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gristmill"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GRISTMILL_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).env("HOME", folder).env("TMPDIR", folder);
    command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME").stdin(Stdio::null());
    command
}

/// Runs to the end.
#[track_caller]
pub fn run(command: &mut Command) -> Done {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    finish(child)
}

/// Waits for a process to end by itself; one that does not is killed.
#[track_caller]
pub fn finish(child: Child) -> Done {
    let id = child.id();
    let (ended, watched) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if watched.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            signal(id, libc::SIGKILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watch.join().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Sends a signal to a child of this test.
pub fn signal(child: u32, signal: i32) {
    // SAFETY: it only sends a signal, to a process that this test started and has not yet reaped.
    unsafe { libc::kill(child as i32, signal) };
}

/// Waits until something holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server and perhaps a worker, in a folder of their own.
pub struct Mill {
    pub folder: TempDir,
    pub url: String,
    server: Child,
    _said: BufReader<ChildStdout>,
    worker: Option<Child>,
}

impl Mill {
    /// A server alone.
    pub fn server() -> Mill {
        let folder = tempfile::tempdir().unwrap();
        let mut server = gristmill(folder.path())
            .args(["serve", "--bind", "127.0.0.1:0", "--data", "data", "--json"])
            .stdout(Stdio::piped())
            .stderr(errors(folder.path(), "serve.err"))
            .spawn()
            .unwrap();
        let mut said = BufReader::new(server.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let told: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!(
                "no start line: {}",
                std::fs::read_to_string(folder.path().join("serve.err")).unwrap()
            )
        });
        let url = told["url"].as_str().unwrap().to_owned();
        Mill { folder, url, server, _said: said, worker: None }
    }

    /// A server and a worker of two CPUs.
    pub fn new() -> Mill {
        let mut mill = Mill::server();
        let worker = mill.command(&["work", "--cpus", "2", "--name", "miller"]);
        mill.join(worker);
        mill
    }

    /// Starts this worker, and waits until the server knows it.
    pub fn join(&mut self, mut work: Command) {
        let errors = errors(self.path(), "work.err");
        self.worker = Some(work.stdout(Stdio::null()).stderr(errors).spawn().unwrap());
        until("the worker", || !run(&mut self.command(&["workers", "--json"])).out.is_empty());
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The binary, pointed at this server.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = gristmill(self.path());
        command.env("GRISTMILL_SERVER", &self.url).args(args);
        command
    }

    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Done {
        run(&mut self.command(args))
    }

    /// A file in the mill's folder.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        file(self.path(), name, bytes)
    }

    pub fn worker_id(&self) -> u32 {
        self.worker.as_ref().unwrap().id()
    }

    /// Asks the server to stop and waits for it.
    pub fn stop(mut self) -> i32 {
        signal(self.server.id(), libc::SIGTERM);
        self.server.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Mill {
    fn drop(&mut self) {
        for child in self.worker.iter_mut().chain([&mut self.server]) {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn errors(folder: &Path, name: &str) -> Stdio {
    std::fs::File::create(folder.join(name)).unwrap().into()
}

/// Writes a file, its folders too.
pub fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
    path
}

/// A picture of 24 bits a pixel, small and different for each `seed`.
pub fn bmp(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let row = (width as usize * 3).div_ceil(4) * 4;
    let size = 54 + row * height as usize;
    let mut bytes = b"BM".to_vec();
    bytes.extend((size as u32).to_le_bytes());
    bytes.extend([0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0]);
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend([1, 0, 24, 0]);
    bytes.resize(54, 0);
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    while bytes.len() < size {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push((state >> 24) as u8);
    }
    bytes
}

/// A photograph that the repository ships.
pub fn photo(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/photos");
    std::fs::read(folder.join(name)).unwrap()
}
