//! Starting a program and learning how it ended.
//!
//! Nothing here needs code between fork and exec, so the standard library takes its fast way
//! (`posix_spawn`, which does not copy the worker's page tables). The end is awaited through a
//! pidfd, and the process is reaped by hand with `wait4`, which alone tells what it used.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gristmill_model::Span;
use gristmill_model::attempt::{Failure, FailureKind};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::Receiver;

use super::environment::{self, Variables};
use crate::claims::{Claim, Claims, Starting};

/// All that is needed to start a program.
#[derive(Debug)]
pub(super) struct Launch {
    /// What the template calls it.
    pub(super) program: String,
    path: PathBuf,
    arguments: Vec<String>,
    variables: Variables,
    folder: PathBuf,
}

/// A program that was started.
#[derive(Debug)]
pub(super) struct Running {
    /// Its process, which also leads its process group.
    pub(super) pid: libc::pid_t,
    pub(super) stdout: Option<Receiver>,
    pub(super) stderr: Option<Receiver>,
    end: AsyncFd<OwnedFd>,
    _claim: Claim<'static>,
}

/// How a program ended and what it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status {
    pub(super) exit_code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) cpu: Span,
    pub(super) peak_memory: u64,
}

impl Launch {
    pub(super) fn new(
        argv: Vec<String>,
        variables: Variables,
        folder: PathBuf,
    ) -> Result<Launch, Failure> {
        let mut words = argv.into_iter();
        let program = words.next().unwrap_or_default();
        let Some(path) = environment::find(&program, &variables, &folder) else {
            return Err(not_found(&program, &folder));
        };
        Ok(Launch { program, path, arguments: words.collect(), variables, folder })
    }
}

/// Starts a program in a process group of its own.
pub(super) fn spawn(launch: &Launch) -> Result<Running, Failure> {
    let starting = Claims::of_this_process().starting();
    let child = Command::new(&launch.path)
        .args(&launch.arguments)
        .env_clear()
        .envs(launch.variables.iter().map(|(name, value)| (name, value)))
        .current_dir(&launch.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let attended = child.and_then(|child| attend(child, starting));
    attended.map_err(|error| not_started(&launch.program, &error))
}

fn attend(child: Child, starting: Starting<'static>) -> io::Result<Running> {
    let pid = child.id().cast_signed();
    let claim = starting.claim(pid);
    let attended = || -> io::Result<Running> {
        let stdout = child.stdout.map(OwnedFd::from).map(Receiver::from_owned_fd).transpose()?;
        let stderr = child.stderr.map(OwnedFd::from).map(Receiver::from_owned_fd).transpose()?;
        let pidfd = pidfd(pid)?;
        // SAFETY: `AsyncFd` owns the descriptor from here on and is the only one to close it.
        let end = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?;
        Ok(Running { pid, stdout, stderr, end, _claim: claim })
    };
    attended().inspect_err(|_| {
        // Out of descriptors: what cannot be watched must not run.
        // SAFETY: `pid` is our own child and not reaped yet, so the id is still its own.
        unsafe {
            libc::kill(-pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
    })
}

fn pidfd(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers and returns a new descriptor or an error.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just given us this descriptor and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

impl Running {
    /// Waits for the program's end without reaping it: its id stays its own until `reap`.
    pub(super) async fn ended(&self) {
        loop {
            match self.end.readable().await {
                Ok(_) if has_ended(self.end.get_ref()) => return,
                Ok(mut guard) => guard.clear_ready(),
                // The runtime is closing down.
                Err(_) => return,
            }
        }
    }

    /// Takes the ended process off the system's list.
    pub(super) fn reap(&self) -> Status {
        let mut status = 0;
        // SAFETY: a zeroed `rusage` is a valid one.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: `pid` is our own child, reaped only here; both places are valid for writing.
        let reaped = unsafe { libc::wait4(self.pid, &raw mut status, 0, &raw mut usage) };
        let exit_code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
        Status {
            exit_code: exit_code.filter(|_| reaped == self.pid),
            signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
            cpu: Span(span(usage.ru_utime).0 + span(usage.ru_stime).0),
            peak_memory: peak_memory(&usage),
        }
    }
}

fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut poll = libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid `pollfd`, and no waiting.
    unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
}

/// A program that is started the fast way inherits the worker's own peak until it is replaced, so
/// a smaller figure than the worker's says nothing and is not reported.
fn peak_memory(usage: &libc::rusage) -> u64 {
    // SAFETY: a zeroed `rusage` is a valid one, and a valid place for the result.
    let own = unsafe {
        let mut own: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut own);
        own
    };
    let kibibytes = if usage.ru_maxrss > own.ru_maxrss { usage.ru_maxrss } else { 0 };
    u64::try_from(kibibytes).unwrap_or_default() * 1024
}

fn span(time: libc::timeval) -> Span {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Span(seconds * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or_default())
}

/// Says where a program was looked for, and the way out.
fn not_found(program: &str, folder: &Path) -> Failure {
    let path = Path::new(program);
    let message = if !program.contains('/') {
        format!(
            "there is no program `{program}` on this worker's PATH; install it there, or name it by \
             an absolute path"
        )
    } else if folder.join(path).is_file() {
        format!("`{program}` is a file on this worker that may not be run; make it executable")
    } else if path.is_absolute() {
        format!(
            "there is no program `{program}` on this worker's machine; put it there, or name one \
             that is on the worker's PATH"
        )
    } else {
        format!(
            "there is no program `{program}` in the attempt's own folder, which begins empty; name \
             it by an absolute path, or one that is on the worker's PATH"
        )
    };
    Failure::new(FailureKind::Invalid, "program_not_found", message)
}

fn not_started(program: &str, error: &io::Error) -> Failure {
    let (kind, code) = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            (FailureKind::Invalid, "program_not_found")
        }
        io::ErrorKind::ArgumentListTooLong => (FailureKind::Invalid, "arguments_too_long"),
        _ => (FailureKind::Failed, "not_started"),
    };
    Failure::new(kind, code, format!("cannot start `{program}`: {error}"))
}
