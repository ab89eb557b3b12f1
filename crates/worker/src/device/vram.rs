//! Whether the memory of programs that were killed is back. The driver takes a moment to clear up
//! after them, and a slot that is given away before is a slot that lies about its memory. Pure: the
//! time and the looks come from outside.

use std::collections::BTreeSet;

use gristmill_model::{Span, Time, limits};

use super::sample::Sample;

/// Between two looks.
pub const PAUSE: Span = Span::millis(100);
/// After this long the memory is not coming back by itself: a process that cannot be killed, or a
/// driver that has lost count.
pub const PATIENCE: Span = limits::VRAM_RETURN;
/// Bytes by which a GPU may be fuller than before, for what others have taken meanwhile.
pub const SLACK: u64 = 256 << 20;

/// Waiting for memory.
#[derive(Debug, Clone)]
pub struct Return {
    gone: BTreeSet<u32>,
    at_most: u64,
    until: Time,
}

/// What a look has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The memory is back; the slot is free.
    Back,
    /// Look again then.
    Again(Time),
    /// It is not, and nobody waits any longer: nothing may go there. The reason is for people.
    Kept(String),
}

impl Return {
    /// Begins to wait, after processes `gone` have ended at `now`. `at_most` is what may be in use
    /// when their memory is back: what was in use, less what they had.
    #[must_use]
    pub fn begin(now: Time, gone: BTreeSet<u32>, at_most: u64) -> Return {
        Return { gone, at_most: at_most.saturating_add(SLACK), until: now + PATIENCE }
    }

    /// Takes in a look. One that failed shows nothing, and the wait goes on.
    #[must_use]
    pub fn look(&self, now: Time, look: Option<&Sample>) -> Step {
        let memory = look.and_then(|sample| sample.memory);
        let left = look
            .and_then(|sample| sample.processes.as_deref())
            .unwrap_or_default()
            .iter()
            .find(|process| self.gone.contains(&process.pid));
        match (memory, left) {
            (Some(memory), None) if memory.used <= self.at_most => Step::Back,
            _ if now < self.until => Step::Again((now + PAUSE).min(self.until)),
            (_, Some(process)) => {
                Step::Kept(format!("VRAM not returned: process {} still has some", process.pid))
            }
            (Some(memory), None) => Step::Kept(format!(
                "VRAM not returned: {} MiB are in use, {} MiB were expected at most",
                memory.used >> 20,
                self.at_most >> 20
            )),
            (None, None) => Step::Kept("VRAM not returned: the GPU does not tell".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::sample::{Memory, Process, Work};

    const MIB: u64 = 1 << 20;

    fn look(used: u64, pids: &[u32]) -> Sample {
        let process = |pid: &u32| Process { pid: *pid, bytes: None, work: Work::Compute };
        let memory = Some(Memory { total: 80_000 * MIB, used, free: 80_000 * MIB - used });
        let processes = Some(pids.iter().map(process).collect());
        Sample { memory, processes, ..Sample::default() }
    }

    fn wait() -> Return {
        Return::begin(Time(0), BTreeSet::from([7]), 1_000 * MIB)
    }

    #[test]
    fn memory_that_comes_back_frees_the_slot() {
        let wait = wait();
        let soon = Step::Again(Time(0) + PAUSE);
        assert_eq!(wait.look(Time(0), Some(&look(9_000 * MIB, &[7]))), soon);
        assert_eq!(wait.look(Time(0), Some(&look(1_000 * MIB, &[7]))), soon, "it is still there");
        assert_eq!(wait.look(Time(0), Some(&look(9_000 * MIB, &[]))), soon);
        assert_eq!(wait.look(Time(0), None), soon, "a failed look shows nothing");
        assert_eq!(wait.look(Time(0), Some(&look(1_200 * MIB, &[8]))), Step::Back);
    }

    #[test]
    fn memory_that_does_not_come_back_is_told_of_with_the_reason() {
        let (wait, end) = (wait(), Time(0) + PATIENCE);
        let just_before = Time(end.0 - 1);
        assert_eq!(wait.look(just_before, Some(&look(9_000 * MIB, &[]))), Step::Again(end));
        let kept = |look: Option<&Sample>| match wait.look(end, look) {
            Step::Kept(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            kept(Some(&look(9_000 * MIB, &[]))),
            "VRAM not returned: 9000 MiB are in use, 1256 MiB were expected at most"
        );
        assert_eq!(
            kept(Some(&look(9_000 * MIB, &[7]))),
            "VRAM not returned: process 7 still has some"
        );
        assert_eq!(kept(None), "VRAM not returned: the GPU does not tell");
        assert_eq!(wait.look(end, Some(&look(0, &[]))), Step::Back, "late is not never");
    }
}
