//! `gristmill serve`: the server, until a signal ends it.

mod mill;

use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gristmill_model::Span;
use gristmill_model::limits::{self, Timing};
use gristmill_model::problem::{Rejection, exit};
use gristmill_server::{Config, Durability, Handle, Listen, Server, StartError};
use tracing_subscriber::EnvFilter;

use mill::Mill;

use super::work::{Gear, Offers};
use crate::args::Context;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::output::say;

/// Run a server: HTTP API, worker link and status page on one port
#[derive(Debug, clap::Args)]
#[command(after_help = "\
On a loopback address everybody on this machine may use it. Anywhere else a token guards it; the
token is shown once, at the first such start. Ctrl-C or SIGTERM ends it; running work goes on at the
workers and is taken up again at the next start.")]
pub struct Args {
    /// Where to listen [env: GRISTMILL_SERVE_BIND] [default: 127.0.0.1:7077]
    #[arg(long, value_name = "HOST:PORT")]
    bind: Option<String>,
    /// Ask for the token on a loopback address too, as behind a proxy
    #[arg(long)]
    require_token: bool,
    /// Where everything lies [env: GRISTMILL_SERVE_DATA] [default: ~/.local/share/gristmill]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What an acknowledgement waits for: the disk, so that it survives a power cut, or only the
    /// system, so that it survives the end of this process
    #[arg(long, value_name = "WHAT", default_value = "disk")]
    durability: Survives,
    /// How long a worker that says nothing keeps its work [default: 15s]
    #[arg(long, value_name = "SPAN")]
    lease: Option<Span>,
    /// How long a finished batch can be retried and its keys are known [default: 1day]
    #[arg(long, value_name = "SPAN")]
    keep_finished: Option<Span>,
    /// Work too: keep this function loaded and run it, as app.py:generate; may be given again
    #[arg(long = "work", value_name = "ENTRY")]
    work: Vec<String>,
    #[command(flatten)]
    offers: Offers,
    #[command(flatten)]
    gear: Gear,
    /// How many of the newest events the log keeps one by one, or `all` [default: 500000]
    #[arg(long, value_name = "N")]
    keep_events: Option<Keep>,
}

/// How many events are kept one by one at least; nothing for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Keep(Option<u64>);

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Keep, String> {
        match text {
            "all" => Ok(Keep(None)),
            text => text.parse().map(|kept| Keep(Some(kept))).map_err(|_| {
                format!("`{text}` is no number of events: expected one like 500000, or `all`")
            }),
        }
    }
}

/// What `--durability` may be.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Survives {
    Disk,
    System,
}

impl From<Survives> for Durability {
    fn from(survives: Survives) -> Durability {
        match survives {
            Survives::Disk => Durability::Full,
            Survives::System => Durability::Normal,
        }
    }
}

/// What `--lease` may be: a worker speaks five times in each.
const LEASES: RangeInclusive<Span> = Span::seconds(1)..=Span::seconds(600);

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    start_tracing();
    let settled = args.bind.as_deref().or_else(|| context.settings.text("serve.bind"));
    let bind = address(settled.unwrap_or_default())?;
    let data = data_folder(context, args.data.as_deref())?;
    let interrupt = Interrupt::listen("Stopping; press Ctrl-C again to stop at once.")?;
    let mut timing = args.lease.map_or_else(|| Ok(Timing::default()), timing)?;
    timing.keep_finished = args.keep_finished.unwrap_or(timing.keep_finished);
    if matches!(args.durability, Survives::System) {
        say("Acknowledged work survives the end of this process, but not a power cut.");
    }
    let Keep(keep_events) = args.keep_events.unwrap_or(Keep(Some(limits::KEPT_EVENTS)));
    let durability = args.durability.into();
    let config = Config { data: data.clone(), durability, timing, keep_events };
    let mut server = Server::open(config).map_err(|error| refused(&error))?;
    let listen = Listen { bind, require_token: args.require_token };
    let listener = server.listen(listen).map_err(|error| refused(&error))?;
    announce(context, listener.address(), &data, listener.new_token())?;
    let handle = server.handle();
    let mill = start_mill(context, args, &handle).await?;
    let failure = tokio::select! {
        () = interrupt.asked() => None,
        why = handle.failed() => Some(why),
    };
    if let Some(mill) = mill {
        mill.stop().await;
    }
    listener.close().await;
    drop(handle);
    tokio::task::spawn_blocking(move || server.close())
        .await
        .map_err(|error| Error::internal(format!("the server did not close: {error}")))?;
    match failure {
        Some(why) => Err(failed(&why)),
        None => {
            say("Stopped.");
            Ok(exit::OK)
        }
    }
}

