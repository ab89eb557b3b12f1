//! What is booked of each device, and which devices a request gets: all that it asks for, or none.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Fate;
use super::room::{Obstacle, Room};
use crate::ids::AttemptId;
use crate::resources::{Capacity, Device, DeviceRequest, Resources, WHOLE};

/// Bookings by device, in the order of the capacity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ledger {
    devices: Vec<Account>,
    /// Bytes on each device by name of session.
    measured: BTreeMap<String, u64>,
}

/// Who has booked something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Attempt(AttemptId),
    Session(u16),
}

/// What is booked of one device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Account {
    parts: BTreeMap<Owner, Part>,
    out_of_service: bool,
    /// Bytes that programs of others have. What is booked does not depend on it, only what more may
    /// be.
    foreign: u64,
    /// Whose session was here last, if a session was.
    last: Option<String>,
    /// Attempts that died here since one succeeded.
    deaths: u32,
}

/// What is booked of a device for one attempt or session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// The device's place in the capacity.
    pub device: u16,
    /// Bytes of its memory.
    pub vram: u64,
    /// Whether nobody else has any of it.
    pub whole: bool,
}

/// A part of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Part {
    /// Thousandths.
    share: u32,
    /// Bytes.
    vram: u64,
}

/// A request for devices, with the session that asks where one does.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) request: &'a Resources,
    pub(super) session: Option<&'a str>,
}

impl Ledger {
    pub(super) fn new(capacity: &Capacity) -> Ledger {
        let devices = vec![Account::default(); capacity.devices.len()];
        Ledger { devices, measured: BTreeMap::new() }
    }

    /// Devices for a request, in the order of its wishes; nothing where a wish stays open. Devices
    /// come first on which nothing died of late, then those on which that session was last, then
    /// those that were no session's, then the emptiest; what is asked for whole gets the smallest
    /// that will do.
    pub(super) fn find(&self, capacity: &Capacity, asked: Asked<'_>) -> Option<Vec<u16>> {
        let wishes = &asked.request.devices;
        let mut found = vec![Vec::new(); wishes.len()];
        let mut given = Vec::new();
        // What serves a large wish serves a small one too, so the largest choose first.
        let mut order: Vec<usize> = (0..wishes.len()).collect();
        order.sort_by_key(|place| (Reverse((wishes[*place].share, wishes[*place].vram)), *place));
        for place in order {
            for _ in 0..wishes[place].count {
                let device =
                    self.best(capacity, &wishes[place], asked.session, &given, &found[place])?;
                given.push((device, self.part(capacity, &wishes[place], device, asked.session)));
                found[place].push(device);
            }
        }
        Some(found.concat())
    }

    /// The best device for one wish, beside what is `given` already; never one of `taken`, for the
    /// devices of one wish differ.
    fn best(
        &self,
        capacity: &Capacity,
        wish: &DeviceRequest,
        session: Option<&str>,
        given: &[(u16, Part)],
        taken: &[u16],
    ) -> Option<u16> {
        let all = (0..).zip(&capacity.devices).map(|(place, _)| place);
        let fitting = all.filter(|device| {
            !taken.contains(device) && self.has_room(capacity, wish, *device, session, given)
        });
        fitting.min_by_key(|device| {
            let account = &self.devices[usize::from(*device)];
            let strangeness = match (&account.last, session) {
                (Some(last), Some(session)) if last == session => 0,
                (None, _) => 1,
                (Some(_), _) => 2,
            };
            let there = &capacity.devices[usize::from(*device)];
            let load = account.load(there, given, *device);
            (account.deaths, strangeness, load, there.vram, *device)
        })
    }

    /// Whether a request fits on these very devices, in the order of its wishes.
    pub(super) fn fits(&self, capacity: &Capacity, asked: Asked<'_>, devices: &[u16]) -> bool {
        let count: u64 = asked.request.devices.iter().map(|wish| u64::from(wish.count)).sum();
        let known = |device: &u16| usize::from(*device) < self.devices.len();
        if count != devices.len() as u64 || !devices.iter().all(known) {
            return false;
        }
        let mut given = Vec::new();
        pairs(asked.request, devices).all(|(wish, device)| {
            let fits = self.has_room(capacity, wish, device, asked.session, &given);
            given.push((device, self.part(capacity, wish, device, asked.session)));
            fits
        })
    }

    fn has_room(
        &self,
        capacity: &Capacity,
        wish: &DeviceRequest,
        device: u16,
        session: Option<&str>,
        given: &[(u16, Part)],
    ) -> bool {
        would_do(&capacity.devices[usize::from(device)], wish)
            && self.obstacle(capacity, wish, device, session, given).is_none()
    }

