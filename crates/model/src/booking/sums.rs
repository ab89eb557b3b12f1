//! What is booked of the things that only come in amounts: CPUs, memory, named resources.

use std::collections::BTreeMap;

use super::room::Shortage;
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
        self.shortage(capacity, request).is_none()
    }

    /// What there is too little of for a request, beside what is booked: the first of it.
    pub(super) fn shortage(&self, capacity: &Capacity, request: &Resources) -> Option<Shortage> {
        let is_short = |needed: u64, booked: u64, there: u64| {
            let free = there.saturating_sub(booked);
            (needed > free).then_some((needed, free, there))
        };
        let cpus = is_short(request.cpus.into(), self.cpus, capacity.cpus.into());
        if let Some((needed, free, there)) = cpus {
            return Some(Shortage::Cpus(needed, free, there));
        }
        let memory = is_short(request.memory, self.memory, capacity.memory);
        if let Some((needed, free, there)) = memory.filter(|_| capacity.memory != 0) {
            return Some(Shortage::Memory(needed, free, there));
        }
        request.named.iter().find_map(|(name, needed)| {
            let booked = self.named.get(name).copied().unwrap_or(0);
            let short = is_short((*needed).into(), booked, there(capacity, name).into());
            short.map(|(needed, free, there)| Shortage::Named(name.clone(), needed, free, there))
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
