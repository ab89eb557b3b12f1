//! What of devices is ours by our own count: what is booked for each process that runs there, or
//! what it was seen to take. It counts where the driver does not say which process has what.

use std::collections::BTreeMap;

use gristmill_model::booking::Hold;

/// A process among those that have devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tenant(u64);

/// All that have devices.
#[derive(Debug, Default)]
pub(super) struct Present {
    next: u64,
    holds: BTreeMap<Tenant, Vec<Hold>>,
}

impl Present {
    /// One comes, and has this booked.
    pub(super) fn enter(&mut self, holds: Vec<Hold>) -> Tenant {
        let tenant = Tenant(self.next);
        self.next += 1;
        self.holds.insert(tenant, holds);
        tenant
    }

    /// One was seen to take this much of each device that it has a part of.
    pub(super) fn takes(&mut self, tenant: Tenant, bytes: u64) {
        let holds = self.holds.get_mut(&tenant).into_iter().flatten();
        holds.filter(|hold| !hold.whole).for_each(|hold| hold.vram = bytes);
    }

    /// One has gone.
    pub(super) fn leave(&mut self, tenant: Tenant) {
        self.holds.remove(&tenant);
    }

    /// Bytes that are ours, by device.
    pub(super) fn bytes(&self) -> BTreeMap<u16, u64> {
        let mut bytes = BTreeMap::new();
        for hold in self.holds.values().flatten() {
            let sum: &mut u64 = bytes.entry(hold.device).or_default();
            *sum = sum.saturating_add(hold.vram);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_counts_in_the_place_of_what_was_booked() {
        let hold = |vram, whole| Hold { device: 0, vram, whole };
        let mut present = Present::default();
        let one = present.enter(vec![hold(10, false)]);
        let other = present.enter(vec![hold(10, false), Hold { device: 1, vram: 80, whole: true }]);
        assert_eq!(present.bytes(), BTreeMap::from([(0, 20), (1, 80)]));
        present.takes(one, 12);
        present.takes(other, 15);
        assert_eq!(present.bytes(), BTreeMap::from([(0, 27), (1, 80)]), "a whole one stays whole");
        present.leave(other);
        assert_eq!(present.bytes(), BTreeMap::from([(0, 12)]));
        present.leave(one);
        assert!(present.bytes().is_empty());
    }
}