    /// Why a device that would do has no room for a wish now.
    fn obstacle(
        &self,
        capacity: &Capacity,
        wish: &DeviceRequest,
        device: u16,
        session: Option<&str>,
        given: &[(u16, Part)],
    ) -> Option<Obstacle> {
        let (there, account) =
            (&capacity.devices[usize::from(device)], &self.devices[usize::from(device)]);
        let Part { share, vram } = account.booked(given, device);
        let more = self.part(capacity, wish, device, session);
        let processes = account.parts.len() + given.iter().filter(|(at, _)| *at == device).count();
        let left = there.vram.saturating_sub(account.foreign);
        let whole = more.share == WHOLE;
        // Who wants all of a device gets what others leave of it, if that is as much as was asked.
        let least = wish.vram.max(u64::from(there.vram > 0));
        let enough = if whole { least <= left } else { vram.saturating_add(more.vram) <= left };
        match () {
            () if account.out_of_service => Some(Obstacle::OutOfService),
            () if whole && processes > 0 => Some(Obstacle::Taken),
            () if share + more.share > WHOLE => Some(Obstacle::Share),
            () if there.slots > 0 && processes >= there.slots as usize => {
                Some(Obstacle::Slots(there.slots))
            }
            () if !enough => Some(Obstacle::Vram),
            () => None,
        }
    }

    /// Whether what was booked for a request is there still: its devices serve, and what others
    /// have does not reach into what is booked.
    pub(super) fn is_there(&self, capacity: &Capacity, request: &Resources, of: &[u16]) -> bool {
        pairs(request, of).all(|(wish, device)| {
            let (there, account) =
                (&capacity.devices[usize::from(device)], &self.devices[usize::from(device)]);
            let booked = account.booked(&[], device).vram;
            let needed = if wish.share == WHOLE { wish.vram } else { booked };
            !account.out_of_service && needed.saturating_add(account.foreign) <= there.vram
        })
    }

    /// How it stands with each device that would do for a request: for the first of its wishes that
    /// it would do for.
    pub(super) fn rooms(&self, capacity: &Capacity, asked: Asked<'_>) -> Vec<Room> {
        let devices = (0..).zip(&capacity.devices);
        let rooms = devices.filter_map(|(device, there): (u16, &Device)| {
            let wish = asked.request.devices.iter().find(|wish| would_do(there, wish))?;
            let part = self.part(capacity, wish, device, asked.session);
            let account = &self.devices[usize::from(device)];
            let booked = account.booked(&[], device);
            let taken = booked.vram.saturating_add(account.foreign);
            Some(Room {
                device,
                wanted_share: part.share,
                wanted_vram: if part.share == WHOLE { wish.vram } else { part.vram },
                free_share: WHOLE.saturating_sub(booked.share),
                free_vram: there.vram.saturating_sub(taken),
                vram: there.vram,
                foreign: account.foreign,
                obstacle: self.obstacle(capacity, wish, device, asked.session, &[]),
            })
        });
        rooms.collect()
    }

    /// Who has booked a part of a device, with the thousandths and the bytes that each has.
    pub(super) fn tenants(&self, device: u16) -> impl Iterator<Item = (Owner, u32, u64)> {
        let parts = self.devices[usize::from(device)].parts.iter();
        parts.map(|(owner, part)| (*owner, part.share, part.vram))
    }

    /// The same devices, with nothing booked of them.
    pub(super) fn emptied(&self) -> Ledger {
        let mut empty = self.clone();
        empty.devices.iter_mut().for_each(|account| account.parts.clear());
        empty
    }

    pub(super) fn take(
        &mut self,
        capacity: &Capacity,
        asked: Asked<'_>,
        devices: &[u16],
        owner: Owner,
    ) {
        for (wish, device) in pairs(asked.request, devices) {
            let Part { share, vram } = self.part(capacity, wish, device, asked.session);
            let part = self.devices[usize::from(device)].parts.entry(owner).or_default();
            part.share += share;
            part.vram += vram;
        }
    }

    /// Books what an owner has of these devices as it would be booked now.
    pub(super) fn book_anew(
        &mut self,
        capacity: &Capacity,
        asked: Asked<'_>,
        devices: &[u16],
        owner: Owner,
    ) {
        for device in devices {
            self.devices[usize::from(*device)].parts.remove(&owner);
        }
        self.take(capacity, asked, devices, owner);
    }

    /// Gives back what an owner had of these devices; whose session it was is remembered there.
    pub(super) fn give_back(&mut self, devices: &[u16], owner: Owner, session: Option<&str>) {
        for device in devices {
            let account = &mut self.devices[usize::from(*device)];
            account.parts.remove(&owner);
            account.last = session.map(str::to_owned);
        }
    }

    /// What an owner has of these devices.
    pub(super) fn held(&self, capacity: &Capacity, devices: &[u16], owner: Owner) -> Vec<Hold> {
        let held = devices.iter().map(|device| {
            let Part { share, vram } = self.devices[usize::from(*device)].parts[&owner];
            let vram = vram.min(capacity.devices[usize::from(*device)].vram);
            Hold { device: *device, vram, whole: share == WHOLE }
        });
        held.collect()
    }

