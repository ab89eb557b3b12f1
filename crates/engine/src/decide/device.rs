//! A device goes out of service or comes back; what sessions and programs of others take of its
//! memory; how devices and sessions do.

use gristmill_model::access::Actor;
use gristmill_model::command::Reply;
use gristmill_model::device::{DeviceSample, SessionSample};
use gristmill_model::event::{DeviceEvent, EphemeralEvent, Event};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{WorkerId, limits};

use super::{cut, find_worker, heartbeat};
use crate::state::{Health, Worker};
use crate::turn::Turn;

/// Takes a device out of service, or (without a reason) puts it back.
///
/// A worker says what it sees; what a person or the server took out it cannot put back, and it is
/// told so by its reminders.
pub(crate) fn set(
    turn: &mut Turn,
    worker: WorkerId,
    device: String,
    quarantined: Option<String>,
) -> Result<Reply, Rejection> {
    let found = find_worker(turn.state(), worker)?;
    let place = place_of(found, worker, &device)?;
    let now = found.devices[usize::from(place)].quarantined.as_ref();
    let actor = turn.actor();
    match (quarantined, now) {
        (None, None) => {}
        (None, Some((_, by))) if actor.is_worker() && !by.is_worker() => {}
        (None, Some(_)) => turn.emit(Event::Device(DeviceEvent::Returned { worker, device })),
        (Some(_), Some((_, by))) if actor.is_worker() && !by.is_worker() => {}
        (Some(mut reason), now) => {
            cut(&mut reason, limits::REASON_BYTES);
            if now.is_none_or(|(old, by)| (old, by) != (&reason, &actor)) {
                turn.emit(Event::Device(DeviceEvent::Quarantined { worker, device, reason }));
            }
        }
    }
    Ok(Reply::Done)
}

/// A device's place in its worker's capacity.
fn place_of(found: &Worker, worker: WorkerId, device: &str) -> Result<u16, Rejection> {
    found.device(device).ok_or_else(|| {
        let devices = &found.booking.capacity().devices;
        let known: Vec<&str> = devices.iter().map(|device| device.id.as_str()).collect();
        let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let detail = format!("worker {worker} has no device `{device}`; it has {has}");
        Rejection::new(Code::NoSuchDevice, detail)
    })
}

/// Takes devices out of service that have failed under too many jobs in a row.
pub(crate) fn judge(turn: &mut Turn, worker: WorkerId, message: &str) {
    let Some(found) = turn.state().worker(worker) else { return };
    let failing = |health: &Health| {
        health.quarantined.is_none() && health.failed_under.len() >= limits::DEVICE_FAILURES
    };
    let devices = found.booking.capacity().devices.iter().zip(&found.devices);
    let failing: Vec<(String, String)> = devices
        .filter(|(_, health)| failing(health))
        .map(|(device, health)| {
            let jobs: Vec<String> = health.failed_under.iter().map(ToString::to_string).collect();
            let jobs = jobs.join(", ");
            (device.id.clone(), format!("it failed under {jobs} in a row; the last: {message}"))
        })
        .collect();
    for (device, mut reason) in failing {
        cut(&mut reason, limits::REASON_BYTES);
        turn.emit_by(
            Actor::SERVER,
            Event::Device(DeviceEvent::Quarantined { worker, device, reason }),
        );
    }
}

/// Notes what sessions of a name really take of a device's memory.
pub(crate) fn measure(
    turn: &mut Turn,
    worker: WorkerId,
    session: String,
    vram: u64,
) -> Result<Reply, Rejection> {
    let found = find_worker(turn.state(), worker)?;
    if session.is_empty() || session.len() > limits::SESSION_KEY_BYTES {
        let detail = format!("a session's key has 1 to {} bytes", limits::SESSION_KEY_BYTES);
        return Err(Rejection::new(Code::InvalidRequest, detail));
    }
    let known = found.booking.measured().find(|(name, _)| *name == session).map(|(_, old)| old);
    if known.is_none() && found.booking.measured().count() >= limits::SESSIONS {
        let detail = format!("{} sessions were measured there already", limits::SESSIONS);
        return Err(Rejection::new(Code::TooMany, detail));
    }
    if known != Some(vram) {
        turn.emit(Event::Device(DeviceEvent::SessionMeasured { worker, session, vram }));
    }
    Ok(Reply::Done)
}

/// Notes how much of a device's memory programs of others have. The worker tells it in steps and
/// only when it is sure, so what is new is worth an event.
pub(crate) fn note_foreign_use(
    turn: &mut Turn,
    worker: WorkerId,
    device: String,
    vram: u64,
) -> Result<Reply, Rejection> {
    let found = find_worker(turn.state(), worker)?;
    let place = place_of(found, worker, &device)?;
    let vram = vram.min(found.booking.capacity().devices[usize::from(place)].vram);
    if found.booking.foreign_on(place) != vram {
        turn.emit(Event::Device(DeviceEvent::ForeignUseNoted { worker, device, vram }));
    }
    Ok(Reply::Done)
}

/// Passes on how devices and sessions do.
pub(crate) fn sample(
    turn: &mut Turn,
    worker: WorkerId,
    mut devices: Vec<DeviceSample>,
    mut sessions: Vec<SessionSample>,
) -> Result<Reply, Rejection> {
    find_worker(turn.state(), worker)?;
    heartbeat::renew(turn, worker);
    devices.truncate(limits::WORKER_DEVICES);
    sessions.truncate(limits::SESSIONS);
    for sample in &mut devices {
        cut(&mut sample.device, limits::NAME_BYTES);
        for words in [&mut sample.throttled, &mut sample.users] {
            words.truncate(limits::DEVICE_WORDS);
            words.iter_mut().for_each(|word| cut(word, limits::REASON_BYTES));
        }
    }
    for sample in &mut sessions {
        cut(&mut sample.name, limits::NAME_BYTES);
        sample.devices.truncate(limits::DEVICES);
        sample.devices.iter_mut().for_each(|device| cut(device, limits::NAME_BYTES));
    }
    turn.emit(Event::Ephemeral(EphemeralEvent::DevicesSampled { worker, devices, sessions }));
    Ok(Reply::Done)
}
