//! How devices and sessions do, as the server is told: at once when devices were looked at or a
//! session has come or gone, and from time to time what sessions have done since.

use gristmill_model::device::{DeviceSample, SessionSample};
use gristmill_model::wire::FromWorker;
use gristmill_model::{Time, limits};

use super::{Action, Core};

/// What was told last, and when to look again.
#[derive(Debug, Default)]
pub(super) struct Samples {
    devices: Vec<DeviceSample>,
    /// The server has not heard of these devices.
    untold: bool,
    sessions: Vec<SessionSample>,
    looked: Time,
    look_now: bool,
}

impl Samples {
    /// A session came or went.
    pub(super) fn look_now(&mut self) {
        self.look_now = true;
    }

    /// Somebody looked at the devices.
    pub(super) fn take_in(&mut self, devices: Vec<DeviceSample>) {
        self.devices = devices;
        self.untold = true;
    }

    /// A server listens that has heard nothing yet.
    pub(super) fn begin_anew(&mut self) {
        self.sessions.clear();
        self.untold = !self.devices.is_empty();
        self.look_now = true;
    }
}

impl Core {
    /// Tells how devices and sessions do, where that is new.
    pub(super) fn say_samples(&mut self, now: Time, out: &mut Vec<Action>) {
        let is_due = self.samples_due().is_some_and(|due| now >= due);
        if !self.is_up() || !(self.samples.untold || self.samples.look_now || is_due) {
            return;
        }
        let sessions = self.sessions.samples(self.booking.capacity());
        let samples = &mut self.samples;
        (samples.looked, samples.look_now) = (now, false);
        if std::mem::take(&mut samples.untold) || sessions != samples.sessions {
            let devices = samples.devices.clone();
            samples.sessions.clone_from(&sessions);
            out.push(Action::Send(FromWorker::Sample { devices, sessions }));
        }
    }

    /// When to look at the sessions again; never where there are none.
    pub(super) fn samples_due(&self) -> Option<Time> {
        let due = self.samples.looked + limits::DEVICE_LOOK;
        (self.is_up() && self.sessions.has_processes()).then_some(due)
    }
}
