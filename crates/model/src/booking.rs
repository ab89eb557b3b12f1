//! Booking a worker's resources: one rule, used by the engine (what may I lease to this worker?)
//! and by the worker (which of my attempts may start, and on which devices?), so that both always
//! agree.
//!
//! Attempts that fit beside those already running are *running*; up to `prefetch` more wait in
//! the *backlog*, at the worker already, and start in order as room comes free. A backlog hides
//! the round trip for short jobs; its attempts book nothing.
//!
//! An attempt that a session works on takes a seat in it; the session books the resources, once,
//! for as long as any of its seats is taken. Its process may stay when they are empty: that is the
//! worker's business, and no longer a booking, unless it is pinned. Here it is only remembered of
//! each device whose session was on it last, for that one is likely to be there still.
//!
//! **Rule of change.** Which seats a backlog gets is told by no event, so recovery finds them by
//! this rule: another rule must find the same ones for logs that this one has written.

mod ledger;
mod misfit;
mod room;
mod sums;
mod want;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::ids::AttemptId;
use crate::resources::{Capacity, Resources};
use ledger::{Asked, Ledger, Owner};
use sums::Sums;

pub use ledger::Hold;
pub use misfit::{Misfit, could_fit, part_of, size, slots};
pub use room::{Obstacle, Room, Shortage, Tenant};
pub use want::{Pinned, Seat, SessionWant, Want};

/// A worker's capacity and what is booked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    capacity: Capacity,
    running: BTreeMap<AttemptId, Running>,
    sessions: BTreeMap<u16, Session>,
    backlog: VecDeque<(AttemptId, Want)>,
    sums: Sums,
    ledger: Ledger,
}

/// How an attempt ended, as far as devices are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It succeeded: what was on its devices is there still, and they are sound.
    Succeeded,
    /// Its session or its device died under it: what was on its devices is gone.
    Died,
    /// It ended in another way, which says nothing about its devices.
    Other,
}

/// What a running attempt has.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Running {
    /// Resources of its own, and devices by their place in the capacity.
    Own(Resources, Vec<u16>),
    /// A seat in a session.
    In(u16),
}

/// A session with at least one seat taken, or a pinned one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Session {
    name: String,
    resources: Resources,
    devices: Vec<u16>,
    seats: u32,
    taken: BTreeSet<AttemptId>,
    /// Whether whoever sits there wants no company.
    alone: bool,
    /// Whether it stays booked when nobody sits there.
    pinned: bool,
}

impl Booking {
    /// Nothing booked yet.
    #[must_use]
    pub fn new(capacity: Capacity) -> Booking {
        Booking {
            ledger: Ledger::new(&capacity),
            capacity,
            running: BTreeMap::new(),
            sessions: BTreeMap::new(),
            backlog: VecDeque::new(),
            sums: Sums::default(),
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
        u64::from(self.capacity.cpus).saturating_sub(self.sums.cpus())
    }

    /// Where a running attempt is; nothing for one that waits or is not here.
    #[must_use]
    pub fn seat_of(&self, attempt: AttemptId) -> Option<Seat> {
        Some(match self.running.get(&attempt)? {
            Running::Own(_, devices) => Seat { devices: devices.clone(), session: None },
            Running::In(number) => self.seat_in(*number),
        })
    }

    /// What of devices is booked for a running attempt, or for the session that it sits in.
    #[must_use]
    pub fn hold_of(&self, attempt: AttemptId) -> Vec<Hold> {
        match self.running.get(&attempt) {
            None => Vec::new(),
            Some(Running::Own(_, devices)) => {
                self.ledger.held(&self.capacity, devices, Owner::Attempt(attempt))
            }
            Some(Running::In(number)) => {
                let devices = &self.sessions[number].devices;
                self.ledger.held(&self.capacity, devices, Owner::Session(*number))
            }
        }
    }

    /// Attempts that sit in a session, in order of their ids.
    pub fn sitting(&self, session: u16) -> impl Iterator<Item = AttemptId> + '_ {
        self.sessions.get(&session).into_iter().flat_map(|found| found.taken.iter().copied())
    }

