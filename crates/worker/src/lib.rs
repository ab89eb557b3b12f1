//! Runs attempts: a pure [`core`] that decides, and an edge of links, handlers and processes that
//! acts. The worker knows nothing of the engine; it speaks `gristmill_model::wire`.
//!
//! [`run`] is all that is needed from outside: `gristmill work` calls it with a server's address,
//! local mode with the two ends of an in-process link. Both are the same worker.

pub mod core;
pub mod device;
pub mod probe;

mod attempt;
mod claims;
mod disk;
mod driver;
mod equipment;
mod error;
mod folder;
mod handler;
mod lifeline;
mod link;
mod orphans;
mod process;
mod session;
mod shutdown;
mod threads;
mod uplink;
mod workshop;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gristmill_model::limits;
use gristmill_model::pipeline::BUILT_IN;
use gristmill_model::resources::{Capacity, WorkerShape};
use gristmill_model::wire::{FromWorker, ToWorker};
use gristmill_model::worker::WorkerDescription;
use tokio::sync::mpsc;

use crate::core::{Core, Identity};
use device::Claimed;
use disk::SharedRoots;
use driver::{Driver, Left};
use equipment::Equipment;
use folder::Folders;
use handler::command::Environment;
use handler::images::Pool;
use lifeline::Lifeline;
use link::{Closed, Link};
use orphans::Orphans;
use workshop::Workshop;

pub use error::WorkerError;
pub use link::{Address, BadAddress};
pub use session::{DescribeError, SessionWork, describe};
pub use shutdown::Shutdown;
pub use uplink::{BlobError, Blobs, HttpBlobs, Stored, Transfer};

/// What a worker is to be.
#[derive(Debug)]
pub struct WorkerConfig {
    /// A name for people.
    pub name: String,
    /// Kinds of handler that it runs, of [`BUILT_IN`].
    pub handlers: Vec<String>,
    /// Whole CPUs to give; see [`probe::cpus`].
    pub cpus: u32,
    /// Bytes of memory to give, 0 to leave memory uncounted; see [`probe::memory`].
    pub memory: u64,
    /// Generic resources to give, by name, in thousandths.
    pub named: BTreeMap<String, u32>,
    /// Devices to give.
    pub devices: Claimed,
    /// Functions and models that it keeps loaded in sessions.
    pub sessions: Vec<SessionWork>,
    /// What stages may require or prefer of it.
    pub labels: BTreeMap<String, String>,
    /// Folders that it may read and write for submitters who share its disk; without any, it
    /// takes only work whose files travel as blobs.
    pub shared_roots: Vec<PathBuf>,
    /// Where attempts have their working folders. For this worker alone.
    pub scratch: PathBuf,
    /// Where files are written before they are put in their place: a folder of this worker alone,
    /// on the same disk as all places. Without it they are written beside their place, and what a
    /// killed worker was at is left there.
    pub parts: Option<PathBuf>,
    /// The most attempts to hold beyond those that run; at most [`limits::PREFETCH`].
    pub prefetch: u32,
    /// How long a program has to end after TERM, before KILL; see [`limits::STOP_GRACE`].
    pub stop_grace: Duration,
}

/// The way to the server.
pub enum Connection {
    /// A server behind a socket.
    WebSocket {
        /// Its URL, as in `http://127.0.0.1:7077`.
        server: String,
        /// What it wants to see.
        token: Option<String>,
    },
    /// A server in this process.
    InProcess {
        /// What the worker says.
        sender: mpsc::Sender<FromWorker>,
        /// What it hears.
        receiver: mpsc::Receiver<ToWorker>,
        /// Where blobs are.
        blobs: Arc<dyn Blobs>,
    },
}

