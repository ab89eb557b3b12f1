//! The worker's devices and sessions, as far as the core's talk with the server goes: what is out
//! of service, what was measured, what others have, how they do, and what becomes of attempts when
//! a session ends.

use std::collections::BTreeMap;

use gristmill_model::attempt::{Failure, FailureKind, Outcome, SESSION_LOST};
use gristmill_model::booking::Fate;
use gristmill_model::device::DeviceSample;
use gristmill_model::wire::{Ended, FromWorker};
use gristmill_model::{AttemptId, Time};

use super::foreign::ForeignUse;
use super::sessions::{SessionId, Step};
use super::{Action, Core, Gone, held};

/// What is out of service, and by whose word. A device serves when nobody says that it must not.
#[derive(Debug, Default)]
pub(super) struct Devices {
    /// What this worker saw, by place.
    ours: BTreeMap<u16, String>,
    /// What the server said, by place.
    servers: BTreeMap<u16, String>,
    /// What sessions were seen to take, by name.
    measured: BTreeMap<String, u64>,
    /// What programs of others have.
    foreign: ForeignUse,
}

impl Core {
    /// Opens, calls and ends sessions as far as there is room and work.
    pub(super) fn pump(&mut self, now: Time, out: &mut Vec<Action>) {
        let mut steps = Vec::new();
        self.sessions.pump(now, &self.booking.capacity_left(), &mut steps);
        for step in steps {
            match step {
                Step::Open(opening) => {
                    self.samples.look_now();
                    out.push(Action::Open(opening));
                }
                Step::Close(session) => out.push(Action::Close(session)),
                Step::Start(attempt) => self.start(now, attempt, out),
                Step::Call(session, attempts) => {
                    let starting = attempts.into_iter();
                    let call = starting.filter_map(|attempt| self.assign(now, attempt));
                    out.push(Action::Call(session, call.collect()));
                }
            }
        }
    }

    /// A session's process is no more. What it was at ends with it; what had not begun begins anew
    /// in another, unless it could not even load.
    pub(super) fn bury(&mut self, now: Time, gone: Gone, out: &mut Vec<Action>) {
        let Gone { session, ruin, stuck } = gone;
        for (device, reason) in stuck {
            self.judge_device(now, device, Some(reason), out);
        }
        let ended = self.sessions.gone(now, session, ruin.as_ref()).ended;
        self.samples.look_now();
        for attempt in ended {
            let failure = ruin.clone().unwrap_or_else(lost);
            self.fail(now, attempt, failure, out);
        }
    }

    fn fail(&mut self, now: Time, attempt: AttemptId, failure: Failure, out: &mut Vec<Action>) {
        let devices = self.booking.seat_of(attempt).unwrap_or_default().devices;
        let devices = devices.into_iter().filter_map(|device| self.device_id(device)).collect();
        let ended = Ended { devices, ..held::never_ran(attempt, Outcome::Failed(failure)) };
        if self.holding.drop_waiting(attempt) {
            let fate = ended.outcome.fate();
            self.report(now, ended);
            self.release(now, attempt, fate, out);
        } else {
            self.finish(now, ended, out);
        }
    }

    pub(super) fn measure(
        &mut self,
        now: Time,
        session: SessionId,
        vram: u64,
        out: &mut Vec<Action>,
    ) {
        let Some(name) = self.sessions.measured(session, vram) else { return };
        if self.devices.measured.insert(name.clone(), vram) == Some(vram) {
            return;
        }
        let promoted = self.booking.measure(&name, vram);
        self.begin_all(now, &promoted, out);
        if self.is_up() {
            out.push(Action::Send(FromWorker::Measured { session: name, vram }));
        }
    }

    /// This worker saw a device fail, or recover.
    pub(super) fn judge_device(
        &mut self,
        now: Time,
        device: u16,
        quarantined: Option<String>,
        out: &mut Vec<Action>,
    ) {
        let Some(id) = self.device_id(device) else { return };
        let before = match &quarantined {
            Some(reason) => self.devices.ours.insert(device, reason.clone()),
            None => self.devices.ours.remove(&device),
        };
        if before == quarantined {
            return;
        }
        self.set_service(now, device, out);
        if self.is_up() {
            out.push(Action::Send(FromWorker::Device { device: id, quarantined }));
        }
    }

    /// The server took a device out of service, or put it back. What a person puts back is sound
    /// for this worker too, until it sees otherwise.
    pub(super) fn hear_of_device(
        &mut self,
        now: Time,
        id: &str,
        quarantined: Option<String>,
        out: &mut Vec<Action>,
    ) {
        let mut devices = (0..).zip(&self.booking.capacity().devices);
        let Some((device, _)) = devices.find(|(_, device)| device.id == id) else { return };
        match quarantined {
            Some(reason) => {
                self.devices.servers.insert(device, reason);
            }
            None => {
                self.devices.servers.remove(&device);
                self.devices.ours.remove(&device);
                out.push(Action::Trust(device));
            }
        }
        self.set_service(now, device, out);
    }

