//! What there is room for at a worker as it stands, and why there is none: said by the rule that
//! books. Beside what is booked counts what programs of others have of the devices.

use std::borrow::Cow;
use std::fmt;

use super::ledger::Owner;
use super::misfit::{part_of, size};
use super::{Booking, Running, Seat, Session, Want, asked};
use crate::ids::AttemptId;
use crate::resources::{Capacity, named};

/// Why a device has no room for what is wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// It is out of service.
    OutOfService,
    /// All of it is wanted, and somebody has a part.
    Taken,
    /// Too little of it is free.
    Share,
    /// So many processes may use it at once, and so many do.
    Slots(u32),
    /// Too little of its memory is free.
    Vram,
}

/// How it stands with a device that would do for a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// The device's place in the capacity.
    pub device: u16,
    /// Thousandths of it that are wanted.
    pub wanted_share: u32,
    /// Bytes of its memory that are wanted.
    pub wanted_vram: u64,
    /// Thousandths of it that nobody has booked.
    pub free_share: u32,
    /// Bytes of its memory that nobody has booked and no program of others has.
    pub free_vram: u64,
    /// Bytes of its memory that there are.
    pub vram: u64,
    /// Bytes of its memory that programs of others have.
    pub foreign: u64,
    /// Why it has no room; nothing where it has.
    pub obstacle: Option<Obstacle>,
}

/// Who has booked a part of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// The session that has it, where one does.
    pub session: Option<String>,
    /// Whether that session keeps it when nobody sits there.
    pub pinned: bool,
    /// Attempts that sit in the session, or the one that has it without one.
    pub attempts: Vec<AttemptId>,
    /// Thousandths of the device.
    pub share: u32,
    /// Bytes of its memory.
    pub vram: u64,
}

/// Too little is free of what comes in amounts: needed, free, there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortage {
    /// CPUs, in thousandths.
    Cpus(u64, u64, u64),
    /// Memory, in bytes.
    Memory(u64, u64, u64),
    /// A named resource, in thousandths.
    Named(String, u64, u64, u64),
}

impl Booking {
    /// Notes how many bytes of a device's memory programs of others have: that much less may be
    /// booked. Returns attempts of the backlog that may start now.
    pub fn set_foreign(&mut self, device: u16, bytes: u64) -> Vec<(AttemptId, Seat)> {
        self.ledger.set_foreign(device, bytes);
        self.promote()
    }

    /// Bytes of a device's memory that programs of others have.
    #[must_use]
    pub fn foreign_on(&self, device: u16) -> u64 {
        self.ledger.foreign_on(device)
    }

    /// Whether an attempt could start if nothing else did, on devices as they are: those that are
    /// in service, with what others leave of them.
    #[must_use]
    pub fn could_start(&self, want: &Want) -> bool {
        let fits = self.could_fit(&want.resources).is_ok();
        if !fits || want.resources.devices.is_empty() || self.ledger.is_undisturbed() {
            return fits;
        }
        self.ledger.emptied().find(&self.capacity, asked(want)).is_some()
    }

    /// Whether a running attempt still has what is booked for it: its devices serve, and others
    /// leave as much of them.
    #[must_use]
    pub fn keeps_devices(&self, attempt: AttemptId) -> bool {
        let (request, devices) = match self.running.get(&attempt) {
            None => return true,
            Some(Running::Own(request, devices)) => (request, devices),
            Some(Running::In(number)) => {
                let Session { resources, devices, .. } = &self.sessions[number];
                (resources, devices)
            }
        };
        self.ledger.is_there(&self.capacity, request, devices)
    }

    /// What the worker has, without what others have of its devices' memory.
    #[must_use]
    pub fn capacity_left(&self) -> Cow<'_, Capacity> {
        let mut left = Cow::Borrowed(&self.capacity);
        for place in 0..self.capacity.devices.len() {
            let device = u16::try_from(place).expect("devices are few");
            let foreign = self.foreign_on(device);
            if foreign > 0 {
                let there = &mut left.to_mut().devices[place].vram;
                *there = there.saturating_sub(foreign);
            }
        }
        left
    }

    /// How it stands with each device that would do for what is wanted.
    #[must_use]
    pub fn rooms(&self, want: &Want) -> Vec<Room> {
        self.ledger.rooms(&self.capacity, asked(want))
    }

    /// What there is too little of at the moment, besides devices: the first of it.
    #[must_use]
    pub fn shortage(&self, want: &Want) -> Option<Shortage> {
        self.sums.shortage(&self.capacity, &want.resources)
    }

    /// Who has booked a part of a device.
    pub fn tenants(&self, device: u16) -> impl Iterator<Item = Tenant> + '_ {
        self.ledger.tenants(device).map(|(owner, share, vram)| match owner {
            Owner::Attempt(attempt) => {
                Tenant { session: None, pinned: false, attempts: vec![attempt], share, vram }
            }
            Owner::Session(number) => {
                let Session { name, pinned, taken, .. } = &self.sessions[&number];
                let attempts = taken.iter().copied().collect();
                Tenant { session: Some(name.clone()), pinned: *pinned, attempts, share, vram }
            }
        })
    }
}

impl fmt::Display for Room {
    /// Why it has no room, in amounts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.obstacle {
            None => f.write_str("it has room"),
            Some(Obstacle::OutOfService) => f.write_str("it is out of service"),
            Some(Obstacle::Taken) => f.write_str("all of it is wanted, and a part is taken"),
            Some(Obstacle::Share) => {
                let (free, wanted) = (named::amount(self.free_share), self.wanted_share);
                write!(f, "{free} of it free, {} wanted", named::amount(wanted))
            }
            Some(Obstacle::Slots(slots)) => {
                let verb = if slots == 1 { "process uses" } else { "processes use" };
                write!(f, "{slots} {verb} it, and it takes no more at once")
            }
            Some(Obstacle::Vram) => {
                let Room { free_vram, vram, wanted_vram, .. } = *self;
                if size(free_vram) == size(wanted_vram) {
                    return write!(f, "{free_vram} of {vram} bytes free, {wanted_vram} wanted");
                }
                write!(f, "{} free, {} wanted", part_of(free_vram, vram), size(wanted_vram))
            }
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milli = |thousandths: u64| thousandths as f64 / 1_000.0;
        match self {
            Shortage::Cpus(needed, free, there) => {
                let (needed, free, there) = (milli(*needed), milli(*free), milli(*there));
                write!(f, "{free} of {there} cpus free, {needed} wanted")
            }
            Shortage::Memory(needed, free, there) => {
                write!(f, "{} of memory free, {} wanted", part_of(*free, *there), size(*needed))
            }
            Shortage::Named(name, needed, free, there) => {
                let (needed, free, there) = (milli(*needed), milli(*free), milli(*there));
                write!(f, "{free} of {there} of {name} free, {needed} wanted")
            }
        }
    }
}