/// Works until it is asked to leave, or turned away.
///
/// # Errors
/// What keeps the worker from starting, or why the server did not take it in. A server that is
/// not there is no error: the worker waits for it.
pub async fn run(
    config: WorkerConfig,
    connection: Connection,
    shutdown: &Shutdown,
) -> Result<(), WorkerError> {
    check(&config)?;
    let instance = getrandom::u64()?;
    let mark = format!("{instance:016x}");
    let roots = SharedRoots::new(&config.shared_roots).map_err(WorkerError::SharedRoots)?;
    let (link, blobs) = open(connection)?;
    let (inputs, words) = mpsc::channel(limits::HANDLER_INBOX);
    let runs = |kind: &str| config.handlers.iter().any(|handler| handler == kind);
    let threads = if runs("images") { config.cpus } else { 0 };
    let starts = runs("command") || !config.sessions.is_empty();
    let lifeline = starts.then(|| watch_over(&mark)).flatten();
    let sessions = config.sessions.iter().map(|work| (work.name.clone(), Arc::new(work.clone())));
    let identity = identity(&config, instance);
    let shop = Workshop {
        inputs: inputs.clone(),
        blobs,
        roots,
        folders: Arc::new(Folders::new(&config.scratch)),
        parts: config.parts.clone(),
        images: Pool::new(threads).map_err(WorkerError::Threads)?,
        equipment: Equipment::new(config.devices, inputs.clone()),
        sessions: sessions.collect(),
        data_folder: config.scratch.join("data"),
        bringing: tokio::sync::Mutex::default(),
        sessions_folder: config.scratch.join("sessions"),
        orphans: if starts { Orphans::adopt(&mark) } else { Orphans::none() },
        environment: Environment::of_this_process(mark),
        stop_grace: config.stop_grace,
    };
    let core = Core::new(identity);
    let left = Driver::new(core, Arc::new(shop), link, words).run(shutdown).await;
    if let Some(lifeline) = lifeline {
        lifeline.release();
    }
    verdict(&left)
}

fn check(config: &WorkerConfig) -> Result<(), WorkerError> {
    if config.handlers.is_empty() && config.sessions.is_empty() {
        return Err(WorkerError::NoHandler);
    }
    for handler in &config.handlers {
        if !BUILT_IN.contains(&handler.as_str()) {
            return Err(WorkerError::UnknownHandler(handler.clone()));
        }
    }
    fs::create_dir_all(&config.scratch)
        .map_err(|error| WorkerError::Scratch(config.scratch.clone(), error))
}

fn open(connection: Connection) -> Result<(Link, Arc<dyn Blobs>), WorkerError> {
    Ok(match connection {
        Connection::WebSocket { server, token } => {
            let address = Address::parse(&server, token.as_deref())?;
            let blobs = HttpBlobs::new(&server, token)?;
            (Link::connect(address), Arc::new(blobs))
        }
        Connection::InProcess { sender, receiver, blobs } => {
            (Link::in_process(sender, receiver), blobs)
        }
    })
}

/// Programs should not outlive a worker that is killed; where that cannot be had, work goes on.
fn watch_over(mark: &str) -> Option<Lifeline> {
    Lifeline::start(mark)
        .inspect_err(|error| {
            tracing::warn!(%error, "programs would outlive this worker if it were killed");
        })
        .ok()
}

fn identity(config: &WorkerConfig, instance: u64) -> Identity {
    let (memory, named) = (config.memory, config.named.clone());
    let devices = config.devices.devices.clone();
    let capacity = Capacity { memory, named, devices, ..Capacity::of_cpus(config.cpus) };
    let offers: Vec<_> = config.sessions.iter().map(|work| work.pipeline.clone()).collect();
    let names = offers.iter().map(|pipeline| pipeline.name.clone());
    let shape = WorkerShape {
        capacity,
        handlers: config.handlers.iter().cloned().chain(names).collect(),
        labels: config.labels.clone(),
        shared_disk: !config.shared_roots.is_empty(),
    };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let description = WorkerDescription { name: config.name.clone(), version, shape };
    Identity { instance, description, offers, prefetch: config.prefetch }
}

fn verdict(left: &Left) -> Result<(), WorkerError> {
    if let Some(refusal) = left.core.refusal() {
        let (code, detail) = (refusal.code, refusal.detail.clone());
        return Err(WorkerError::Refused { code, detail });
    }
    match left.closed {
        None => Ok(()),
        Some(Closed::Unauthorized) => Err(WorkerError::Unauthorized),
        Some(Closed::Gone) => Err(WorkerError::ServerGone),
    }
}