/// A worker in this process, where something is to be worked on here.
async fn start_mill(context: &Context, args: &Args, handle: &Handle) -> Result<Option<Mill>> {
    if args.work.is_empty() && !args.offers.any() {
        return Ok(None);
    }
    let sessions = args.offers.gather(&args.work).await?;
    let name = super::work::name(context, None);
    let devices = args.gear.claim(&name).await?;
    Mill::start(handle, name, sessions, devices).map(Some)
}

/// The other spans in the same proportion to the lease as by default.
fn timing(lease: Span) -> Result<Timing> {
    if !LEASES.contains(&lease) {
        let (least, most) = (LEASES.start(), LEASES.end());
        return Err(Error::usage(format!("--lease is {lease}: expected {least} to {most}")));
    }
    let usual = Timing::default();
    let scaled = |span: Span| Span(span.0 * lease.0 / usual.lease.0);
    Ok(Timing {
        lease,
        heartbeat: scaled(usual.heartbeat),
        disconnect_grace: scaled(usual.disconnect_grace),
        restart_grace: scaled(usual.restart_grace),
        timeout_grace: usual.timeout_grace,
        keep_finished: usual.keep_finished,
    })
}

/// One line that says where; the token beside it when it is seen for the first and only time.
fn announce(
    context: &Context,
    address: SocketAddr,
    data: &Path,
    token: Option<&str>,
) -> Result<()> {
    let url = format!("http://{address}");
    if context.output.json {
        let mut line = serde_json::json!({ "url": url, "data": data });
        if let Some(token) = token {
            line["token"] = token.into();
        }
        return context.output.json(&line);
    }
    context.output.line(format!("gristmill serves {url} from {}", data.display()))?;
    if let Some(token) = token {
        context.output.line(format!("Token, shown this once: {token}"))?;
    }
    Ok(())
}

/// The folder that was settled on, or the usual one.
pub fn data_folder(context: &Context, given: Option<&Path>) -> Result<PathBuf> {
    let settled = given.or_else(|| context.settings.text("serve.data").map(Path::new));
    if let Some(folder) = settled {
        return std::path::absolute(folder).map_err(|error| Error::file("use", folder, &error));
    }
    std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".local/share")))
        .map(|folder| folder.join("gristmill"))
        .ok_or_else(|| {
            Error::usage("there is no home folder to keep data in").hint("name one with --data")
        })
}

/// A bind address as people write it: a name is looked up.
fn address(text: &str) -> Result<SocketAddr> {
    let refuse = |why: &str| {
        Error::usage(format!("cannot listen on `{text}`: {why}"))
            .hint("write it like 127.0.0.1:7077, [::1]:7077 or 0.0.0.0:7077")
    };
    let mut found = text.to_socket_addrs().map_err(|error| refuse(&crate::error::cause(&error)))?;
    found.next().ok_or_else(|| refuse("it has no address"))
}

/// Why a server does not start.
pub fn refused(error: &StartError) -> Error {
    let (what, way_out) = split(&error.to_string());
    Error { exit: error.exit(), message: what, hint: way_out }
}

/// Why a server that ran has ended.
fn failed(why: &Rejection) -> Error {
    let (what, way_out) = split(&why.detail);
    Error { hint: way_out, ..Error::new(why.code.exit(), what) }
}

/// The server's own words end in the way out.
pub fn split(text: &str) -> (String, Option<String>) {
    match text.rsplit_once("; ").or_else(|| text.rsplit_once(": ")) {
        Some((what, way_out)) => (what.to_owned(), Some(way_out.to_owned())),
        None => (text.to_owned(), None),
    }
}

/// What a server and a worker tell of themselves, on standard error; GRISTMILL_LOG says how much.
pub fn start_tracing() {
    let filter =
        EnvFilter::try_from_env("GRISTMILL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .init();
}
