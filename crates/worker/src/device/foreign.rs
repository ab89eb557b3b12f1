//! What others do with a GPU, worked out from a look at it and from what is ours. Pure arithmetic.
//!
//! Foreign use is what the driver counts as used less what is ours. A look that failed counts as a
//! GPU that is not free: work that is sent there in the belief that it is would die for want of
//! memory, and take its time with it. A verdict gets worse at once and better only after a while,
//! so it does not flap with a desktop that draws a window.

use std::collections::BTreeSet;

use serde::Serialize;

use super::nvml::Fault;
use super::sample::{Process, Sample, Work};

/// Foreign bytes up to which a free GPU stays free: what a desktop or the driver itself has.
pub const SOME: u64 = 512 << 20;
/// Foreign bytes below which a GPU that others had counts as free again.
pub const NEXT_TO_NOTHING: u64 = 256 << 20;
/// Looks in a row that must show a GPU free before it counts as free again.
pub const LOOKS: u32 = 3;

/// What of a GPU is ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ours {
    /// Our processes there, with all that descend from them.
    pub pids: BTreeSet<u32>,
    /// Bytes that they have, as measured by themselves or as booked. It counts where the driver
    /// does not say which process has what.
    pub bytes: u64,
}

/// How it stands with a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Verdict {
    /// Nobody but us is there.
    Free {
        /// Bytes that a program could have.
        free: u64,
    },
    /// Others are there.
    PartlyUsed {
        /// Bytes that a program could still have.
        free: u64,
        /// Bytes that others have.
        foreign: u64,
        /// Who.
        who: Who,
    },
    /// Nobody should go there.
    Unusable {
        /// Why.
        reason: String,
    },
}

/// Who the others are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// These processes. None where memory is had by nobody that is alive to be seen.
    Processes(Vec<Process>),
    /// Nobody can say: in a container, under WSL or in a MIG instance the driver does not tell, or
    /// tells numbers that mean nothing here.
    Unknown,
}

/// Judges one look. `ours_to_tell` says whether the driver's process numbers are those by which we
/// know our processes; see `process::numbers_are_ours`.
#[must_use]
pub fn judge(look: Result<&Sample, &Fault>, ours: &Ours, ours_to_tell: bool) -> Verdict {
    judge_above(SOME, look, ours, ours_to_tell)
}

fn judge_above(
    some: u64,
    look: Result<&Sample, &Fault>,
    ours: &Ours,
    ours_to_tell: bool,
) -> Verdict {
    let sample = match look {
        Ok(sample) => sample,
        Err(fault) => return unusable(fault.to_string()),
    };
    let Some(memory) = sample.memory else {
        return unusable("it does not tell how much of its memory is free".into());
    };
    let told = sample.processes.as_deref().filter(|_| ours_to_tell);
    let told = told.filter(|all| all.iter().all(|process| process.bytes.is_some()));
    let (held, others) = match told {
        Some(processes) => {
            let (mine, others): (Vec<_>, Vec<_>) =
                processes.iter().partition(|process| ours.pids.contains(&process.pid));
            let held = mine.iter().filter_map(|process| process.bytes).sum();
            (held, Some(others.into_iter().cloned().collect::<Vec<_>>()))
        }
        None => (ours.bytes, None),
    };
    let foreign = memory.used.saturating_sub(held);
    // Who computes is in the way however little memory it has.
    let computes = |process: &Process| process.work != Work::Graphics;
    if foreign <= some && !others.as_ref().is_some_and(|others| others.iter().any(computes)) {
        return Verdict::Free { free: memory.free };
    }
    Verdict::PartlyUsed {
        free: memory.free,
        foreign,
        who: others.map_or(Who::Unknown, Who::Processes),
    }
}

fn unusable(reason: String) -> Verdict {
    Verdict::Unusable { reason }
}

/// One GPU over time.
#[derive(Debug, Clone)]
pub struct Watch {
    shown: Verdict,
    free_looks: u32,
}

impl Default for Watch {
    /// Before the first look nobody knows.
    fn default() -> Watch {
        let shown = unusable("it has not been looked at yet".into());
        Watch { shown, free_looks: LOOKS }
    }
}

impl Watch {
    /// Takes in one look; what holds after it.
    pub fn look(
        &mut self,
        look: Result<&Sample, &Fault>,
        ours: &Ours,
        ours_to_tell: bool,
    ) -> &Verdict {
        let settled = self.free_looks >= LOOKS;
        let some = if settled { SOME } else { NEXT_TO_NOTHING };
        let now = judge_above(some, look, ours, ours_to_tell);
        let is_free = matches!(now, Verdict::Free { .. });
        if is_free && self.free_looks + 1 < LOOKS {
            self.free_looks += 1;
            return &self.shown;
        }
        self.free_looks = if is_free { LOOKS } else { 0 };
        self.shown = now;
        &self.shown
    }

    /// What holds.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::sample::Memory;

    const GIB: u64 = 1 << 30;

    fn process(pid: u32, bytes: Option<u64>, work: Work) -> Process {
        Process { pid, bytes, work }
    }

