//! A worker under test with a scripted server at the other end of its link.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gristmill_model::attempt::{Failure, Outcome, Success};
use gristmill_model::digest::Digest;
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler};
use gristmill_model::resources::Resources;
use gristmill_model::wire::{Assignment, Ended, FromWorker, Stream, ToWorker, Welcome};
use gristmill_model::{AttemptId, BatchId, JobId, Span, WorkerId};
use gristmill_worker::device::Claimed;
use gristmill_worker::{
    BlobError, Blobs, Connection, Shutdown, Stored, Transfer, WorkerConfig, WorkerError,
};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// No step of any story takes this long on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A worker at work.
pub struct Mill {
    pub home: TempDir,
    pub shutdown: Shutdown,
    to: mpsc::Sender<ToWorker>,
    from: mpsc::Receiver<FromWorker>,
    worker: JoinHandle<Result<(), WorkerError>>,
    logs: Vec<(Stream, Vec<u8>)>,
}

/// Blobs in a folder.
pub struct FolderBlobs(pub PathBuf);

impl Blobs for FolderBlobs {
    fn fetch<'a>(&'a self, digest: &'a Digest, to: &'a Path) -> Transfer<'a, ()> {
        Box::pin(async move {
            let from = self.0.join(digest.to_string());
            fs::copy(&from, to).map(drop).map_err(|_| BlobError::Missing(*digest))
        })
    }

    fn store<'a>(&'a self, from: &'a Path) -> Transfer<'a, Stored> {
        Box::pin(async move {
            let bytes = fs::read(from).map_err(|error| BlobError::File(from.into(), error))?;
            let digest = Digest(*blake3::hash(&bytes).as_bytes());
            fs::write(self.0.join(digest.to_string()), &bytes)
                .map_err(|error| BlobError::File(from.into(), error))?;
            Ok(Stored { digest, size: bytes.len() as u64 })
        })
    }
}

impl Mill {
    /// A welcomed worker with 4 CPUs and all handlers, sharing the folder `shared` of its home.
    pub async fn start() -> Mill {
        Mill::start_as(|_| {}).await
    }

    /// The same with something about it changed.
    pub async fn start_as(change: impl FnOnce(&mut WorkerConfig)) -> Mill {
        let home = tempfile::tempdir().unwrap();
        for folder in ["shared", "blobs"] {
            fs::create_dir(home.path().join(folder)).unwrap();
        }
        let (sender, from) = mpsc::channel(1_024);
        let (to, receiver) = mpsc::channel(1_024);
        let blobs = Arc::new(FolderBlobs(home.path().join("blobs")));
        let connection = Connection::InProcess { sender, receiver, blobs };
        let mut config = config(home.path());
        change(&mut config);
        let shutdown = Shutdown::new();
        let asked = shutdown.clone();
        let worker =
            tokio::spawn(async move { gristmill_worker::run(config, connection, &asked).await });
        let mut mill = Mill { home, shutdown, to, from, worker, logs: Vec::new() };
        assert!(matches!(mill.hear().await, FromWorker::Hello(_)));
        mill.say(welcome()).await;
        mill
    }

    /// A path in the shared folder.
    pub fn shared(&self, name: &str) -> PathBuf {
        self.home.path().join("shared").join(name)
    }

    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.home.path().join("blobs").join(digest.to_string())
    }

    pub async fn say(&self, frame: ToWorker) {
        self.to.send(frame).await.unwrap();
    }

    pub async fn hear(&mut self) -> FromWorker {
        timeout(PATIENCE, self.from.recv()).await.expect("the worker is silent").unwrap()
    }

    pub async fn run(&self, assignment: Assignment) {
        self.say(ToWorker::Run(vec![assignment])).await;
    }

    /// Waits for the next report, keeping what is logged on the way, and settles it.
    pub async fn ended(&mut self) -> Ended {
        loop {
            match self.hear().await {
                FromWorker::Ended(mut batch) => {
                    assert_eq!(batch.len(), 1, "one attempt at a time");
                    let ended = batch.remove(0);
                    self.say(ToWorker::Settled(vec![ended.attempt])).await;
                    return ended;
                }
                FromWorker::Log { stream, bytes, .. } => self.logs.push((stream, bytes)),
                _ => {}
            }
        }
    }

    /// Waits until so much has been logged.
    pub async fn logged(&mut self, wanted: &str) {
        while !self.log(Stream::Stdout).contains(wanted) {
            match self.hear().await {
                FromWorker::Log { stream, bytes, .. } => self.logs.push((stream, bytes)),
                FromWorker::Ended(batch) => panic!("ended without `{wanted}`: {batch:?}"),
                _ => {}
            }
        }
    }

    pub fn log(&self, stream: Stream) -> String {
        let of = |entry: &&(Stream, Vec<u8>)| entry.0 == stream;
        let bytes: Vec<u8> =
            self.logs.iter().filter(of).flat_map(|(_, bytes)| bytes.clone()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Runs one attempt to its success.
    pub async fn succeeds(&mut self, assignment: Assignment) -> Success {
        self.run(assignment).await;
        match self.ended().await.outcome {
            Outcome::Succeeded(success) => success,
            Outcome::Failed(failure) => panic!("expected success, got {failure:?}"),
        }
    }

    /// Runs one attempt to its failure.
    pub async fn fails(&mut self, assignment: Assignment) -> Failure {
        self.run(assignment).await;
        self.failed().await
    }

    pub async fn failed(&mut self) -> Failure {
        match self.ended().await.outcome {
            Outcome::Failed(failure) => failure,
            Outcome::Succeeded(success) => panic!("expected a failure, got {success:?}"),
        }
    }

    /// Waits for the worker's end.
    pub async fn left(mut self) -> Result<(), WorkerError> {
        let hear_out = async { while self.from.recv().await.is_some() {} };
        timeout(PATIENCE, hear_out).await.expect("the worker does not leave");
        self.worker.await.unwrap()
    }

    /// Names in the worker's scratch folder.
    pub fn scratch(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.home.path().join("scratch")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

pub fn config(home: &Path) -> WorkerConfig {
    WorkerConfig {
        name: "mill".into(),
        handlers: vec!["command".into(), "images".into()],
        cpus: 4,
        memory: 0,
        named: BTreeMap::new(),
        labels: BTreeMap::new(),
        devices: Claimed::default(),
        sessions: Vec::new(),
        shared_roots: vec![home.join("shared")],
        scratch: home.join("scratch"),
        prefetch: 64,
        parts: None,
        stop_grace: Duration::from_millis(300),
    }
}

pub fn welcome() -> ToWorker {
    ToWorker::Welcome(Welcome {
        worker: WorkerId(1),
        heartbeat: Span::seconds(1),
        lease: Span::seconds(15),
        stale: vec![],
    })
}

/// A program to run, as words.
pub fn command(argv: &[&str]) -> Assignment {
    assignment(Handler::Command(CommandSpec {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        shell: false,
        env: BTreeMap::new(),
    }))
}

/// A line for a shell.
pub fn shell(line: &str) -> Assignment {
    assignment(Handler::Command(CommandSpec {
        argv: vec![line.into()],
        shell: true,
        env: BTreeMap::new(),
    }))
}

pub fn assignment(handler: Handler) -> Assignment {
    Assignment {
        attempt: AttemptId(1),
        job: JobId(2),
        batch: BatchId(3),
        stage: "work".into(),
        number: 1,
        handler,
        resources: Resources::default(),
        timeout: None,
        input: Payload::empty(),
        output: None,
        seat: None,
        alone: false,
    }
}

/// Waits until something outside the link has come true.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}
