//! `gristmill work --server URL`: a worker on this machine.

mod gear;
pub mod offer;
mod python;

use std::path::PathBuf;
use std::time::Duration;

use gristmill_model::limits;
use gristmill_model::problem::exit;
use gristmill_worker::{Connection, Shutdown, WorkerConfig, WorkerError, probe};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{self, Context};
use crate::client::Client;
use crate::cmd::submit::quantities::{amount, pair};
pub use gear::Gear;
pub use offer::Offers;

use crate::error::{Error, Result, cause};
use crate::output::say;

/// Work for a server: join it, take jobs, leave when asked
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The first Ctrl-C or SIGTERM lets the worker finish what it holds; the second one ends it, and the
server gives its work to others. A server that restarts or is away is waited for.")]
pub struct Args {
    #[command(flatten)]
    connection: args::Connection,
    /// CPUs to give [default: all that this process may use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cpus: Option<u32>,
    /// What to run beside ENTRY: images, command [default: both where there is no ENTRY; command
    /// only as --allow-command says]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    handlers: Option<Vec<String>>,
    /// Run any program that a server beyond this machine asks for
    #[arg(long)]
    allow_command: bool,
    /// A folder that submitters see under the same path; may be given again
    /// [default: everything, for a server on this machine]
    #[arg(long, value_name = "DIR")]
    shared_disk: Vec<PathBuf>,
    /// Share no folder, also with a server on this machine
    #[arg(long, conflicts_with = "shared_disk")]
    no_shared_disk: bool,
    /// A label that stages may require or prefer, as gpu=a100; may be given again
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// A named resource to give, as licence=3; may be given again
    #[arg(long = "named", visible_alias = "resource", value_name = "NAME=AMOUNT", value_parser = amount)]
    named: Vec<(String, u32)>,
    /// What to be called [default: the machine's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Functions to keep loaded and to run, as app.py:generate
    #[arg(value_name = "ENTRY")]
    entries: Vec<String>,
    #[command(flatten)]
    offers: Offers,
    #[command(flatten)]
    gear: Gear,
}

impl Args {
    /// Who is started for something of its own does nothing else unless it is asked to.
    pub fn keeps_sessions_only(&self) -> bool {
        self.handlers.is_none() && (self.offers.any() || !self.entries.is_empty())
    }
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    super::serve::start_tracing();
    let settings = &context.settings;
    let client = args.connection.client(settings)?;
    let scratch = tempfile::Builder::new()
        .prefix("gristmill-work-")
        .tempdir()
        .map_err(|error| Error::file("make a folder in", &std::env::temp_dir(), &error))?;
    let name = name(context, args.name.as_deref());
    let sessions = args.offers.gather(&args.entries).await?;
    let config = WorkerConfig {
        devices: args.gear.claim(&name).await?,
        name,
        handlers: handlers(context, args, &client)?,
        cpus: args.cpus.or_else(|| settings.count("work.cpus")).unwrap_or_else(probe::cpus),
        memory: probe::memory(),
        named: args.named.iter().cloned().collect(),
        labels: args.labels.iter().cloned().collect(),
        sessions,
        shared_roots: shared(context, args, &client),
        scratch: scratch.path().to_owned(),
        prefetch: limits::PREFETCH,
        parts: None,
        stop_grace: stop_grace(),
    };
    say(format!("Working for {} as {}.", client.server(), summary(&config)));
    let server = client.server().to_owned();
    let token = args.connection.token(settings).map(str::to_owned);
    let shutdown = Shutdown::new();
    listen(shutdown.clone())?;
    let connection = Connection::WebSocket { server, token };
    gristmill_worker::run(config, connection, &shutdown).await.map_err(refused)?;
    say("Left.");
    Ok(exit::OK)
}

/// What a worker is called: as was said, or like its machine.
pub fn name(context: &Context, given: Option<&str>) -> String {
    let settled = given.or_else(|| context.settings.text("work.name"));
    settled.map_or_else(probe::host_name, str::to_owned)
}

/// Who a worker is and what it has to give, in a line.
pub fn summary(config: &WorkerConfig) -> String {
    let sessions = config.sessions.iter().map(|work| work.name.as_str());
    let runs: Vec<&str> = config.handlers.iter().map(String::as_str).chain(sessions).collect();
    let cpus = crate::output::counted(config.cpus.into(), "CPU");
    let devices = config.devices.devices.len() as u64;
    let devices = match devices {
        0 => String::new(),
        some => format!(" and {}", crate::output::counted(some, "device")),
    };
    format!("{}: {} on {cpus}{devices}", config.name, runs.join(" and "))
}

/// How long a program has between TERM and KILL.
pub const fn stop_grace() -> Duration {
    limits::STOP_GRACE.to_std()
}

/// The first signal drains, the second one ends.
fn listen(shutdown: Shutdown) -> Result<()> {
    let hear = |kind| {
        signal(kind)
            .map_err(|error| Error::internal(format!("cannot hear signals: {}", cause(&error))))
    };
    let (mut ctrl_c, mut term) = (hear(SignalKind::interrupt())?, hear(SignalKind::terminate())?);
    tokio::spawn(async move {
        let advice = ["Finishing what is held; again to stop at once.", "Stopping."];
        for word in advice {
            tokio::select! {
                _ = ctrl_c.recv() => {}
                _ = term.recv() => {}
            }
            say(word);
            shutdown.ask();
        }
    });
    Ok(())
}

/// Running any program that somebody on another machine sends is a decision, not a default.
fn handlers(context: &Context, args: &Args, client: &Client) -> Result<Vec<String>> {
    if args.keeps_sessions_only() {
        return Ok(Vec::new());
    }
    let asked = args.handlers.clone();
    let mut handlers = asked.clone().unwrap_or_else(|| context.settings.list("work.handlers"));
    let far = !client.is_loopback() && !args.allow_command;
    if far && handlers.iter().any(|handler| handler == "command") {
        if asked.is_some() {
            return Err(Error::usage(format!(
                "{} is another machine, and handler command would run any program it sends",
                client.server()
            ))
            .hint("add --allow-command if you trust whoever may submit there"));
        }
        handlers.retain(|handler| handler != "command");
        say("Not running programs for another machine: --allow-command would.");
    }
    Ok(handlers)
}

/// With a server on this machine everybody concerned sees the same disk.
fn shared(context: &Context, args: &Args, client: &Client) -> Vec<PathBuf> {
    if args.no_shared_disk {
        return Vec::new();
    }
    if !args.shared_disk.is_empty() {
        return args.shared_disk.clone();
    }
    let settled: Vec<PathBuf> =
        context.settings.list("work.shared_disk").into_iter().map(PathBuf::from).collect();
    if settled.is_empty() && client.is_loopback() { vec![PathBuf::from("/")] } else { settled }
}

/// Why the worker did not start, or was turned away.
pub fn refused(error: WorkerError) -> Error {
    let message = error.to_string();
    match error {
        WorkerError::UnknownHandler(_) | WorkerError::NoHandler => {
            Error::usage(message).hint("--handlers takes images, command or both")
        }
        WorkerError::SharedRoots(_) | WorkerError::Address(_) => Error::usage(message),
        WorkerError::Unauthorized => {
            let code = gristmill_model::problem::Code::Unauthorized;
            Error::new(code.exit(), message).hint(code.advice())
        }
        WorkerError::Refused { code, .. } => Error::new(code.exit(), message).hint(code.advice()),
        WorkerError::Scratch(..) => {
            Error::new(exit::DISK, message).hint("set TMPDIR to a folder with room")
        }
        _ => Error::internal(message),
    }
}
