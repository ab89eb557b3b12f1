//! What is truly there at each machine: processes of sessions and attempts, from their start to
//! their end, and what of devices each has. Nothing here is taken from anybody's bookings but what
//! a process was told that it may have; whether that is fair is summed up anew.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::AttemptId;
use gristmill_model::booking::Hold;
use gristmill_model::pipeline::Handler;
use gristmill_model::resources::{Capacity, WHOLE};
use gristmill_model::wire::Assignment;
use gristmill_worker::core::{Opening, SessionId};

use super::{Verdict, require};

const ROOM: &str = "nothing begins on a device without room for it";
const APART: &str = "nothing begins where another has all of a device";
const SOUND: &str = "nothing begins on a device that its worker knows to be out of service";
const ALL: &str = "who asks for several devices gets all of them";
const CALL: &str = "a call holds what its session takes";

/// Every machine's room.
#[derive(Debug, Default)]
pub struct Floor {
    rooms: BTreeMap<usize, Room>,
    /// Sessions that were asked to stay, by name.
    pinned: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Room {
    there: BTreeMap<Who, Vec<Hold>>,
    /// What sessions are called.
    names: BTreeMap<SessionId, String>,
    /// Devices out of service by the worker's own word, and by its server's.
    ours: BTreeSet<u16>,
    servers: BTreeSet<u16>,
    measured: BTreeMap<String, u64>,
    /// Bytes that others have of devices, as far as the worker knows.
    foreign: BTreeMap<u16, u64>,
}

/// What a worker comes to know of its devices' memory.
#[derive(Debug)]
pub enum News {
    /// Sessions of a name truly take this much of their devices, in bytes.
    Takes(String, u64),
    /// Programs of others have this much of a device, in bytes.
    OthersHave(u16, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Host(SessionId),
    Attempt(AttemptId),
}

impl Floor {
    /// Sessions of these names stay when nothing waits for them.
    pub fn pin(&mut self, name: &str) {
        self.pinned.insert(name.to_owned());
    }

    /// Whether sessions of a name stay.
    #[must_use]
    pub fn is_pinned(&self, name: &str) -> bool {
        self.pinned.contains(name)
    }

    /// A worker's process is no more, and all that it had started.
    pub fn is_cleared(&mut self, node: usize) {
        self.rooms.remove(&node);
    }

    /// A session's process is no more.
    pub fn host_is_gone(&mut self, node: usize, session: SessionId) {
        let room = self.room(node);
        room.names.remove(&session);
        room.there.remove(&Who::Host(session));
    }

    /// An attempt without a session is no more.
    pub fn attempt_is_gone(&mut self, node: usize, attempt: AttemptId) {
        self.room(node).there.remove(&Who::Attempt(attempt));
    }

    /// A worker comes to know that a device is out of service.
    pub fn takes_out(&mut self, node: usize, device: u16, by_server: bool) {
        let room = self.room(node);
        if by_server {
            room.servers.insert(device)
        } else {
            room.ours.insert(device)
        };
    }

    /// A worker comes to know that a device serves again: what its server puts back serves.
    pub fn puts_back(&mut self, node: usize, device: u16, by_server: bool) {
        let room = self.room(node);
        room.ours.remove(&device);
        if by_server {
            room.servers.remove(&device);
        }
    }

    /// A worker comes to know something, and decides with it in mind from now on.
    pub fn learns(&mut self, node: usize, news: News) {
        match news {
            News::OthersHave(device, bytes) => {
                self.room(node).foreign.insert(device, bytes);
            }
            News::Takes(name, vram) => self.measured(node, &name, vram),
        }
    }

    /// What a server had said of devices it will say anew.
    pub fn forgets_servers(&mut self, node: usize) {
        self.room(node).servers.clear();
    }

    fn measured(&mut self, node: usize, name: &str, vram: u64) {
        let room = self.room(node);
        room.measured.insert(name.to_owned(), vram);
        for (session, _) in room.names.iter().filter(|(_, its)| *its == name) {
            let held = room.there.get_mut(&Who::Host(*session)).into_iter().flatten();
            held.filter(|hold| !hold.whole).for_each(|hold| hold.vram = vram);
        }
    }

    pub(super) fn begins_on(&self, node: usize, devices: &[u16], what: &str) -> Verdict {
        let Some(room) = self.rooms.get(&node) else { return Ok(()) };
        let out = devices.iter().find(|at| room.ours.contains(at) || room.servers.contains(at));
        require(out.is_none(), SOUND, || format!("device {out:?} of node{node}: {what}"))
    }

    pub(super) fn opens(&mut self, node: usize, capacity: &Capacity, opening: &Opening) -> Verdict {
        let who = Who::Host(opening.session);
        self.room(node).names.insert(opening.session, opening.spec.key());
        self.enters(node, capacity, who, opening.holds.clone())
    }

