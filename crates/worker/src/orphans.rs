//! Processes that a program leaves behind when it ends.
//!
//! This process is a subreaper: whoever loses its parent becomes a child of its main thread, whose
//! children the system lists. So one look at a short list tells, after each program, whether
//! anything of it is left; nobody has to walk through every process of the machine. Whose a process
//! is, the marks in its environment say. Those that have ended are reaped here.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use gristmill_model::AttemptId;

use crate::claims::Claims;
use crate::lifeline::MARK;
use crate::threads::{Mutex, MutexGuard};

/// Processes that fork as fast as they can are hunted this often, then given up.
const HUNTS: u32 = 50;
const BETWEEN_HUNTS: Duration = Duration::from_millis(10);

/// The orphans of one worker's attempts.
#[derive(Debug)]
pub(crate) struct Orphans {
    /// Where the system lists the children of the main thread; nothing where it does not.
    list: Option<PathBuf>,
    mark: Vec<u8>,
    running: Mutex<BTreeSet<AttemptId>>,
}

/// What was left of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing.
    Nothing,
    /// Something that is gone now.
    Ended,
    /// It cannot be said.
    Unknown,
}

impl Orphans {
    /// Takes in orphans from now on, of the programs of the worker with this mark.
    pub(crate) fn adopt(mark: &str) -> Orphans {
        // SAFETY: the call takes numbers only and changes nothing but this process's flag.
        let adopts = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } == 0;
        let main = std::process::id();
        let list = PathBuf::from(format!("/proc/self/task/{main}/children"));
        let list = Some(list).filter(|list| adopts && fs::read(list).is_ok());
        if list.is_none() {
            tracing::debug!("the system does not list orphans; /proc is walked after each program");
        }
        let mark = format!("{MARK}={mark}").into_bytes();
        Orphans { list, mark, running: Mutex::default() }
    }

    /// No program is ever started.
    pub(crate) fn none() -> Orphans {
        Orphans { list: None, mark: Vec::new(), running: Mutex::default() }
    }

    /// An attempt's program is about to start.
    pub(crate) fn expect(&self, attempt: AttemptId) {
        self.running().insert(attempt);
    }

    /// It did not start.
    pub(crate) fn forget(&self, attempt: AttemptId) {
        self.running().remove(&attempt);
    }

    /// An attempt's program has ended, and its process group was killed: ends what is left of it.
    pub(crate) async fn end(&self, attempt: AttemptId, group: libc::pid_t) -> Left {
        self.running().remove(&attempt);
        let mut left = reap_group(group).await;
        for _ in 0..HUNTS {
            match self.strays() {
                None => return Left::Unknown,
                Some(strays) if strays.is_empty() => return left,
                Some(strays) => {
                    left = Left::Ended;
                    for pid in strays {
                        // SAFETY: a signal to a child of ours that has not been reaped.
                        unsafe { libc::kill(pid, libc::SIGKILL) };
                    }
                }
            }
            tokio::time::sleep(BETWEEN_HUNTS).await;
        }
        tracing::warn!(%attempt, "processes of an attempt survive being killed");
        Left::Unknown
    }

    /// Living orphans of attempts that have ended. Reaps those that have ended themselves.
    fn strays(&self) -> Option<Vec<libc::pid_t>> {
        let list = fs::read_to_string(self.list.as_ref()?).ok()?;
        let (mut strays, claims) = (Vec::new(), Claims::of_this_process());
        for pid in list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()) {
            if claims.hold(pid) {
                continue;
            }
            match fs::read(format!("/proc/{pid}/environ")) {
                Ok(environment) if !environment.is_empty() => {
                    if self.is_of_an_ended_attempt(&environment) {
                        strays.push(pid);
                    }
                }
                // A process that has ended has no environment left.
                _ => claims.reap(pid, |pid| {
                    // Whether it was there to be reaped is nobody's concern.
                    let _ = reap(pid);
                }),
            }
        }
        Some(strays)
    }

    fn is_of_an_ended_attempt(&self, environment: &[u8]) -> bool {
        let mut entries = environment.split(|byte| *byte == 0);
        if !entries.clone().any(|entry| entry == self.mark) {
            return false;
        }
        let attempt = entries.find_map(|entry| entry.strip_prefix(b"GRISTMILL_ATTEMPT="));
        let attempt = attempt.and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        attempt.is_some_and(|attempt| !self.running().contains(&attempt))
    }

    fn running(&self) -> MutexGuard<'_, BTreeSet<AttemptId>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reaps orphans of a process group that was killed. Its leader was reaped before: its id is not
/// given to another process while a member of the group is left.
async fn reap_group(group: libc::pid_t) -> Left {
    let mut left = Left::Nothing;
    for _ in 0..HUNTS {
        match reap(-group) {
            Reaped::One => left = Left::Ended,
            Reaped::NotYet => {
                left = Left::Ended;
                tokio::time::sleep(BETWEEN_HUNTS / 10).await;
            }
            Reaped::NoChild => return left,
        }
    }
    Left::Unknown
}

enum Reaped {
    One,
    NotYet,
    NoChild,
}

fn reap(which: libc::pid_t) -> Reaped {
    // SAFETY: no status is asked for, and nobody else waits for these children.
    match unsafe { libc::waitpid(which, std::ptr::null_mut(), libc::WNOHANG) } {
        0 => Reaped::NotYet,
        pid if pid > 0 => Reaped::One,
        _ => Reaped::NoChild,
    }
}
