//! Booking a worker's resources: one rule, used by the engine (what may I lease to this worker?)
//! and by the worker (which of my attempts may start?), so that both always agree.
//!
//! Attempts that fit beside those already running are *running*; up to `prefetch` more wait in
//! the *backlog*, at the worker already, and start in order as room comes free. A backlog hides
//! the round trip for short jobs; its attempts book nothing.

use std::collections::{BTreeMap, VecDeque};

use crate::ids::AttemptId;
use crate::resources::{Capacity, DeviceRequest, Resources, named};

/// A worker's capacity and what is booked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    capacity: Capacity,
    running: BTreeMap<AttemptId, Resources>,
    backlog: VecDeque<(AttemptId, Resources)>,
    booked: Booked,
}

/// What the running attempts have booked together. A name with nothing booked has no entry, so
/// that equal bookings are equal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Booked {
    cpus: u64,
    /// Bytes; stays 0 where memory is not counted.
    memory: u64,
    /// Whole devices by kind.
    devices: BTreeMap<String, u64>,
    /// Thousandths by name.
    named: BTreeMap<String, u64>,
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
    /// Less of a named resource than needed (name, needed, there; thousandths).
    Named(String, u32, u32),
}

impl Booking {
    /// Nothing booked yet.
    #[must_use]
    pub fn new(capacity: Capacity) -> Booking {
        let (running, backlog) = (BTreeMap::new(), VecDeque::new());
        Booking { capacity, running, backlog, booked: Booked::default() }
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
        u64::from(self.capacity.cpus).saturating_sub(self.booked.cpus)
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
            self.booked.give_back(&request, self.capacity.memory != 0);
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
        self.booked.take(&request, self.capacity.memory != 0);
        self.running.insert(attempt, request);
    }

    fn has_room(&self, request: &Resources) -> bool {
        let Booked { cpus, memory, devices, named } = &self.booked;
        let cpus = cpus + u64::from(request.cpus) <= u64::from(self.capacity.cpus);
        let memory = self.capacity.memory == 0
            || memory.saturating_add(request.memory) <= self.capacity.memory;
        let of = |booked: &BTreeMap<String, u64>, name| booked.get(name).copied().unwrap_or(0);
        cpus && memory
            && request.devices.iter().all(|wish| {
                // Which device an attempt gets is the worker's choice, so each that is booked
                // may be one that would have fitted.
                let there = count_devices(&self.capacity, &wish.kind, wish.vram);
                of(devices, &wish.kind) + wished(request, wish) <= u64::from(there)
            })
            && request.named.iter().all(|(name, needed)| {
                of(named, name) + u64::from(*needed) <= u64::from(there(&self.capacity, name))
            })
    }
}

impl Booked {
    fn take(&mut self, request: &Resources, counts_memory: bool) {
        self.cpus += u64::from(request.cpus);
        self.memory += if counts_memory { request.memory } else { 0 };
        for wish in &request.devices {
            add(&mut self.devices, &wish.kind, wish.count);
        }
        for (name, needed) in &request.named {
            add(&mut self.named, name, *needed);
        }
    }

    fn give_back(&mut self, request: &Resources, counts_memory: bool) {
        self.cpus -= u64::from(request.cpus);
        self.memory -= if counts_memory { request.memory } else { 0 };
        for wish in &request.devices {
            subtract(&mut self.devices, &wish.kind, wish.count);
        }
        for (name, needed) in &request.named {
            subtract(&mut self.named, name, *needed);
        }
    }
}

fn add(booked: &mut BTreeMap<String, u64>, name: &str, amount: u32) {
    if amount == 0 {
        return;
    }
    if let Some(sum) = booked.get_mut(name) {
        *sum += u64::from(amount);
    } else {
        booked.insert(name.to_owned(), u64::from(amount));
    }
}

fn subtract(booked: &mut BTreeMap<String, u64>, name: &str, amount: u32) {
    if amount == 0 {
        return;
    }
    let sum = booked.get_mut(name).unwrap_or_else(|| panic!("{name} is booked"));
    *sum -= u64::from(amount);
    if *sum == 0 {
        booked.remove(name);
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
        let needed = wished(request, wish);
        if needed > u64::from(there) {
            let needed = u32::try_from(needed).unwrap_or(u32::MAX);
            return Err(Misfit::Devices(wish.kind.clone(), needed, there));
        }
    }
    for (name, needed) in &request.named {
        let there = there(capacity, name);
        if *needed > there {
            return Err(Misfit::Named(name.clone(), *needed, there));
        }
    }
    Ok(())
}

