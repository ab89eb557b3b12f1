//! What happens to programs when their worker is killed: a shell waits at a pipe that only the
//! worker holds open, and when the pipe breaks it kills every process that wears the worker's mark.
//!
//! `PR_SET_PDEATHSIG` was weighed and left: it needs code between fork and exec, which costs the
//! fast way to spawn; it fires when the *thread* that spawned ends; and it reaches no grandchild.
//! The mark is an environment variable, so processes that left their group or session are found
//! too. A process that wipes its own environment is not.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::claims::{Claim, Claims};

/// The variable that marks every process of a worker.
pub(crate) const MARK: &str = "GRISTMILL_WORKER";

/// A line says that all is well. The end of input without one means that the worker is dead; then
/// it sweeps a few times, for a process may fork meanwhile.
const SWEEP: &str = r#"
trap '' HUP INT TERM
read -r line && exit 0
for round in 1 2 3 4 5; do
    found=
    for folder in /proc/[0-9]*; do
        if grep -qszxF "$MARKED" "$folder/environ"; then
            kill -KILL "${folder#/proc/}" && found=yes
        fi
    done
    [ "$found" ] || exit 0
done
"#;

/// Holds the pipe; the sweep begins when it breaks, however that comes about.
#[derive(Debug)]
pub(crate) struct Lifeline {
    pipe: Option<ChildStdin>,
    shell: Child,
    _claim: Claim<'static>,
}

impl Lifeline {
    /// Starts to watch over processes that carry `MARK=mark`.
    pub(crate) fn start(mark: &str) -> io::Result<Lifeline> {
        let starting = Claims::of_this_process().starting();
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SWEEP])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            // Its own name for the mark: it must not wear it.
            .env("MARKED", format!("{MARK}={mark}"))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C for the worker is none for its lifeline.
            .process_group(0)
            .spawn()?;
        let claim = starting.claim(shell.id().cast_signed());
        Ok(Lifeline { pipe: shell.stdin.take(), shell, _claim: claim })
    }

    /// All is in order: nothing is left to sweep.
    pub(crate) fn release(mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            // Where this fails the shell is gone already.
            let _ = pipe.write_all(b"\n");
        }
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // The shell ends soon, after a sweep at most; waiting for it leaves no zombie behind.
        let _ = self.shell.wait();
    }
}