    pub(super) fn starts(
        &mut self,
        node: usize,
        capacity: &Capacity,
        assignment: &Assignment,
    ) -> Verdict {
        let holds = self.holds_of(node, capacity, assignment)?;
        self.enters(node, capacity, Who::Attempt(assignment.attempt), holds)
    }

    /// A session is called: what it may have is what its items ask for, and no more of them come
    /// together than may.
    pub(super) fn calls(
        &mut self,
        node: usize,
        capacity: &Capacity,
        (session, name): (SessionId, &str),
        items: &[Assignment],
    ) -> Verdict {
        for item in items {
            let Handler::Session(spec) = &item.handler else {
                return require(false, CALL, || format!("{} wants no session", item.attempt));
            };
            let company = items.len() <= spec.batch as usize && (!item.alone || items.len() == 1);
            require(spec.name == name && company, CALL, || {
                format!("{session} of {name} is called with {} items: {item:?}", items.len())
            })?;
            let holds = self.holds_of(node, capacity, item)?;
            self.enters(node, capacity, Who::Host(session), holds)?;
        }
        Ok(())
    }

    /// What an assignment asks of its devices, reckoned anew.
    fn holds_of(
        &mut self,
        node: usize,
        capacity: &Capacity,
        assignment: &Assignment,
    ) -> Result<Vec<Hold>, super::Violation> {
        let devices = assignment.seat.iter().flat_map(|seat| seat.devices.clone());
        let devices: Vec<u16> = devices.collect();
        let session = assignment.handler.session();
        let apart = assignment.alone && session.is_some_and(|spec| !spec.pinned);
        let measured = session.and_then(|spec| self.room(node).measured.get(&spec.name).copied());
        let mut left = devices.iter().copied();
        let mut holds = Vec::new();
        for wish in &assignment.resources.devices {
            let mut own = BTreeSet::new();
            for _ in 0..wish.count {
                let device = left.next();
                let there = device.and_then(|device| capacity.devices.get(usize::from(device)));
                let fits = there.is_some_and(|it| it.kind == wish.kind && it.vram >= wish.vram);
                let new = device.is_some_and(|device| own.insert(device));
                require(fits && new, ALL, || format!("{assignment:?} on {:?}", capacity.devices))?;
                let (device, there) = device.zip(there).expect("it fits");
                let whole = wish.share == WHOLE || apart;
                let guess = match wish.vram {
                    0 => there.vram / u64::from(WHOLE) * u64::from(wish.share),
                    vram => vram,
                };
                let part = measured.unwrap_or(guess).min(there.vram);
                let vram = if whole { there.vram } else { part };
                holds.push(Hold { device, vram, whole });
            }
        }
        require(left.next().is_none(), ALL, || format!("{assignment:?} has more than it wants"))?;
        Ok(holds)
    }

    /// Somebody comes, or takes more: there is room beside all that is there.
    fn enters(&mut self, node: usize, capacity: &Capacity, who: Who, holds: Vec<Hold>) -> Verdict {
        let room = self.room(node);
        // What was there already and takes no more than before needs no more room.
        let before = room.there.insert(who, holds.clone());
        for hold in holds.iter().filter(|hold| !was_there(before.as_deref(), hold)) {
            let there = &capacity.devices[usize::from(hold.device)];
            let others = room.there.iter().filter(|(other, _)| **other != who);
            let others = others.filter_map(|(_, held)| on_device(held, hold.device));
            let others: Vec<Hold> = others.collect();
            let apart = others.is_empty() || !(hold.whole || others.iter().any(|it| it.whole));
            require(apart, APART, || format!("{who:?} on node{node}: {hold:?} beside {others:?}"))?;
            let own = on_device(&holds, hold.device).map_or(0, |own| own.vram);
            let vram = others.iter().map(|it| it.vram).sum::<u64>() + own.min(there.vram);
            // Who has all of a device has what others leave of it.
            let foreign = room.foreign.get(&hold.device).copied().unwrap_or(0);
            let vram = if hold.whole { vram } else { vram + foreign };
            let slots = there.slots == 0 || others.len() < there.slots as usize;
            require(vram <= there.vram && slots, ROOM, || {
                let beside = format!("{others:?} and {foreign} bytes that others have");
                format!("{who:?} on node{node}: {hold:?} beside {beside} of {there:?}")
            })?;
        }
        Ok(())
    }

    fn room(&mut self, node: usize) -> &mut Room {
        self.rooms.entry(node).or_default()
    }
}

/// All that somebody has of a device.
fn on_device(held: &[Hold], device: u16) -> Option<Hold> {
    let here = held.iter().filter(|hold| hold.device == device);
    here.copied().reduce(|sum, hold| Hold {
        device,
        vram: sum.vram.max(hold.vram),
        whole: sum.whole || hold.whole,
    })
}

fn was_there(before: Option<&[Hold]>, hold: &Hold) -> bool {
    let before = before.and_then(|before| on_device(before, hold.device));
    before.is_some_and(|it| it.vram >= hold.vram && it.whole >= hold.whole)
}
