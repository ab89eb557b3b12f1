//! How workers' devices do: in service or not, and what failed there.
//!
//! A device is taken out of service by the worker that saw it fail, by a person, or by the server
//! when it failed under several jobs in a row. One job alone never condemns it: the job may be at
//! fault.

use std::collections::BTreeMap;

use gristmill_model::access::Actor;
use gristmill_model::booking::Pinned;
use gristmill_model::restored::DevicePart;
use gristmill_model::{JobId, Time, WorkerId, limits};

use super::State;
use super::workers::Worker;

/// How a device does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Why it is out of service, and who took it out; nothing while it is in service.
    pub quarantined: Option<(String, Actor)>,
    /// Different jobs that it failed under since one succeeded there, up to the bound.
    pub failed_under: Vec<JobId>,
}

impl Worker {
    /// A device's place in the worker's capacity.
    #[must_use]
    pub fn device(&self, id: &str) -> Option<u16> {
        let place = self.booking.capacity().devices.iter().position(|device| device.id == id)?;
        u16::try_from(place).ok()
    }

    pub(super) fn device_parts(&self) -> Vec<DevicePart> {
        let parts = (0..).zip(&self.devices).map(|(place, health)| DevicePart {
            quarantined: health.quarantined.clone(),
            failed_under: health.failed_under.clone(),
            last: self.booking.last_on(place).map(str::to_owned),
            deaths: self.booking.deaths_on(place),
            foreign: self.booking.foreign_on(place),
        });
        parts.collect()
    }

    pub(super) fn restore_devices(
        &mut self,
        parts: &[DevicePart],
        measured: &BTreeMap<String, u64>,
        pinned: &[Pinned],
    ) {
        for (place, (health, part)) in (0..).zip(self.devices.iter_mut().zip(parts)) {
            health.quarantined.clone_from(&part.quarantined);
            health.failed_under.clone_from(&part.failed_under);
            self.booking.set_service(place, part.quarantined.is_none());
            let last = part.last.as_deref();
            self.booking.restore_device(place, last, part.deaths, part.foreign);
        }
        for (name, vram) in measured {
            self.booking.measure(name, *vram);
        }
        pinned.iter().cloned().for_each(|pinned| self.booking.restore_pinned(pinned));
    }

    fn healths(&mut self, ids: &[String]) -> impl Iterator<Item = &mut Health> {
        let places: Vec<_> = ids.iter().filter_map(|id| self.device(id)).collect();
        let devices = (0..).zip(&mut self.devices);
        devices.filter(move |(place, _)| places.contains(place)).map(|(_, health)| health)
    }
}

impl State {
    pub(super) fn set_device(
        &mut self,
        id: WorkerId,
        device: &str,
        quarantined: Option<(String, Actor)>,
        at: Time,
    ) {
        let worker = self.worker_mut(id);
        let place = worker.device(device).expect("events name devices that are here");
        let in_service = quarantined.is_none();
        worker.devices[usize::from(place)] = Health { quarantined, failed_under: Vec::new() };
        let promoted = worker.booking.set_service(place, in_service);
        self.begin_promoted(id, &promoted, at);
    }

    pub(super) fn set_foreign_use(&mut self, id: WorkerId, device: &str, vram: u64, at: Time) {
        let worker = self.worker_mut(id);
        let place = worker.device(device).expect("events name devices that are here");
        let promoted = worker.booking.set_foreign(place, vram);
        self.begin_promoted(id, &promoted, at);
    }

    /// Devices failed under a job.
    pub(super) fn note_errors(&mut self, id: WorkerId, devices: &[String], job: JobId) {
        for health in self.worker_mut(id).healths(devices) {
            let known = health.failed_under.contains(&job);
            if !known && health.failed_under.len() < limits::DEVICE_FAILURES {
                health.failed_under.push(job);
            }
        }
    }

    /// Work succeeded on devices: what failed there before was not their fault.
    pub(super) fn clear_errors(&mut self, id: WorkerId, devices: &[String]) {
        if devices.is_empty() {
            return;
        }
        for health in self.worker_mut(id).healths(devices) {
            health.failed_under.clear();
        }
    }
}
