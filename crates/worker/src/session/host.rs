//! A host's process: started with its end of a socket, its devices and a folder, and ended with all
//! that it has started.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gristmill_model::Span;
use gristmill_model::attempt::{Failure, FailureKind};
use gristmill_model::host::{FD_VARIABLE, ToHost};
use tokio::net::UnixStream;

use super::frames::Frames;
use super::output::Output;
use super::work::SessionWork;
use crate::core::Opening;
use crate::equipment::cpus;
use crate::lifeline::MARK;
use crate::process::{Running, Tree};
use crate::workshop::Workshop;

/// Variables of the worker that are no business of a session.
const SECRET: [&str; 1] = ["GRISTMILL_TOKEN"];

/// A host that was started.
pub(super) struct Host {
    shop: Arc<Workshop>,
    pub(super) frames: Frames,
    pub(super) output: Output,
    pub(super) folder: PathBuf,
    running: Running,
    tree: Tree,
    /// What it had taken, and when that was looked up.
    taken: Option<(Instant, Taken)>,
}

/// What a host has taken is looked up again after this long: the kernel counts in hundredths of a
/// second, so more often would tell nothing new.
const MOMENT: Duration = Duration::from_millis(10);

/// CPU time so far, and the most memory at a time in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    pub(super) cpu: Span,
    pub(super) peak_memory: u64,
}

impl Host {
    /// Starts the process.
    ///
    /// # Errors
    /// A failure that names what could not be started or made.
    pub(super) fn start(
        shop: &Arc<Workshop>,
        work: &SessionWork,
        opening: &Opening,
    ) -> Result<Host, Failure> {
        let cannot = |what: &str, error: io::Error| {
            let message = format!("cannot {what} for session {}: {error}", work.name);
            Failure::new(FailureKind::Failed, "session_not_started", message)
        };
        let folder = shop.sessions_folder.join(opening.session.to_string());
        fs::create_dir_all(&folder).map_err(|error| cannot("make a folder", error))?;
        let (ours, theirs) = pair().map_err(|error| cannot("make a socket", error))?;
        let mut command = command(shop, work, opening, theirs.as_raw_fd());
        let devices: Vec<u16> = opening.holds.iter().map(|hold| hold.device).collect();
        let placed = shop.equipment.place(&devices, work.cpus(), &mut command);
        placed.map_err(|error| cannot("share locks", error))?;
        let mut running = Running::start(&mut command).map_err(|error| {
            let program = work.host.first().map(|word| word.to_string_lossy()).unwrap_or_default();
            cannot(&format!("start `{program}`"), error)
        })?;
        let own = format!("GRISTMILL_SESSION={}", opening.session);
        let tree = Tree::new(running.pid, shop.environment.mark(), own);
        let output = Output::new(running.stdout.take(), running.stderr.take());
        Ok(Host {
            shop: Arc::clone(shop),
            frames: Frames::new(ours),
            output,
            folder,
            running,
            tree,
            taken: None,
        })
    }

    /// The process, which leads its group.
    pub(super) fn pid(&self) -> libc::pid_t {
        self.running.pid
    }

    /// What it took so far, as of a moment ago; nothing where the system does not tell.
    pub(super) fn taken(&mut self) -> Taken {
        let fresh = self.taken.filter(|(at, _)| at.elapsed() < MOMENT);
        let looked = fresh.unwrap_or_else(|| (Instant::now(), taken(self.running.pid)));
        self.taken = Some(looked);
        looked.1
    }

    /// Asks it to end, ends it where it does not, and all that it has started. Returns how it
    /// ended.
    pub(super) async fn end(mut self, politely: bool) -> String {
        let grace = self.shop.stop_grace;
        if politely && self.frames.say(&ToHost::Close {}).await.is_ok() {
            let _ = tokio::time::timeout(grace, self.running.ended()).await;
        }
        self.tree.kill_group();
        self.running.ended().await;
        let status = self.running.reap();
        self.tree.hunt_strays().await;
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "cannot remove a session's folder");
        }
        match (status.exit_code, status.signal) {
            (Some(code), _) => format!("it ended with status {code}"),
            (None, Some(signal)) => format!("it was ended by signal {signal}"),
            (None, None) => "it ended".to_owned(),
        }
    }
}

fn command(shop: &Workshop, work: &SessionWork, opening: &Opening, socket: RawFd) -> Command {
    let (program, arguments) = work.host.split_first().expect("a host is a program");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(&work.folder)
        .env(FD_VARIABLE, socket.to_string())
        .env("GRISTMILL_SESSION", opening.session.to_string())
        .env(MARK, shop.environment.mark())
        .envs(variables(shop, work, opening))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    SECRET.iter().for_each(|name| {
        command.env_remove(name);
    });
    let keep_open = move || {
        // SAFETY: one call on a descriptor that the parent holds open until the child has started;
        // it is safe between fork and exec.
        let set = unsafe { libc::fcntl(socket, libc::F_SETFD, 0) };
        if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: the closure makes one system call and touches no memory of the parent's.
    unsafe { command.pre_exec(keep_open) };
    command
}

fn variables(shop: &Workshop, work: &SessionWork, opening: &Opening) -> Vec<(OsString, OsString)> {
    let devices: Vec<u16> = opening.holds.iter().map(|hold| hold.device).collect();
    let booked = cpus::variables(work.cpus());
    // What a person has said to this worker counts for more than what was booked.
    let unsaid = booked.into_iter().filter(|(name, _)| std::env::var_os(name).is_none());
    unsaid.chain(shop.equipment.variables(&devices)).collect()
}

/// Both ends of a socket; neither is inherited unless a child asks for it.
fn pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, OwnedFd::from(theirs)))
}

/// What a process has taken, from the system's files about it.
fn taken(pid: libc::pid_t) -> Taken {
    read_taken(pid).unwrap_or_default()
}

fn read_taken(pid: libc::pid_t) -> Option<Taken> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows it is plain.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    // The kernel tells user time in hundredths of a second, whatever its own clock.
    Some(Taken { cpu: Span::millis(ticks * 10), peak_memory: kibibytes * 1024 })
}
