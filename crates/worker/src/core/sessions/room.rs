//! Room on devices: who must leave so that another can come.
//!
//! What is booked has room by the booking's rule. Processes in which nobody sits are booked nowhere
//! and may still be there: those are asked to leave, the cheapest first, as many as must. A process
//! takes room until it is gone, however long ago it was told.

use std::collections::BTreeSet;

use gristmill_model::Time;
use gristmill_model::booking::Hold;
use gristmill_model::resources::Capacity;

use super::{SessionId, Sessions, Who};

/// Whether there is room on devices.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// There is.
    Clear,
    /// There will be when these have been told to leave and are gone, with those that were told
    /// before.
    After(Vec<SessionId>),
    /// Others are at work there.
    Taken,
}

/// Finds room for what somebody holds of devices.
pub(super) fn find(
    sessions: &Sessions,
    capacity: &Capacity,
    now: Time,
    who: Who,
    holds: &[Hold],
) -> Room {
    let mut without = BTreeSet::new();
    for hold in holds {
        let mut spare = spare_on(sessions, hold.device, now);
        while !is_clear(sessions, capacity, who, hold, &without) {
            match spare.next() {
                Some(id) => without.insert(id),
                None => return Room::Taken,
            };
        }
    }
    if without.is_empty() {
        return Room::Clear;
    }
    let told = |id: &SessionId| sessions.processes[id].is_leaving();
    Room::After(without.into_iter().filter(|id| !told(id)).collect())
}

/// Processes on a device that take no part any more: those that leave already, then those in which
/// nobody sits, the one first that is missed least.
fn spare_on(sessions: &Sessions, device: u16, now: Time) -> impl Iterator<Item = SessionId> {
    let here = sessions.processes.iter().filter(|(_, process)| process.devices().contains(&device));
    let spare = here.filter(|(_, process)| process.is_leaving() || process.is_spare());
    let mut spare: Vec<_> =
        spare.map(|(id, process)| (!process.is_leaving(), process.worth(now), *id)).collect();
    spare.sort_unstable();
    spare.into_iter().map(|(_, _, id)| id)
}

/// Whether a hold has room on its device beside all that is there, `without` some that will go.
fn is_clear(
    sessions: &Sessions,
    capacity: &Capacity,
    who: Who,
    hold: &Hold,
    without: &BTreeSet<SessionId>,
) -> bool {
    let others: Vec<&Hold> = holders(sessions, who, without)
        .flatten()
        .filter(|other| other.device == hold.device)
        .collect();
    let device = &capacity.devices[usize::from(hold.device)];
    let apart = others.is_empty() || !(hold.whole || others.iter().any(|other| other.whole));
    let slot = device.slots == 0 || others.len() < device.slots as usize;
    let vram = others.iter().fold(hold.vram, |sum, other| sum.saturating_add(other.vram));
    // Who has all of a device has what others leave of it.
    apart && slot && (hold.whole || vram <= device.vram)
}

/// What others have of devices: processes that are there, and attempts that run without a session.
fn holders<'s>(
    sessions: &'s Sessions,
    who: Who,
    without: &BTreeSet<SessionId>,
) -> impl Iterator<Item = &'s [Hold]> {
    let processes = sessions.processes.iter().filter(move |(id, process)| {
        process.is_there() && !without.contains(id) && who != Who::Session(**id)
    });
    let guests = sessions.guests.iter();
    let guests = guests.filter(move |(id, visit)| !visit.waits && who != Who::Guest(**id));
    processes.map(|(_, process)| &*process.holds).chain(guests.map(|(_, visit)| &*visit.holds))
}
