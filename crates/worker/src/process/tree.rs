//! Ending a process with all its descendants: its process group first, then those that left the
//! group or the session, whom the worker finds by the marks in their environment.

use std::fs;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Running;
use crate::lifeline::MARK;

/// The processes of one attempt or session.
#[derive(Debug)]
pub(crate) struct Tree {
    group: libc::pid_t,
    marks: [Vec<u8>; 2],
}

impl Tree {
    /// The tree under a process that leads its group and wears its worker's mark, and one of its
    /// own: `GRISTMILL_ATTEMPT=a7`, `GRISTMILL_SESSION=s3`.
    pub(crate) fn new(leader: libc::pid_t, worker: &str, own: String) -> Tree {
        let worker = format!("{MARK}={worker}").into_bytes();
        Tree { group: leader, marks: [worker, own.into_bytes()] }
    }

    /// Waits until the program has ended. When it is to stop, everybody hears TERM; the program
    /// then has `grace` to end in its own way, and is killed after it.
    pub(crate) async fn ended(&self, of: &Running, stop: &CancellationToken, grace: Duration) {
        tokio::select! {
            biased;
            () = of.ended() => return,
            () = stop.cancelled() => {}
        }
        self.signal_group(libc::SIGTERM);
        self.signal_strays(libc::SIGTERM).await;
        if tokio::time::timeout(grace, of.ended()).await.is_err() {
            self.kill_group();
            of.ended().await;
        }
    }

    /// Kills what is left of the group. Only before its leader is reaped: until then no other
    /// process can have got its id.
    pub(crate) fn kill_group(&self) {
        self.signal_group(libc::SIGKILL);
    }

    /// Kills those that left the group, and those whom they start meanwhile.
    pub(crate) async fn hunt_strays(&self) {
        for _ in 0..HUNTS {
            if self.signal_strays(libc::SIGKILL).await == 0 {
                return;
            }
            tokio::time::sleep(BETWEEN_HUNTS).await;
        }
        tracing::warn!(group = self.group, "processes survive being killed");
    }

    fn signal_group(&self, signal: libc::c_int) {
        // SAFETY: a signal to the group of our own child, which is not reaped yet.
        unsafe { libc::kill(-self.group, signal) };
    }

    /// Signals every process outside the group that wears both marks; says how many there are.
    async fn signal_strays(&self, signal: libc::c_int) -> usize {
        let (group, marks) = (self.group, self.marks.clone());
        let hunt = move || {
            let strays: Vec<libc::pid_t> =
                processes().filter(|pid| *pid != group && wears(*pid, &marks)).collect();
            for pid in &strays {
                // SAFETY: a signal to a process that has just been seen to be of this attempt.
                unsafe { libc::kill(*pid, signal) };
            }
            strays.len()
        };
        tokio::task::spawn_blocking(hunt).await.unwrap_or_default()
    }
}

/// A process that forks as fast as it can is hunted this often, then given up.
const HUNTS: u32 = 50;

const BETWEEN_HUNTS: Duration = Duration::from_millis(10);

fn processes() -> impl Iterator<Item = libc::pid_t> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether both marks are in the environment that a process was started with. A process that has
/// ended and is not reaped has none.
fn wears(pid: libc::pid_t, marks: &[Vec<u8>; 2]) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    marks.iter().all(|mark| environment.split(|byte| *byte == 0).any(|entry| entry == *mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_told_apart_by_what_they_wear() {
        let tree = Tree::new(1, "mill", "GRISTMILL_ATTEMPT=a7".into());
        let mut dressed = std::process::Command::new("sleep")
            .arg("60")
            .env(MARK, "mill")
            .env("GRISTMILL_ATTEMPT", "a7")
            .spawn()
            .unwrap();
        let pid = dressed.id().cast_signed();
        let other = Tree::new(1, "mill", "GRISTMILL_ATTEMPT=a77".into());
        assert!(processes().any(|found| found == pid));
        // The kernel lets a parent go on a moment before it has laid out the child's environment.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !wears(pid, &tree.marks) {
            assert!(std::time::Instant::now() < deadline, "it wears its marks");
            std::thread::yield_now();
        }
        assert!(!wears(pid, &other.marks));
        dressed.kill().unwrap();
        dressed.wait().unwrap();
        assert!(!wears(pid, &tree.marks));
    }
}