    fn sample(used: u64, processes: Option<Vec<Process>>) -> Sample {
        let memory = Some(Memory { total: 80 * GIB, used, free: 80 * GIB - used });
        Sample { memory, processes, ..Sample::default() }
    }

    fn ours(pids: &[u32], bytes: u64) -> Ours {
        Ours { pids: pids.iter().copied().collect(), bytes }
    }

    fn verdict(sample: &Sample, ours: &Ours) -> Verdict {
        judge(Ok(sample), ours, true)
    }

    #[test]
    fn what_is_ours_is_not_foreign() {
        let both = vec![
            process(10, Some(30 * GIB), Work::Compute),
            process(11, Some(10 * GIB), Work::Mps),
        ];
        let sample = sample(40 * GIB, Some(both));
        assert_eq!(verdict(&sample, &ours(&[10, 11], 0)), Verdict::Free { free: 40 * GIB });
        let partly = verdict(&sample, &ours(&[10], 0));
        let Verdict::PartlyUsed { free, foreign, who: Who::Processes(who) } = partly else {
            panic!("{partly:?}");
        };
        assert_eq!((free, foreign, who[0].pid, who.len()), (40 * GIB, 10 * GIB, 11, 1));
    }

    #[test]
    fn memory_that_nobody_has_is_foreign_all_the_same() {
        let partly = verdict(&sample(20 * GIB, Some(vec![])), &Ours::default());
        let who = Who::Processes(vec![]);
        assert_eq!(partly, Verdict::PartlyUsed { free: 60 * GIB, foreign: 20 * GIB, who });
    }

    #[test]
    fn a_desktop_is_borne_and_a_program_that_computes_is_not() {
        let desktop = process(5, Some(100 << 20), Work::Graphics);
        let free = verdict(&sample(100 << 20, Some(vec![desktop])), &Ours::default());
        assert!(matches!(free, Verdict::Free { .. }));
        let small = process(5, Some(100 << 20), Work::Compute);
        let partly = verdict(&sample(100 << 20, Some(vec![small])), &Ours::default());
        assert!(matches!(partly, Verdict::PartlyUsed { .. }));
    }

    #[test]
    fn where_the_driver_does_not_tell_the_totals_count() {
        let mine = ours(&[10], 30 * GIB);
        let unknown = |sample: &Sample, to_tell| match judge(Ok(sample), &mine, to_tell) {
            Verdict::PartlyUsed { foreign, who: Who::Unknown, .. } => Some(foreign),
            _ => None,
        };
        let numbers = Some(vec![process(90_010, Some(40 * GIB), Work::Compute)]);
        assert_eq!(unknown(&sample(40 * GIB, None), true), Some(10 * GIB));
        assert_eq!(unknown(&sample(40 * GIB, numbers), false), Some(10 * GIB), "in a container");
        let silent = Some(vec![process(10, None, Work::Compute)]);
        assert_eq!(unknown(&sample(40 * GIB, silent), true), Some(10 * GIB), "under WSL");
        assert_eq!(
            judge(Ok(&sample(30 * GIB, None)), &mine, true),
            Verdict::Free { free: 50 * GIB }
        );
        assert_eq!(judge(Ok(&sample(GIB, None)), &mine, true), Verdict::Free { free: 79 * GIB });
    }

    #[test]
    fn a_look_that_failed_is_no_free_gpu() {
        let lost = Fault::Lost("it has fallen off the bus".into());
        let reason = "it has fallen off the bus".into();
        assert_eq!(judge(Err(&lost), &Ours::default(), true), Verdict::Unusable { reason });
        let blind = judge(Ok(&Sample::default()), &Ours::default(), true);
        assert!(matches!(blind, Verdict::Unusable { .. }));
    }

    #[test]
    fn it_gets_worse_at_once_and_better_after_a_while() {
        let free = |used: u64| sample(used, None);
        let mut watch = Watch::default();
        assert!(matches!(watch.verdict(), Verdict::Unusable { .. }));
        let mut is_free = |used: u64| {
            let verdict = watch.look(Ok(&free(used)), &Ours::default(), true);
            matches!(verdict, Verdict::Free { .. })
        };
        assert!(is_free(400 << 20), "the first look is believed");
        assert!(is_free(500 << 20));
        assert!(!is_free(600 << 20));
        assert!(!is_free(400 << 20), "between the bounds nothing changes");
        assert!(!is_free(100 << 20) && !is_free(100 << 20));
        assert!(!is_free(300 << 20), "and the count begins anew");
        assert!(!is_free(100 << 20) && !is_free(100 << 20));
        assert!(is_free(100 << 20));
        assert!(is_free(400 << 20));
    }

    #[test]
    fn a_failed_look_is_told_at_once() {
        let mut watch = Watch::default();
        watch.look(Ok(&sample(0, None)), &Ours::default(), true);
        let fault = Fault::Other("an internal driver error occurred".into());
        let verdict = watch.look(Err(&fault), &Ours::default(), true);
        assert!(matches!(verdict, Verdict::Unusable { .. }));
    }
}