    /// What a wish takes of a device: all of it, a share of its cores and memory, or memory alone.
    /// Of a part that a session asks for, the memory is what its like were seen to take.
    fn part(
        &self,
        capacity: &Capacity,
        wish: &DeviceRequest,
        device: u16,
        session: Option<&str>,
    ) -> Part {
        let there: &Device = &capacity.devices[usize::from(device)];
        if wish.share == WHOLE {
            return Part { share: WHOLE, vram: there.vram };
        }
        let measured = session.and_then(|name| self.measured.get(name)).copied();
        let guess = match wish.vram {
            0 => share_of(there.vram, wish.share),
            vram => vram,
        };
        // More than there is cannot be waited for.
        let vram = measured.unwrap_or(guess).min(there.vram);
        Part { share: wish.share, vram }
    }

    pub(super) fn set_service(&mut self, device: u16, in_service: bool) {
        let account = &mut self.devices[usize::from(device)];
        (account.out_of_service, account.deaths) = (!in_service, 0);
    }

    /// Whether every device serves, and all of it is ours.
    pub(super) fn is_undisturbed(&self) -> bool {
        self.devices.iter().all(|account| !account.out_of_service && account.foreign == 0)
    }

    pub(super) fn set_foreign(&mut self, device: u16, bytes: u64) {
        self.devices[usize::from(device)].foreign = bytes;
    }

    pub(super) fn foreign_on(&self, device: u16) -> u64 {
        self.devices[usize::from(device)].foreign
    }

    pub(super) fn in_service(&self, device: u16) -> bool {
        !self.devices[usize::from(device)].out_of_service
    }

    pub(super) fn last_on(&self, device: u16) -> Option<&str> {
        self.devices[usize::from(device)].last.as_deref()
    }

    pub(super) fn deaths_on(&self, device: u16) -> u32 {
        self.devices[usize::from(device)].deaths
    }

    pub(super) fn restore(&mut self, device: u16, last: Option<&str>, deaths: u32) {
        let account = &mut self.devices[usize::from(device)];
        (account.last, account.deaths) = (last.map(str::to_owned), deaths);
    }

    /// Remembers how an attempt on these devices ended.
    pub(super) fn note(&mut self, devices: &[u16], fate: Fate) {
        for device in devices {
            let account = &mut self.devices[usize::from(*device)];
            match fate {
                Fate::Succeeded => account.deaths = 0,
                Fate::Died => {
                    account.deaths = account.deaths.saturating_add(1);
                    account.last = None;
                }
                Fate::Other => {}
            }
        }
    }

    pub(super) fn all_last(&self, devices: &[u16], name: &str) -> bool {
        devices.iter().all(|device| self.last_on(*device) == Some(name))
    }

    pub(super) fn measure(&mut self, name: &str, vram: u64) {
        self.measured.insert(name.to_owned(), vram);
    }

    pub(super) fn measured(&self) -> impl Iterator<Item = (&str, u64)> {
        self.measured.iter().map(|(name, vram)| (name.as_str(), *vram))
    }

    pub(super) fn booked_of(&self, device: u16) -> (u32, u64) {
        let Part { share, vram } = self.devices[usize::from(device)].booked(&[], device);
        (share, vram)
    }

    /// Whether nothing is booked of any device.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.devices.iter().all(|account| account.parts.is_empty())
    }
}

impl Account {
    fn booked(&self, given: &[(u16, Part)], device: u16) -> Part {
        let given = given.iter().filter(|(at, _)| *at == device).map(|(_, part)| part);
        let sum = |sum: Part, part: &Part| Part {
            share: sum.share + part.share,
            vram: sum.vram.saturating_add(part.vram),
        };
        self.parts.values().chain(given).fold(Part::default(), sum)
    }

    /// How much of the device is taken, in thousandths of its share or memory, whichever is more.
    fn load(&self, there: &Device, given: &[(u16, Part)], device: u16) -> u64 {
        let Part { share, vram } = self.booked(given, device);
        let taken = u128::from(vram) + u128::from(self.foreign);
        let memory = taken * u128::from(WHOLE) / u128::from(there.vram.max(1));
        u64::from(share).max(u64::try_from(memory).unwrap_or(u64::MAX))
    }
}

/// Whether a device would do for a wish, were it empty.
pub(super) fn would_do(there: &Device, wish: &DeviceRequest) -> bool {
    there.kind == wish.kind && there.vram >= wish.vram
}

/// A share of some bytes, rounded down so that parts of a whole fit beside each other.
fn share_of(bytes: u64, thousandths: u32) -> u64 {
    let part = u128::from(bytes) * u128::from(thousandths) / u128::from(WHOLE);
    u64::try_from(part).expect("a part of some bytes")
}

/// Each wish with each of its devices.
fn pairs<'a>(
    request: &'a Resources,
    devices: &'a [u16],
) -> impl Iterator<Item = (&'a DeviceRequest, u16)> {
    let wishes = request.devices.iter();
    let each = wishes.flat_map(|wish| std::iter::repeat_n(wish, wish.count as usize));
    each.zip(devices.iter().copied())
}