    fn set_service(&mut self, now: Time, device: u16, out: &mut Vec<Action>) {
        let Devices { ours, servers, .. } = &self.devices;
        let in_service = !ours.contains_key(&device) && !servers.contains_key(&device);
        if self.booking.in_service(device) != in_service {
            let promoted = self.booking.set_service(device, in_service);
            self.begin_all(now, &promoted, out);
        }
        if !in_service {
            self.hand_back(now, out);
        }
    }

    /// Nothing begins on a device that is out of service, or where others have what was booked:
    /// what was to begin there goes back to the server, and what waits for room that is nowhere
    /// else.
    fn hand_back(&mut self, now: Time, out: &mut Vec<Action>) {
        let lost = self.booking.running().filter(|attempt| !self.booking.keeps_devices(*attempt));
        let to_begin = lost.filter(|attempt| self.holding.waiting(*attempt).is_some());
        let in_vain = self.booking.backlog().filter(|attempt| self.waits_in_vain(*attempt));
        let attempts: Vec<AttemptId> = to_begin.chain(in_vain).collect();
        attempts.into_iter().for_each(|attempt| self.give_back(now, attempt, out));
    }

    /// Whether an attempt waits for devices of which too few serve, or others leave too little.
    pub(super) fn waits_in_vain(&self, attempt: AttemptId) -> bool {
        let Some(waiting) = self.holding.waiting(attempt) else { return false };
        let want = waiting.handler.want(waiting.resources.clone(), waiting.alone);
        self.booking.could_fit(&want.resources).is_ok() && !self.booking.could_start(&want)
    }

    pub(super) fn give_back(&mut self, now: Time, attempt: AttemptId, out: &mut Vec<Action>) {
        let all = || (0..).zip(&self.booking.capacity().devices).map(|(place, _)| place).collect();
        let devices: Vec<u16> = self.booking.seat_of(attempt).map_or_else(all, |seat| seat.devices);
        let why = match devices.iter().all(|device| self.booking.in_service(*device)) {
            true => held::device_in_use(),
            false => held::out_of_service(),
        };
        if self.holding.drop_waiting(attempt) {
            self.report(now, held::never_ran(attempt, why));
            self.release(now, attempt, Fate::Other, out);
        }
    }

    /// At the begin of a connection: what the server must know, and what it will say anew.
    pub(super) fn tell_devices(&mut self, now: Time, out: &mut Vec<Action>) {
        let told: Vec<u16> = std::mem::take(&mut self.devices.servers).into_keys().collect();
        told.into_iter().for_each(|device| self.set_service(now, device, out));
        let places = 0..self.booking.capacity().devices.len();
        for device in places.filter_map(|place| u16::try_from(place).ok()) {
            let quarantined = self.devices.ours.get(&device).cloned();
            if let Some(device) = self.device_id(device) {
                out.push(Action::Send(FromWorker::Device { device, quarantined }));
            }
        }
        for (device, vram) in self.devices.foreign.noted() {
            if let Some(device) = self.device_id(device) {
                out.push(Action::Send(FromWorker::Foreign { device, vram }));
            }
        }
        let measured = self.devices.measured.iter();
        out.extend(measured.map(|(session, vram)| {
            Action::Send(FromWorker::Measured { session: session.clone(), vram: *vram })
        }));
        self.samples.begin_anew();
    }

    /// Devices were looked at.
    pub(super) fn take_in_samples(
        &mut self,
        now: Time,
        devices: Vec<DeviceSample>,
        out: &mut Vec<Action>,
    ) {
        devices.iter().for_each(|sample| self.note_foreign_use(now, sample, out));
        self.samples.take_in(devices);
    }

    /// What others have of a device's memory is not there for us.
    fn note_foreign_use(&mut self, now: Time, sample: &DeviceSample, out: &mut Vec<Action>) {
        let mut devices = (0..).zip(&self.booking.capacity().devices);
        let Some((device, there)) = devices.find(|(_, there)| there.id == sample.device) else {
            return;
        };
        let Some(seen) = sample.foreign else { return };
        let Some(vram) = self.devices.foreign.look(device, there.vram, seen) else { return };
        let promoted = self.booking.set_foreign(device, vram);
        if self.is_up() {
            let device = sample.device.clone();
            out.push(Action::Send(FromWorker::Foreign { device, vram }));
        }
        self.begin_all(now, &promoted, out);
        self.hand_back(now, out);
    }

    pub(super) fn pass_partial(
        &mut self,
        attempt: AttemptId,
        index: u64,
        value: String,
        out: &mut Vec<Action>,
    ) {
        if self.is_up() && self.holding.job_of(attempt).is_some() {
            out.push(Action::Send(FromWorker::Partial { attempt, index, value }));
        }
    }

    fn device_id(&self, device: u16) -> Option<String> {
        let devices = &self.booking.capacity().devices;
        devices.get(usize::from(device)).map(|device| device.id.clone())
    }
}

fn lost() -> Failure {
    Failure::new(FailureKind::Lost, SESSION_LOST, "the session ended while it worked on this job")
}
