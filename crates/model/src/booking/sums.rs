//! What is booked of the things that only come in amounts: CPUs, memory, named resources.

use std::collections::BTreeMap;

use crate::resources::{Capacity, Resources};

/// Amounts booked together. A name with nothing booked has no entry, so that equal bookings are
/// equal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sums {
    /// Thousandths.
    cpus: u64,
    /// Bytes; stays 0 where memory is not counted.
    memory: u64,
    /// Thousandths by name.
    named: BTreeMap<String, u64>,
}

impl Sums {
    pub(super) fn cpus(&self) -> u64 {
        self.cpus
    }

    /// Whether a request fits beside what is booked.
    pub(super) fn leave_room(&self, capacity: &Capacity, request: &Resources) -> bool {
        let cpus = self.cpus + u64::from(request.cpus) <= u64::from(capacity.cpus);
        let memory =
            capacity.memory == 0 || self.memory.saturating_add(request.memory) <= capacity.memory;
        let booked = |name| self.named.get(name).copied().unwrap_or(0);
        cpus && memory
            && request.named.iter().all(|(name, needed)| {
                booked(name) + u64::from(*needed) <= u64::from(there(capacity, name))
            })
    }

    pub(super) fn take(&mut self, capacity: &Capacity, request: &Resources) {
        self.cpus += u64::from(request.cpus);
        self.memory += counted(capacity, request);
        for (name, needed) in request.named.iter().filter(|(_, needed)| **needed > 0) {
            *self.named.entry(name.clone()).or_default() += u64::from(*needed);
        }
    }

    pub(super) fn give_back(&mut self, capacity: &Capacity, request: &Resources) {
        self.cpus -= u64::from(request.cpus);
        self.memory -= counted(capacity, request);
        for (name, needed) in request.named.iter().filter(|(_, needed)| **needed > 0) {
            let sum = self.named.get_mut(name).unwrap_or_else(|| panic!("{name} is booked"));
            *sum -= u64::from(*needed);
            if *sum == 0 {
                self.named.remove(name);
            }
        }
    }
}

/// How much of a named resource there is.
pub(super) fn there(capacity: &Capacity, name: &str) -> u32 {
    capacity.named.get(name).copied().unwrap_or(0)
}

fn counted(capacity: &Capacity, request: &Resources) -> u64 {
    if capacity.memory == 0 { 0 } else { request.memory }
}
