//! Booking a worker's resources: one rule, used by the engine (what may I lease to this worker?)
//! and by the worker (which of my attempts may start?), so that both always agree.
//!
//! Attempts that fit beside those already running are *running*; up to `prefetch` more wait in
//! the *backlog*, at the worker already, and start in order as room comes free. A backlog hides
//! the round trip for short jobs; its attempts book nothing.

use std::collections::{BTreeMap, VecDeque};

use crate::ids::AttemptId;
use crate::resources::{Capacity, Resources};

/// A worker's capacity and what is booked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    capacity: Capacity,
    running: BTreeMap<AttemptId, Resources>,
    backlog: VecDeque<(AttemptId, Resources)>,
    booked_cpus: u64,
    booked_memory: u64,
}

/// Why a request can never run on this capacity, however empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// More CPUs than there are (needed, there; thousandths).
    Cpus(u32, u32),
    /// More memory than there is (needed, there; bytes).
    Memory(u64, u64),
    /// Fewer such devices than needed (kind, needed, there).
    Devices(String, u32, u32),
}

impl Booking {
    /// Nothing booked yet.
    #[must_use]
    pub fn new(capacity: Capacity) -> Booking {
        Booking {
            capacity,
            running: BTreeMap::new(),
            backlog: VecDeque::new(),
            booked_cpus: 0,
            booked_memory: 0,
        }
    }

    /// What the worker has in all.
    #[must_use]
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Attempts whose resources are booked, in order of their ids.
    pub fn running(&self) -> impl Iterator<Item = AttemptId> + '_ {
        self.running.keys().copied()
    }

    /// Attempts that wait at the worker, first in, first out.
    pub fn backlog(&self) -> impl Iterator<Item = AttemptId> + '_ {
        self.backlog.iter().map(|(attempt, _)| *attempt)
    }

    /// How many attempts run and wait here.
    #[must_use]
    pub fn held(&self) -> usize {
        self.running.len() + self.backlog.len()
    }

    /// How many attempts wait in the backlog.
    #[must_use]
    pub fn backlog_len(&self) -> usize {
        self.backlog.len()
    }

    /// CPUs that nothing has booked, in thousandths.
    #[must_use]
    pub fn free_cpus(&self) -> u64 {
        u64::from(self.capacity.cpus).saturating_sub(self.booked_cpus)
    }

    /// Whether a request could run here if nothing else did.
    ///
    /// # Errors
    /// The first quantity that falls short.
    pub fn could_fit(&self, request: &Resources) -> Result<(), Misfit> {
        could_fit(&self.capacity, request)
    }

    /// Whether a request could start at once, beside what runs and ahead of no backlog.
    #[must_use]
    pub fn fits_now(&self, request: &Resources) -> bool {
        self.backlog.is_empty() && self.has_room(request)
    }

    /// Takes an attempt in: `true` when it may start now, `false` when it joins the backlog.
    pub fn admit(&mut self, attempt: AttemptId, request: &Resources) -> bool {
        let now = self.fits_now(request);
        if now {
            self.book(attempt, request.clone());
        } else {
            self.backlog.push_back((attempt, request.clone()));
        }
        now
    }

    /// Lets an attempt go and returns those of the backlog that may start now, in order.
    pub fn release(&mut self, attempt: AttemptId) -> Vec<AttemptId> {
        if let Some(request) = self.running.remove(&attempt) {
            self.booked_cpus -= u64::from(request.cpus);
            self.booked_memory -= request.memory;
        } else {
            self.backlog.retain(|(waiting, _)| *waiting != attempt);
        }
        self.promote()
    }

    fn promote(&mut self) -> Vec<AttemptId> {
        let mut started = Vec::new();
        while let Some((attempt, request)) = self.backlog.pop_front() {
            if !self.has_room(&request) {
                self.backlog.push_front((attempt, request));
                break;
            }
            self.book(attempt, request);
            started.push(attempt);
        }
        started
    }

    fn book(&mut self, attempt: AttemptId, request: Resources) {
        self.booked_cpus += u64::from(request.cpus);
        self.booked_memory += request.memory;
        self.running.insert(attempt, request);
    }

    fn has_room(&self, request: &Resources) -> bool {
        let cpus = self.booked_cpus + u64::from(request.cpus) <= u64::from(self.capacity.cpus);
        let memory = self.capacity.memory == 0
            || self.booked_memory.saturating_add(request.memory) <= self.capacity.memory;
        cpus && memory && self.devices_free(request)
    }

    /// Whole devices of a kind are counted; which one an attempt gets is the worker's choice.
    fn devices_free(&self, request: &Resources) -> bool {
        request.devices.iter().all(|wish| {
            let used: u32 = self
                .running
                .values()
                .flat_map(|running| &running.devices)
                .filter(|other| other.kind == wish.kind)
                .map(|other| other.count)
                .sum();
            used.saturating_add(wish.count) <= count_devices(&self.capacity, &wish.kind, wish.vram)
        })
    }
}

/// Whether `capacity`, with nothing booked, meets `request`.
///
/// # Errors
/// The first quantity that falls short.
pub fn could_fit(capacity: &Capacity, request: &Resources) -> Result<(), Misfit> {
    if request.cpus > capacity.cpus {
        return Err(Misfit::Cpus(request.cpus, capacity.cpus));
    }
    if capacity.memory != 0 && request.memory > capacity.memory {
        return Err(Misfit::Memory(request.memory, capacity.memory));
    }
    for wish in &request.devices {
        let there = count_devices(capacity, &wish.kind, wish.vram);
        if wish.count > there {
            return Err(Misfit::Devices(wish.kind.clone(), wish.count, there));
        }
    }
    Ok(())
}

fn count_devices(capacity: &Capacity, kind: &str, vram: u64) -> u32 {
    let fits = |device: &&crate::resources::Device| device.kind == kind && device.vram >= vram;
    u32::try_from(capacity.devices.iter().filter(fits).count()).unwrap_or(u32::MAX)
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Misfit::Cpus(needed, there) => {
                write!(f, "needs {} cpus, has {}", milli(*needed), milli(*there))
            }
            Misfit::Memory(needed, there) => {
                write!(f, "needs {needed} bytes of memory, has {there}")
            }
            Misfit::Devices(kind, needed, there) => {
                write!(f, "needs {needed} device(s) of kind {kind}, has {there} that fit")
            }
        }
    }
}

fn milli(thousandths: u32) -> f64 {
    f64::from(thousandths) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(milli: u32) -> Resources {
        Resources { cpus: milli, ..Resources::default() }
    }

    #[test]
    fn a_backlog_starts_in_order_as_room_comes_free() {
        let mut booking = Booking::new(Capacity::of_cpus(2));
        assert!(booking.admit(AttemptId(1), &cpus(1_000)));
        assert!(booking.admit(AttemptId(2), &cpus(1_000)));
        assert!(!booking.admit(AttemptId(3), &cpus(2_000)));
        assert!(!booking.admit(AttemptId(4), &cpus(500)), "nobody overtakes a backlog");
        assert_eq!(booking.release(AttemptId(1)), vec![]);
        assert_eq!(booking.release(AttemptId(2)), vec![AttemptId(3)]);
        assert_eq!(booking.release(AttemptId(3)), vec![AttemptId(4)]);
        assert_eq!(booking.free_cpus(), 1_500);
    }

    #[test]
    fn what_can_never_fit_says_why() {
        let booking = Booking::new(Capacity::of_cpus(2));
        let error = booking.could_fit(&cpus(3_000)).unwrap_err();
        assert_eq!(error.to_string(), "needs 3 cpus, has 2");
    }
}
