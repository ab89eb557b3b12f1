//! What this machine has to give: CPUs and memory as far as this process may use them, and a name.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};

/// CPUs that this process may keep busy: the affinity mask and the control group's quota count.
#[must_use]
pub fn cpus() -> u32 {
    let cpus = std::thread::available_parallelism().map_or(1, NonZero::get);
    u32::try_from(cpus).unwrap_or(u32::MAX)
}

/// Memory in bytes that this process may use: the machine's or its control group's, whichever is
/// less; 0 where neither can be read.
#[must_use]
pub fn memory() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| {
        group_folders(&text).iter().filter_map(|folder| group_limit(folder)).min()
    });
    [machine, group].into_iter().flatten().min().unwrap_or(0)
}

/// The machine's name.
#[must_use]
pub fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "worker".into(),
        name => name.into(),
    }
}

/// `MemTotal` of a meminfo text, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Folders whose limits bind this process: its group and those above, in both versions' trees.
fn group_folders(cgroup: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in cgroup.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let root = match controllers {
            "" => Path::new("/sys/fs/cgroup"),
            some if some.split(',').any(|name| name == "memory") => {
                Path::new("/sys/fs/cgroup/memory")
            }
            _ => continue,
        };
        let group = Path::new(group.trim_start_matches('/'));
        folders.extend(group.ancestors().map(|ancestor| root.join(ancestor)));
    }
    folders
}

/// A group's memory limit; `max`, and version 1's number for it, mean none.
fn group_limit(folder: &Path) -> Option<u64> {
    const UNLIMITED: u64 = 1 << 60;
    ["memory.max", "memory.limit_in_bytes"]
        .iter()
        .filter_map(|name| fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok())
        .find(|bytes| *bytes < UNLIMITED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_something_to_give() {
        assert!(cpus() >= 1);
        assert!(memory() > 1 << 20);
        assert!(!host_name().is_empty());
    }

    #[test]
    fn the_kernels_files_are_read_as_documented() {
        assert_eq!(total("MemTotal:       1024 kB\nMemFree: 1 kB\n"), Some(1 << 20));
        assert_eq!(total("nothing"), None);
        let folders = group_folders("0::/user/mill\n4:memory:/m\n3:cpu:/c\nrubbish\n");
        let folders: Vec<_> = folders.iter().map(|folder| folder.to_string_lossy()).collect();
        assert_eq!(
            folders,
            [
                "/sys/fs/cgroup/user/mill",
                "/sys/fs/cgroup/user",
                "/sys/fs/cgroup/",
                "/sys/fs/cgroup/memory/m",
                "/sys/fs/cgroup/memory/"
            ]
        );
    }
}