    /// Whether a request could run here if nothing else did and every device were in service.
    ///
    /// # Errors
    /// The first quantity that falls short.
    pub fn could_fit(&self, request: &Resources) -> Result<(), Misfit> {
        could_fit(&self.capacity, request)
    }

    /// Where an attempt could start at once, beside what runs and ahead of no backlog.
    #[must_use]
    pub fn seat(&self, want: &Want) -> Option<Seat> {
        if self.backlog.is_empty() { self.find_seat(want) } else { None }
    }

    /// Whether a session of that name was on these devices last, or sits there now.
    #[must_use]
    pub fn is_hot(&self, want: &Want, seat: &Seat) -> bool {
        let Some(wanted) = &want.session else { return false };
        seat.session.is_some_and(|number| self.sessions.contains_key(&number))
            || (!seat.devices.is_empty() && self.ledger.all_last(&seat.devices, &wanted.name))
    }

    /// Takes an attempt in: its seat when it may start now, nothing when it joins the backlog. A
    /// seat that is wished for is given where it is free.
    pub fn admit(&mut self, attempt: AttemptId, want: Want, wish: Option<&Seat>) -> Option<Seat> {
        let wished = wish.filter(|seat| self.backlog.is_empty() && self.is_free(&want, seat));
        match wished.cloned().or_else(|| self.seat(&want)) {
            Some(seat) => {
                self.book(attempt, want, seat.clone());
                Some(seat)
            }
            None => {
                self.backlog.push_back((attempt, want));
                None
            }
        }
    }

    /// Takes an attempt in as a snapshot tells of it: with its seat where it runs, without one
    /// where it waits.
    pub fn restore(&mut self, attempt: AttemptId, want: Want, seat: Option<Seat>) {
        match seat {
            Some(seat) => self.book(attempt, want, seat),
            None => self.backlog.push_back((attempt, want)),
        }
    }

