//! What workers told their server of devices, and that it counts from the next round on.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::WorkerId;
use gristmill_model::event::{AttemptEvent, DeviceEvent, Event, Record, WorkerEvent};
use gristmill_model::wire::FromWorker;

use super::history::History;
use super::{Verdict, require};

const SOUND: &str = "nothing is leased on a device that its worker took out of service";
const MEASURED: &str = "what a worker has measured is what is booked";
const FOREIGN: &str = "what others have of a device is booked by nobody";

/// What was told since the server started.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Devices out of service, by instance.
    out: BTreeSet<(u64, String)>,
    /// What sessions take, by instance and name.
    measured: BTreeMap<(u64, String), u64>,
    /// What others have, by instance and device.
    foreign: BTreeMap<(u64, String), u64>,
    /// What was decided of that and may not be durable yet.
    decided: BTreeMap<(u64, String), u64>,
    /// The same of what others have.
    decided_foreign: BTreeMap<(u64, String), u64>,
    gone: BTreeSet<WorkerId>,
}

impl Told {
    /// A worker spoke on its newest link. What comes late of one that was given up counts for
    /// nothing: it will say it anew.
    pub(super) fn heard(&mut self, instance: u64, frame: &FromWorker, history: &History) {
        if history.worker_of(instance).is_none_or(|worker| self.gone.contains(&worker)) {
            return;
        }
        match frame {
            FromWorker::Device { device, quarantined } => {
                let key = (instance, device.clone());
                match quarantined {
                    Some(_) => self.out.insert(key),
                    None => self.out.remove(&key),
                };
            }
            FromWorker::Measured { session, vram } => {
                self.measured.insert((instance, session.clone()), *vram);
            }
            FromWorker::Foreign { device, vram } => {
                self.foreign.insert((instance, device.clone()), *vram);
            }
            _ => {}
        }
    }

    /// The engine decided something, with all that had been heard in mind.
    pub(super) fn decided(&mut self, record: &Record, history: &History) -> Verdict {
        match &record.event {
            Event::Device(DeviceEvent::Returned { worker, device, .. }) => {
                if let Some(instance) = history.instance_of(*worker) {
                    self.out.remove(&(instance, device.clone()));
                }
            }
            Event::Device(DeviceEvent::SessionMeasured { worker, session, vram }) => {
                if let Some(instance) = history.instance_of(*worker) {
                    self.decided.insert((instance, session.clone()), *vram);
                }
            }
            Event::Device(DeviceEvent::ForeignUseNoted { worker, device, vram }) => {
                if let Some(instance) = history.instance_of(*worker) {
                    self.decided_foreign.insert((instance, device.clone()), *vram);
                }
            }
            Event::Worker(WorkerEvent::Left { worker, .. }) => {
                self.gone.insert(*worker);
                // Under another id it will say everything anew.
                if let Some(instance) = history.instance_of(*worker) {
                    self.out.retain(|(of, _)| *of != instance);
                    self.measured.retain(|(of, _), _| *of != instance);
                    self.decided.retain(|(of, _), _| *of != instance);
                    self.foreign.retain(|(of, _), _| *of != instance);
                    self.decided_foreign.retain(|(of, _), _| *of != instance);
                }
            }
            Event::Attempt(AttemptEvent::Leased { worker, seat: Some(seat), attempt, .. }) => {
                let Some(instance) = history.instance_of(*worker) else { return Ok(()) };
                let ids = history.devices_at(*worker, &seat.devices);
                let out = ids.into_iter().find(|id| self.out.contains(&(instance, id.clone())));
                return require(out.is_none(), SOUND, || format!("{attempt} on {out:?}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// After a round all that was heard before it counts.
    pub(super) fn counts(&self, history: &History) -> Verdict {
        for ((instance, session), vram) in &self.measured {
            let Some(worker) = history.worker_of(*instance) else { continue };
            if self.gone.contains(&worker) {
                continue;
            }
            let decided = self.decided.get(&(*instance, session.clone())).copied();
            let booked = decided.or_else(|| history.measured_at(worker, session));
            require(booked == Some(*vram), MEASURED, || {
                format!("{session} takes {vram} at {worker}, booked is {booked:?}")
            })?;
        }
        for ((instance, device), vram) in &self.foreign {
            let Some(worker) = history.worker_of(*instance) else { continue };
            if self.gone.contains(&worker) {
                continue;
            }
            let decided = self.decided_foreign.get(&(*instance, device.clone())).copied();
            let noted = decided.or_else(|| history.foreign_at(worker, device));
            require(noted == Some(*vram), FOREIGN, || {
                format!("others have {vram} of {device} at {worker}, noted is {noted:?}")
            })?;
        }
        Ok(())
    }
}
