//! A program's part of the machine's CPUs: how many threads it should begin, and which CPUs are
//! near its devices.
//!
//! Both are advice. Libraries that know nothing of booked CPUs begin as many threads as the machine
//! has, in each of several sessions, and all of them are slower for it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use gristmill_model::resources::MilliCpus;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// What a program that booked so many CPUs finds in its environment; nothing where it booked none.
/// `OMP_NUM_THREADS` is what OpenMP, OpenBLAS, MKL and those who build on them go by.
pub(crate) fn variables(cpus: MilliCpus) -> Vec<(OsString, OsString)> {
    if cpus == 0 {
        return Vec::new();
    }
    let exact = (f64::from(cpus) / 1_000.0).to_string();
    let threads = cpus.div_ceil(1_000).to_string();
    vec![("GRISTMILL_CPUS".into(), exact.into()), ("OMP_NUM_THREADS".into(), threads.into())]
}

/// Keeps the program that `command` starts to those CPUs of `near` that this process may use; where
/// they are fewer than it booked it goes wherever there is room.
pub(super) fn keep_near(near: &[u32], cpus: MilliCpus, command: &mut Command) {
    let Ok(ours) = sched_getaffinity(None) else { return };
    let chosen = choose(near, cpus, |cpu| cpu < CpuSet::MAX_CPU && ours.is_set(cpu));
    if chosen.is_empty() {
        return;
    }
    let mut set = CpuSet::new();
    chosen.into_iter().for_each(|cpu| set.set(cpu));
    let keep = move || {
        // Far from its devices it is slower, and no more.
        let _ = sched_setaffinity(None, &set);
        Ok(())
    };
    // SAFETY: between fork and exec it makes one system call, on memory that was copied before.
    unsafe { command.pre_exec(keep) };
}

fn choose(near: &[u32], cpus: MilliCpus, may_use: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut chosen: Vec<usize> = near.iter().map(|cpu| *cpu as usize).collect();
    chosen.retain(|cpu| may_use(*cpu));
    let wanted = cpus.div_ceil(1_000).max(1) as usize;
    if chosen.len() < wanted { Vec::new() } else { chosen }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(cpus: MilliCpus) -> Vec<String> {
        variables(cpus).into_iter().map(|(_, value)| value.into_string().unwrap()).collect()
    }

    #[test]
    fn a_program_is_told_of_the_cpus_that_it_booked() {
        assert_eq!(values(4_000), ["4", "4"]);
        assert_eq!(values(2_500), ["2.5", "3"]);
        assert_eq!(values(1), ["0.001", "1"]);
        assert!(values(0).is_empty());
    }

    #[test]
    fn cpus_that_are_near_are_chosen_where_they_are_enough() {
        let ours = |cpu: usize| cpu < 12;
        assert_eq!(choose(&[8, 9, 14, 15], 2_000, ours), [8, 9]);
        assert!(choose(&[8, 9, 14, 15], 2_500, ours).is_empty(), "three are wanted");
        assert!(choose(&[], 0, ours).is_empty() && choose(&[14], 0, ours).is_empty());
    }

    #[test]
    fn the_program_is_kept_to_them() {
        let ours = sched_getaffinity(None).unwrap();
        let last = (0..CpuSet::MAX_CPU).rfind(|cpu| ours.is_set(*cpu)).unwrap();
        let mut command = Command::new("grep");
        command.args(["Cpus_allowed_list", "/proc/self/status"]);
        keep_near(&[u32::try_from(last).unwrap()], 1_000, &mut command);
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert_eq!(said.split_whitespace().last(), Some(last.to_string().as_str()));
    }
}