    /// Pinned sessions in which nobody sits.
    pub fn pinned(&self) -> impl Iterator<Item = Pinned> + '_ {
        let empty = self.sessions.iter().filter(|(_, session)| session.taken.is_empty());
        empty.map(|(number, session)| Pinned {
            name: session.name.clone(),
            seats: session.seats,
            resources: session.resources.clone(),
            seat: self.seat_in(*number),
        })
    }

    /// Books a pinned session in which nobody sits, as a snapshot tells of it.
    pub fn restore_pinned(&mut self, pinned: Pinned) {
        let Pinned { name, seats, resources, seat } = pinned;
        let session = Some(SessionWant { name, seats, alone: false, pinned: true });
        let (want, number) = (Want { resources, session }, seat.session.unwrap_or_default());
        self.take(&want, &seat.devices, Owner::Session(number));
        self.sessions.insert(number, Session::new(want, seat.devices));
    }

    /// Lets an attempt go and returns those of the backlog that may start now, in order.
    pub fn release(&mut self, attempt: AttemptId, fate: Fate) -> Vec<(AttemptId, Seat)> {
        let devices = match self.running.remove(&attempt) {
            None => {
                self.backlog.retain(|(waiting, _)| *waiting != attempt);
                Vec::new()
            }
            Some(Running::Own(resources, devices)) => {
                self.sums.give_back(&self.capacity, &resources);
                self.ledger.give_back(&devices, Owner::Attempt(attempt), None);
                devices
            }
            Some(Running::In(number)) => self.stand_up(attempt, number, fate),
        };
        self.ledger.note(&devices, fate);
        self.promote()
    }

    /// Takes a device out of service, or puts it back: what runs there goes on,
    /// nothing else begins. Returns attempts of the backlog that may start now.
    pub fn set_service(&mut self, device: u16, in_service: bool) -> Vec<(AttemptId, Seat)> {
        self.ledger.set_service(device, in_service);
        self.promote()
    }

    /// Whether a device is in service.
    #[must_use]
    pub fn in_service(&self, device: u16) -> bool {
        self.ledger.in_service(device)
    }

    /// The session that was on a device last.
    #[must_use]
    pub fn last_on(&self, device: u16) -> Option<&str> {
        self.ledger.last_on(device)
    }

    /// Attempts that died on a device since one succeeded there.
    #[must_use]
    pub fn deaths_on(&self, device: u16) -> u32 {
        self.ledger.deaths_on(device)
    }

    /// Remembers what happened on a device, as a snapshot tells it: whose session was there last,
    /// how many attempts died since one succeeded, and what others have of its memory.
    pub fn restore_device(&mut self, device: u16, last: Option<&str>, deaths: u32, foreign: u64) {
        self.ledger.restore(device, last, deaths);
        self.ledger.set_foreign(device, foreign);
    }

    /// Device memory that sessions of a name really take, in bytes for each device: booked from
    /// now on, those that run included, in place of what was asked for, where a part of a device
    /// was. Returns attempts of the backlog that may start now.
    pub fn measure(&mut self, name: &str, vram: u64) -> Vec<(AttemptId, Seat)> {
        self.ledger.measure(name, vram);
        for (number, session) in self.sessions.iter().filter(|(_, session)| session.name == name) {
            let asked = Asked { request: &session.resources, session: Some(name) };
            let owner = Owner::Session(*number);
            self.ledger.book_anew(&self.capacity, asked, &session.devices, owner);
        }
        self.promote()
    }

    /// How much of a device is booked: thousandths of it, and bytes of its memory.
    #[must_use]
    pub fn booked_of(&self, device: u16) -> (u32, u64) {
        self.ledger.booked_of(device)
    }

    /// What was measured, by name of session.
    pub fn measured(&self) -> impl Iterator<Item = (&str, u64)> {
        self.ledger.measured()
    }

    fn seat_in(&self, number: u16) -> Seat {
        Seat { devices: self.sessions[&number].devices.clone(), session: Some(number) }
    }

    fn promote(&mut self) -> Vec<(AttemptId, Seat)> {
        let mut started = Vec::new();
        while let Some((_, want)) = self.backlog.front() {
            let Some(seat) = self.find_seat(want) else { break };
            let (attempt, want) = self.backlog.pop_front().expect("it was looked at");
            self.book(attempt, want, seat.clone());
            started.push((attempt, seat));
        }
        started
    }

    /// A seat by the rule: where its session was last, then in a session that has one free, then in
    /// a new session. The first goes before the second so that all hot devices work at once.
    fn find_seat(&self, want: &Want) -> Option<Seat> {
        let Some(wanted) = &want.session else {
            let devices = self.find_room(&want.resources, None)?;
            return Some(Seat { devices, session: None });
        };
        let fresh = self.find_room(&want.resources, Some(&wanted.name)).map(|devices| {
            let hot = !devices.is_empty() && self.ledger.all_last(&devices, &wanted.name);
            (hot, Seat { devices, session: Some(self.free_number()) })
        });
        match fresh {
            Some((true, seat)) => Some(seat),
            fresh => self.join(want).or(fresh.map(|(_, seat)| seat)),
        }
    }

    /// The seat in the emptiest session that takes this attempt.
    fn join(&self, want: &Want) -> Option<Seat> {
        let open = self.sessions.iter().filter(|(_, session)| self.takes(session, want));
        let (number, _) = open.min_by_key(|(number, session)| (session.taken.len(), **number))?;
        Some(self.seat_in(*number))
    }

    /// Whether one more may sit down in a session, and its devices serve.
    fn takes(&self, session: &Session, want: &Want) -> bool {
        session.takes(want) && session.devices.iter().all(|device| self.in_service(*device))
    }

    fn find_room(&self, request: &Resources, session: Option<&str>) -> Option<Vec<u16>> {
        if !self.sums.leave_room(&self.capacity, request) {
            return None;
        }
        if request.devices.is_empty() {
            return Some(Vec::new());
        }
        self.ledger.find(&self.capacity, Asked { request, session })
    }

    /// Whether a wished seat is free for an attempt.
    fn is_free(&self, want: &Want, seat: &Seat) -> bool {
        match (&want.session, seat.session) {
            (Some(_), Some(number)) => match self.sessions.get(&number) {
                Some(session) => self.takes(session, want) && session.devices == seat.devices,
                None => self.has_room_on(want, &seat.devices),
            },
            (None, None) => self.has_room_on(want, &seat.devices),
            _ => false,
        }
    }

    fn has_room_on(&self, want: &Want, devices: &[u16]) -> bool {
        self.sums.leave_room(&self.capacity, &want.resources)
            && self.ledger.fits(&self.capacity, asked(want), devices)
    }

    fn book(&mut self, attempt: AttemptId, want: Want, seat: Seat) {
        let Some(number) = seat.session else {
            self.take(&want, &seat.devices, Owner::Attempt(attempt));
            self.running.insert(attempt, Running::Own(want.resources, seat.devices));
            return;
        };
        let alone = want.session.as_ref().is_some_and(|wanted| wanted.alone);
        if !self.sessions.contains_key(&number) {
            self.take(&want, &seat.devices, Owner::Session(number));
            self.sessions.insert(number, Session::new(want, seat.devices));
        }
        let session = self.sessions.get_mut(&number).expect("it is there now");
        session.alone |= alone;
        session.taken.insert(attempt);
        self.running.insert(attempt, Running::In(number));
    }

    fn take(&mut self, want: &Want, devices: &[u16], owner: Owner) {
        self.sums.take(&self.capacity, &want.resources);
        self.ledger.take(&self.capacity, asked(want), devices, owner);
    }

    /// Frees a seat; returns the session's devices.
    fn stand_up(&mut self, attempt: AttemptId, number: u16, fate: Fate) -> Vec<u16> {
        let session = self.sessions.get_mut(&number).expect("who sits has a session");
        session.taken.remove(&attempt);
        // Who sits on gets another process, which stays as this one would have.
        session.pinned &= fate != Fate::Died || !session.taken.is_empty();
        session.alone &= !session.taken.is_empty();
        if session.pinned || !session.taken.is_empty() {
            return session.devices.clone();
        }
        let Session { name, resources, devices, .. } =
            self.sessions.remove(&number).expect("it was here");
        self.sums.give_back(&self.capacity, &resources);
        self.ledger.give_back(&devices, Owner::Session(number), Some(&name));
        devices
    }

    fn free_number(&self) -> u16 {
        let used = |number: &u16| self.sessions.contains_key(number);
        (0..=u16::MAX).find(|number| !used(number)).expect("sessions are fewer than attempts")
    }
}

fn asked(want: &Want) -> Asked<'_> {
    let session = want.session.as_ref().map(|session| session.name.as_str());
    Asked { request: &want.resources, session }
}

impl Session {
    fn new(want: Want, devices: Vec<u16>) -> Session {
        let Want { resources, session } = want;
        let SessionWant { name, seats, alone, pinned } =
            session.expect("who sits in a session wants one");
        Session { name, resources, devices, seats, taken: BTreeSet::new(), alone, pinned }
    }

    /// Whether one more may sit down. All who sit there ask the same, so that it matters to nobody
    /// who came first.
    fn takes(&self, want: &Want) -> bool {
        let alike = |wanted: &SessionWant| {
            let company = !wanted.alone || self.taken.is_empty();
            wanted.name == self.name && wanted.seats == self.seats && company
        };
        want.session.as_ref().is_some_and(alike)
            && want.resources == self.resources
            && !self.alone
            && self.taken.len() < self.seats as usize
    }
}
