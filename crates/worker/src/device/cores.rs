//! The CPUs that sit nearest to a GPU, from what the kernel tells of its PCI slot.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// More CPUs than any machine has; a list that names more is not believed.
const MOST_CPUS: u32 = 16_384;

/// What is near.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Near {
    /// The NUMA node; none where the machine has but one or does not tell.
    pub numa_node: Option<u32>,
    /// The CPUs, in order; none where the kernel does not tell.
    pub cpus: Vec<u32>,
}

/// Looks below `sys` (which is `/sys`) for the GPU at the PCI address `bus`, as `0000:41:00.0`.
#[must_use]
pub fn near(sys: &Path, bus: &str) -> Near {
    let slot = sys.join("bus/pci/devices").join(bus);
    let read = |name: &str| fs::read_to_string(slot.join(name)).unwrap_or_default();
    // The kernel writes -1 where there are no nodes, which is no number here.
    let numa_node = read("numa_node").trim().parse().ok();
    Near { numa_node, cpus: list(read("local_cpulist").trim()).unwrap_or_default() }
}

/// Reads the kernel's lists: `0-3,8,10-11`.
fn list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if last >= MOST_CPUS || first > last {
            return None;
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read_and_their_absence_is_borne() {
        let sys = tempfile::tempdir().unwrap();
        let slot = sys.path().join("bus/pci/devices/0000:41:00.0");
        fs::create_dir_all(&slot).unwrap();
        assert_eq!(near(sys.path(), "0000:41:00.0"), Near::default());
        fs::write(slot.join("numa_node"), "1\n").unwrap();
        fs::write(slot.join("local_cpulist"), "4-6,12\n").unwrap();
        let found = near(sys.path(), "0000:41:00.0");
        assert_eq!(found, Near { numa_node: Some(1), cpus: vec![4, 5, 6, 12] });
        fs::write(slot.join("numa_node"), "-1\n").unwrap();
        assert_eq!(near(sys.path(), "0000:41:00.0").numa_node, None);
        assert_eq!(near(sys.path(), "0000:99:00.0"), Near::default());
    }

    #[test]
    fn a_list_that_cannot_be_is_not_believed() {
        assert_eq!(list(""), Some(vec![]));
        assert_eq!(list("3,1-2,2"), Some(vec![1, 2, 3]));
        for odd in ["x", "3-1", "0-99999999", "1-", "-1"] {
            assert_eq!(list(odd), None, "{odd}");
        }
    }
}