/// How many such requests `capacity` meets at a time, with nothing else booked.
#[must_use]
pub fn slots(capacity: &Capacity, request: &Resources) -> u64 {
    let of = |there: u64, needed: u64| there.checked_div(needed).unwrap_or(u64::MAX);
    let memory = if capacity.memory == 0 { u64::MAX } else { capacity.memory };
    let devices = request.devices.iter().map(|wish| {
        let there = count_devices(capacity, &wish.kind, wish.vram);
        of(there.into(), wished(request, wish))
    });
    let named = request.named.iter().map(|(name, needed)| {
        let there = there(capacity, name);
        of(there.into(), (*needed).into())
    });
    let cpus = of(capacity.cpus.into(), request.cpus.into());
    devices.chain(named).fold(cpus.min(of(memory, request.memory)), u64::min)
}

/// Devices that a request wants of a wish's kind and at least as large, over all its wishes:
/// what serves a larger wish cannot serve this one too.
fn wished(request: &Resources, wish: &DeviceRequest) -> u64 {
    let same = |other: &&DeviceRequest| other.kind == wish.kind && other.vram >= wish.vram;
    request.devices.iter().filter(same).map(|other| u64::from(other.count)).sum()
}

fn there(capacity: &Capacity, name: &str) -> u32 {
    capacity.named.get(name).copied().unwrap_or(0)
}

fn count_devices(capacity: &Capacity, kind: &str, vram: u64) -> u32 {
    let fits = |device: &&crate::resources::Device| device.kind == kind && device.vram >= vram;
    u32::try_from(capacity.devices.iter().filter(fits).count()).unwrap_or(u32::MAX)
}

impl Misfit {
    /// How much there is of what is needed, in thousandths.
    #[must_use]
    pub fn share(&self) -> u64 {
        let (needed, there) = match self {
            Misfit::Cpus(needed, there)
            | Misfit::Devices(_, needed, there)
            | Misfit::Named(_, needed, there) => (u64::from(*needed), u64::from(*there)),
            Misfit::Memory(needed, there) => (*needed, *there),
        };
        there.saturating_mul(1_000).checked_div(needed).unwrap_or(0)
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Misfit::Cpus(needed, there) => {
                write!(f, "needs {} cpus, has {}", milli(*needed), milli(*there))
            }
            Misfit::Memory(needed, there) => {
                let (wanted, given) = (size(*needed), size(*there));
                if wanted == given {
                    return write!(f, "needs {needed} bytes of memory, has {there}");
                }
                write!(f, "needs {wanted} of memory, has {given}")
            }
            Misfit::Devices(kind, needed, there) => {
                write!(f, "needs {needed} device(s) of kind {kind}, has {there} that fit")
            }
            Misfit::Named(name, needed, there) => {
                let (needed, there) = (named::amount(*needed), named::amount(*there));
                write!(f, "needs {needed} of {name}, has {there}")
            }
        }
    }
}

fn milli(thousandths: u32) -> f64 {
    f64::from(thousandths) / 1_000.0
}

/// Memory as it is asked for, in binary units with one decimal at the most.
fn size(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    // Judged as it is shown: what rounds up to the next unit is shown in that.
    let reaches = |(worth, _): &(u64, &str)| bytes >= worth - worth / 20;
    let Some((worth, unit)) = units.into_iter().find(reaches) else {
        return format!("{bytes} bytes");
    };
    let tenths = (u128::from(bytes) * 10 + u128::from(worth / 2)) / u128::from(worth);
    match tenths % 10 {
        0 => format!("{} {unit}", tenths / 10),
        rest => format!("{}.{rest} {unit}", tenths / 10),
    }
}

impl Resources {
    /// What it asks for in words, one by one, where that is more than one CPU.
    pub fn beyond_one_cpu(&self) -> impl Iterator<Item = String> {
        let cpus = (self.cpus > 1_000).then(|| format!("{} cpus", milli(self.cpus)));
        let memory = (self.memory > 0).then(|| format!("{} of memory", size(self.memory)));
        let devices = self.devices.iter().map(|wish| match wish.vram {
            0 => format!("{} of device {}", wish.count, wish.kind),
            vram => format!("{} of device {} with {}", wish.count, wish.kind, size(vram)),
        });
        let named = self.named.iter();
        let named = named.map(|(name, needed)| format!("{} of {name}", named::amount(*needed)));
        cpus.into_iter().chain(memory).chain(devices).chain(named)
    }
}

#[cfg(test)]
mod tests;
