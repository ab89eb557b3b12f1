//! Why the devices of a worker have no room for a job: how much of each is free and wanted, and who
//! has the rest.

use gristmill_model::api::{DeviceVerdict, Holder};
use gristmill_model::booking::{Obstacle, Room, Tenant, Want};
use gristmill_model::limits;
use gristmill_model::pipeline::StageSpec;
use gristmill_model::resources::WHOLE;

use crate::state::{Health, State, Worker};

/// A worker's devices that would do for a job, those with the most room first, and what is short
/// there in a few words.
pub(super) struct Devices {
    pub(super) verdicts: Vec<DeviceVerdict>,
    pub(super) more: u64,
    pub(super) short: Option<String>,
}

/// What jobs of a stage want of a worker that could run it: the first of its resources that would
/// do there.
pub(super) fn want(stage: &StageSpec, worker: &Worker) -> Option<Want> {
    let mut wants = (0..).zip(stage.requests()).map(|(place, _)| stage.want(place, false));
    wants.find(|want| worker.booking.could_fit(&want.resources).is_ok())
}

/// What a worker lacks for what is wanted of it.
pub(super) fn of(state: &State, want: &Want, worker: &Worker) -> Devices {
    let booking = &worker.booking;
    let mut rooms = booking.rooms(want);
    rooms.sort_by_key(|room| {
        let out = room.obstacle == Some(Obstacle::OutOfService);
        (room.obstacle.is_some(), out, u64::MAX - room.free_vram, room.device)
    });
    let shortage = booking.shortage(want).map(|short| short.to_string());
    let short = shortage.or_else(|| short_of(worker, want, &rooms));
    let shown = rooms.iter().take(limits::DEVICES_EXPLAINED);
    let verdicts: Vec<_> = shown.map(|room| verdict(state, worker, room)).collect();
    let more = (rooms.len() - verdicts.len()) as u64;
    Devices { verdicts, more, short }
}

/// What is short of devices: of one that device says it, of several the one with the most room.
fn short_of(worker: &Worker, want: &Want, rooms: &[Room]) -> Option<String> {
    let free = rooms.iter().filter(|room| room.obstacle.is_none()).count();
    let wanted = want.resources.devices.iter().map(|wish| u64::from(wish.count)).sum::<u64>();
    let nearest = rooms.iter().find(|room| room.obstacle.is_some())?;
    let words = format!("{}: {}", short_id(id(worker, nearest)), reason(worker, nearest));
    match (rooms.len(), free as u64) {
        (1, 0) => Some(words),
        (all, 0) => Some(format!("none of {all} devices has room; {words}")),
        (_, free) if free < wanted => Some(format!("{free} of {wanted} devices free; {words}")),
        // It may join none of the sessions there, or stands behind others: not for want of devices.
        _ => None,
    }
}

fn verdict(state: &State, worker: &Worker, room: &Room) -> DeviceVerdict {
    let mut tenants: Vec<Tenant> = worker.booking.tenants(room.device).collect();
    tenants.sort_by_key(|tenant| (u64::MAX - tenant.vram, WHOLE.saturating_sub(tenant.share)));
    let held_by: Vec<Holder> =
        tenants.iter().take(limits::HOLDERS_NAMED).map(|tenant| holder(state, tenant)).collect();
    let hot = worker.booking.last_on(room.device).filter(|_| tenants.is_empty());
    DeviceVerdict {
        device: id(worker, room).to_owned(),
        fits: room.obstacle.is_none(),
        reason: reason(worker, room),
        wanted_share: room.wanted_share,
        wanted_vram: room.wanted_vram,
        free_share: room.free_share,
        free_vram: room.free_vram,
        vram: room.vram,
        foreign: room.foreign,
        quarantined: health(worker, room).quarantined.as_ref().map(|(why, _)| why.clone()),
        more_holders: (tenants.len() - held_by.len()) as u64,
        held_by,
        hot: hot.map(str::to_owned),
    }
}

fn holder(state: &State, tenant: &Tenant) -> Holder {
    let attempts = tenant.attempts.iter();
    let all = attempts.filter_map(|attempt| Some(state.attempt(*attempt)?.job));
    let jobs: Vec<_> = all.take(limits::HOLDERS_NAMED).collect();
    Holder {
        session: tenant.session.clone(),
        pinned: tenant.pinned,
        more_jobs: (tenant.attempts.len() - jobs.len()) as u64,
        jobs,
        share: tenant.share,
        vram: tenant.vram,
    }
}

fn reason(worker: &Worker, room: &Room) -> String {
    match &health(worker, room).quarantined {
        Some((why, _)) => format!("out of service: {why}"),
        None => room.to_string(),
    }
}

fn health<'a>(worker: &'a Worker, room: &Room) -> &'a Health {
    &worker.devices[usize::from(room.device)]
}

fn id<'a>(worker: &'a Worker, room: &Room) -> &'a str {
    &worker.booking.capacity().devices[usize::from(room.device)].id
}

/// The beginning of a long name, which tells devices apart well enough in a sentence.
fn short_id(id: &str) -> String {
    const SHOWN: usize = 12;
    if id.chars().count() <= SHOWN + 4 {
        return id.to_owned();
    }
    format!("{}…", id.chars().take(SHOWN).collect::<String>())
}
