//! A process of this worker's: started, awaited and reaped.
//!
//! The end is awaited through a pidfd, and the process is reaped by hand with `wait4`, which alone
//! tells what it used.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Child, Command};

use gristmill_model::Span;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::Receiver;

use crate::claims::{Claim, Claims, Starting};

/// A program that was started.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its process, which also leads its process group.
    pub(crate) pid: libc::pid_t,
    pub(crate) stdout: Option<Receiver>,
    pub(crate) stderr: Option<Receiver>,
    end: AsyncFd<OwnedFd>,
    _claim: Claim<'static>,
}

/// How a program ended and what it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status {
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) cpu: Span,
    pub(crate) peak_memory: u64,
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
    /// Starts a process that leads a group of its own, and attends to it.
    ///
    /// # Errors
    /// Why it could not be started, or not be watched.
    pub(crate) fn start(command: &mut Command) -> io::Result<Running> {
        let starting = Claims::of_this_process().starting();
        let child = command.spawn()?;
        attend(child, starting)
    }

    /// Waits for the program's end without reaping it: its id stays its own until `reap`.
    pub(crate) async fn ended(&self) {
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
    pub(crate) fn reap(&self) -> Status {
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
