//! A running server: opens what lies in the data folder, in the order in which one thing rests on
//! another, and closes it in the opposite order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gristmill_engine::Engine;
use gristmill_model::limits::{self, Timing};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{Moment, Span, Time};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use crate::blobs::{self, Blobs};
use crate::callback;
use crate::compactor::{Compactor, Mill};
use crate::core::{self, Core, Message};
use crate::feed::{self, Committed, Tail};
use crate::folder::Folder;
use crate::follower::{Follower, Tables};
use crate::handle::{Handle, Shared};
use crate::http::{Listen, Listener};
use crate::lists::Lists;
use crate::log::{Durability, Log, SqliteLog};
use crate::logs::Logs;
use crate::start_error::StartError;
use crate::token;
use crate::wall;

/// What a server needs to be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder in which everything lies.
    pub data: PathBuf,
    /// What an acknowledgement waits for.
    pub durability: Durability,
    /// How fast dead workers are noticed.
    pub timing: Timing,
    /// How many of the newest events the log keeps one by one at least; of those before them only
    /// what they led to is kept, once that is worth the work. Nothing keeps them all.
    pub keep_events: Option<u64>,
}

/// A server that runs on a data folder; it stops when this is dropped.
pub struct Server {
    handle: Handle,
    inbox: mpsc::Sender<Message>,
    core: Option<JoinHandle<()>>,
    follower: Option<Follower>,
    compactor: Option<Compactor>,
    folder: Folder,
    /// What was recovered, until it is told.
    recovered: Option<Recovered>,
}

struct Recovered {
    events: u64,
    kept_after: u64,
    jobs: usize,
}

impl Server {
    /// Opens a data folder, or makes one, recovers what its log tells, and starts.
    ///
    /// # Errors
    /// What cannot be used, and the way out.
    pub fn open(config: Config) -> Result<Server, StartError> {
        let folder = Folder::open(&config.data)?;
        blobs::sweep(&folder.blobs()).map_err(|source| {
            let path = folder.blobs();
            StartError::Folder(crate::folder::FolderError::Unusable { path, source })
        })?;
        let log = SqliteLog::open(&folder.log(), config.durability)?;
        Server::run(folder, Box::new(log), &config)
    }

    fn run(folder: Folder, mut log: Box<dyn Log>, config: &Config) -> Result<Server, StartError> {
        let (started, timing) = (Instant::now(), config.timing);
        let reader = log.reader()?;
        let mut engine = Engine::new(timing);
        let (before, tail) = (log.last(), Arc::new(Tail::new(0)));
        let mut tables = Tables::open(&folder.read(), &*reader, before)?;
        core::recover(&mut engine, &*reader, before, &mut tables, &tail)?;
        let through = reader.base()?.map_or(0, |base| base.through);
        let (events, jobs) = (log.last(), engine.state().live_jobs());
        let recovered = Some(Recovered { events, kept_after: through, jobs });
        let at = begin(engine.state().at());
        let mut records = Vec::new();
        engine.start(at, env!("CARGO_PKG_VERSION"), &mut records);
        let last = log.append(&records)?;
        let changes = engine.take_changes();
        tables.take(last, &changes)?;
        tail.recall(Arc::new(Committed::new(last, records, changes)));

        let (publisher, feed) = feed::feed(Arc::clone(&tail));
        let (follower, read) = Follower::start(&folder.read(), tables, Arc::clone(&tail))?;
        feed.trace();
        let through = Arc::new(AtomicU64::new(through));
        let compactor = match config.keep_events {
            None => None,
            Some(kept) => Some(
                Compactor::start(Mill {
                    log: log.reader()?,
                    compaction: log.compaction()?,
                    tail: Arc::clone(&tail),
                    tables: folder.read(),
                    timing,
                    kept,
                    through: Arc::clone(&through),
                })
                .map_err(StartError::Thread)?,
            ),
        };
        let ended = publisher.ended();
        let (inbox, messages) = mpsc::channel(limits::INBOX);
        let (fails, failed) = watch::channel(None);
        let core =
            Core::new(engine, log, Box::new(wall::clock), messages, publisher, fails.clone());
        let core = thread::Builder::new()
            .name("core".into())
            .spawn(move || supervise(core, &fails))
            .map_err(StartError::Thread)?;
        let blobs = Blobs::local(&folder.blobs())?;
        let handle = Handle::new(Shared {
            inbox: inbox.clone(),
            failed,
            feed,
            read,
            lists: Lists::new(blobs.clone()),
            blobs,
            logs: Logs::new(&folder.logs()),
            timing,
            started,
            kept_after: through,
        });
        // Without a runtime nobody can be called; what is due stays written down.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(callback::serve(handle.clone(), ended));
        }
        let (core, follower) = (Some(core), Some(follower));
        Ok(Server { handle, inbox, core, follower, compactor, folder, recovered })
    }

    /// A handle, by which the server is spoken to.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Opens a port: HTTP API, worker link and status page. Needs a tokio runtime to run in.
    ///
    /// # Errors
    /// The address cannot be had, or the token not be read or made.
    pub fn listen(&mut self, listen: Listen) -> Result<Listener, StartError> {
        let socket = std::net::TcpListener::bind(listen.bind)
            .map_err(|source| StartError::of_address(listen.bind, source))?;
        // Told only now: of a server that finds its address taken nothing came back to life.
        if let Some(Recovered { events, kept_after, jobs }) = self.recovered.take() {
            tracing::info!(events, kept_after, jobs, "recovered");
        }
        let (guard, shown) = if listen.is_guarded() {
            let (hash, shown) = token::open(&self.folder.token())?;
            (Some(hash), shown)
        } else {
            (None, None)
        };
        let listener = Listener::start(socket, listen.bind, guard, shown, self.handle())?;
        self.folder.announce(&format!("http://{}", listener.address()))?;
        Ok(listener)
    }

    /// Stops: what was asked before is still answered, and all is closed when this returns. It
    /// blocks for as long as a few writes to the disk take.
    pub fn close(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        // Full or not, the core loop is reading, so there is room in a moment; or it has ended.
        while let Err(TrySendError::Full(_)) = self.inbox.try_send(Message::Stop) {
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(core) = self.core.take() {
            // A panic was told by `supervise`.
            let _ = core.join();
        }
        // The core loop took the feed's sender with it, so those who live by its tail end.
        if let Some(compactor) = self.compactor.take() {
            compactor.join();
        }
        if let Some(follower) = self.follower.take() {
            follower.join();
        }
    }
}

/// Runs the core loop. Should it panic, which is a bug, the process hears of it and nothing more is
/// acknowledged.
fn supervise(core: Core, fails: &watch::Sender<Option<Rejection>>) {
    if catch_unwind(AssertUnwindSafe(|| core.run())).is_err() {
        let detail = "the core loop panicked: its message stands above; start the server again";
        fails.send_replace(Some(Rejection::new(Code::Internal, detail)));
    }
}

/// The moment of a start: the server's own clock goes on where the log ends, which for an empty log
/// is wherever the wall clock stands.
fn begin(last: Moment) -> Moment {
    let wall = wall::clock();
    if last.wall > wall + limits::WALL_ASTRAY {
        let (ends, ahead) = (last.wall, Span::seconds(last.wall.since(wall).0 / 1_000_000));
        tracing::warn!(
            "the log ends at {ends}, {ahead} ahead of the clock of this machine: one of the two is \
             wrong. What is to happen at a given time happens when the clock shows it"
        );
    }
    Moment { now: if last.now == Time::default() { wall } else { last.now }, wall }
}
