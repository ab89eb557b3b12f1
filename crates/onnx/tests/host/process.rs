//! A host that was started as a worker starts one, and the worker's end of its socket.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use gristmill_model::host::{
    Call, FD_VARIABLE, FromHost, HostDevice, HostError, HostErrorKind, HostResult, Item, Open,
    PROTOCOL, ToHost,
};
use serde_json::Value;
use tempfile::TempDir;

/// Where the set-up put what tests need.
pub fn set_up() -> PathBuf {
    let folder = std::env::var_os("GRISTMILL_ONNX_TEST").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("onnx-test"),
        PathBuf::from,
    );
    assert!(folder.join("made-from").exists(), "run scripts/onnx-test-set-up.sh first");
    folder
}

/// A graph, or another file that the set-up made.
pub fn made(name: &str) -> PathBuf {
    set_up().join("graphs").join(name)
}

/// The example, which cargo builds with the tests.
pub fn program() -> Command {
    let here = std::env::current_exe().unwrap();
    let mut command = Command::new(here.ancestors().nth(2).unwrap().join("examples/host"));
    // What a machine happens to have must not decide what is tested.
    for variable in ["ORT_DYLIB_PATH", "CONDA_PREFIX", "LD_LIBRARY_PATH", "HOME"] {
        command.env_remove(variable);
    }
    command.env("VIRTUAL_ENV", set_up().join("venv"));
    command
}

pub struct Host {
    pub socket: UnixStream,
    pub process: Child,
    pub folder: TempDir,
    calls: u64,
}

/// Long enough for a slow machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

impl Host {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub fn start_with(change: impl FnOnce(&mut Command)) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let number = theirs.as_raw_fd();
        let mut command = program();
        command.arg("run").env(FD_VARIABLE, number.to_string()).env("GRISTMILL_CPUS", "1");
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        change(&mut command);
        // SAFETY: fcntl is safe to call between fork and exec. Only this child keeps the socket:
        // another host, started at the same time, would hold it open.
        unsafe {
            command.pre_exec(move || match libc::fcntl(number, libc::F_SETFD, 0) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let process = command.spawn().expect("cargo build -p gristmill-onnx --examples");
        let folder = tempfile::tempdir().unwrap();
        let mut host = Self { socket: ours, process, folder, calls: 0 };
        let FromHost::Hello { protocol, versions } = host.hear() else { panic!("no hello") };
        assert_eq!(protocol, PROTOCOL);
        assert!(versions.contains_key("gristmill"));
        host
    }

    /// A host with this graph loaded on the CPUs.
    pub fn with(graph: &str) -> Self {
        let mut host = Self::start();
        host.open(graph);
        host
    }

    pub fn open(&mut self, graph: &str) {
        let open = self.opening(graph);
        self.say(&ToHost::Open(open));
        assert_eq!(self.hear(), FromHost::Ready { devices: vec![], on_device: None });
    }

    pub fn opening(&self, graph: &str) -> Open {
        Open {
            protocol: PROTOCOL,
            entry: made(graph).to_str().unwrap().into(),
            session: "s".into(),
            devices: vec![],
            data: Default::default(),
            folder: self.folder.path().to_str().unwrap().into(),
            inline_bytes: 64 * 1024,
            alive_every_ms: 60_000,
        }
    }

    pub fn say(&mut self, frame: &ToHost) {
        let bytes = rmp_serde::to_vec_named(frame).unwrap();
        self.say_bytes(&bytes);
    }

    pub fn say_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(&(bytes.len() as u32).to_le_bytes()).unwrap();
        self.socket.write_all(bytes).unwrap();
    }

    pub fn hear(&mut self) -> FromHost {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).expect("a frame");
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        self.socket.read_exact(&mut bytes).expect("the whole frame");
        rmp_serde::from_slice(&bytes).expect("a frame of the contract")
    }

    /// Says a call of these inputs, and gives its number.
    pub fn say_call(&mut self, inputs: Vec<Value>) -> u64 {
        self.calls += 1;
        let item = |input| Item { job: "j1".into(), number: 1, input };
        let items = inputs.into_iter().map(item).collect();
        self.say(&ToHost::Call(Call { call: self.calls, items }));
        self.calls
    }

    /// Hears a call of so many items to its end: what came of each, in the items' order.
    pub fn hear_call(&mut self, number: u64, items: usize) -> Vec<Result<Value, HostError>> {
        let mut results: Vec<Option<Result<Value, HostError>>> = vec![None; items];
        loop {
            match self.hear() {
                FromHost::Ended { call, item, result } => {
                    assert_eq!(call, number);
                    let result = match result {
                        HostResult::Ok(value) => Ok(value),
                        HostResult::Error(error) => Err(error),
                    };
                    let before = results[item as usize].replace(result);
                    assert_eq!(before, None, "item {item} ended twice");
                }
                FromHost::Done { call, .. } => {
                    assert_eq!(call, number);
                    let all: Option<Vec<_>> = results.into_iter().collect();
                    return all.expect("every item ended before the call did");
                }
                FromHost::Alive {} => {}
                other => panic!("not in a call: {other:?}"),
            }
        }
    }

    pub fn call(&mut self, inputs: Vec<Value>) -> Vec<Result<Value, HostError>> {
        let items = inputs.len();
        let number = self.say_call(inputs);
        self.hear_call(number, items)
    }

    /// Waits until it has ended by itself; its words on standard error.
    pub fn wait(mut self) -> (ExitStatus, String) {
        // Whatever it still says is of no interest, but it must be able to say it.
        let _ = std::io::copy(&mut self.socket, &mut std::io::sink());
        let mut words = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut words).unwrap();
        (self.process.wait().unwrap(), words)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn gpu() -> HostDevice {
    HostDevice { id: "GPU-1".into(), kind: "gpu".into(), vram: 1 << 30 }
}

/// The one error of a call of one item, judged by its class and words.
pub fn assert_error(result: &Result<Value, HostError>, kind: HostErrorKind, words: &str) {
    let error = result.as_ref().unwrap_err();
    assert!(error.kind == kind && error.message.contains(words), "{error:?}");
    assert!(!error.fatal, "{error:?}");
}
