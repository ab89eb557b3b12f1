//! Devices: which are in service, what failed on them, and who goes behind whom for the sake of a
//! session that is there already.

use gristmill_model::access::Actor;
use gristmill_model::attempt::FailureKind;
use gristmill_model::booking::Seat;
use gristmill_model::event::{DeviceEvent, Event};
use gristmill_model::pipeline::StageSpec;
use gristmill_model::wire::FromWorker;
use gristmill_model::{JobId, Span, WorkerId, limits};

use super::jobs::Class;
use super::leases::Lease;
use super::{History, ORDER, Verdict, require};
use crate::tally::Tally;

const SOUND: &str = "nothing is leased on a device that is out of service";
const CONDEMNED: &str = "a device that fails under several jobs in a row is taken out of service";
const PATIENCE: &str = "nobody goes behind a hot session for longer than it may cost";

/// A device as the log tells of it.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) id: String,
    /// Who took it out of service, while it is.
    pub(super) out: Option<Actor>,
    /// Jobs that it failed under since one succeeded there.
    failed_under: Vec<JobId>,
}

impl Device {
    pub(super) fn new(id: &str) -> Device {
        Device { id: id.to_owned(), out: None, failed_under: Vec::new() }
    }
}

impl History {
    pub(super) fn take_devices(&mut self, event: &Event, tally: &mut Tally) -> Verdict {
        match event {
            Event::Device(DeviceEvent::Quarantined { worker, device, .. }) => {
                tally.quarantines += 1;
                tally.devices_condemned += u64::from(self.by == Actor::SERVER);
                self.ever_set.insert(format!("{worker} without {device}"));
                self.set_device(*worker, device, Some(self.by))
            }
            Event::Device(DeviceEvent::Returned { worker, device }) => {
                tally.returns += 1;
                let out = self.device(*worker, device).and_then(|device| device.out);
                let may = !self.by.is_worker() || out.is_some_and(Actor::is_worker);
                require(may, ORDER, || format!("{device} of {worker} is back, out by {out:?}"))?;
                self.set_device(*worker, device, None)
            }
            Event::Device(DeviceEvent::SessionMeasured { worker, session, vram }) => {
                tally.measured += 1;
                self.is_present(*worker)?;
                let worker = self.workers.get_mut(worker).expect("it is here");
                let promoted = worker.booking.measure(session, *vram);
                self.promoted(&promoted);
                Ok(())
            }
            Event::Device(DeviceEvent::ForeignUseNoted { worker, device, vram }) => {
                tally.foreign_uses += 1;
                self.is_present(*worker)?;
                let worker = self.workers.get_mut(worker).expect("it is here");
                let place = worker.devices.iter().position(|there| there.id == *device);
                require(place.is_some(), ORDER, || format!("nobody has {device}"))?;
                let place = u16::try_from(place.expect("just looked")).expect("few");
                let promoted = worker.booking.set_foreign(place, *vram);
                self.promoted(&promoted);
                Ok(())
            }
            other => require(false, ORDER, || format!("{} is in the log", other.name())),
        }
    }

    fn device(&self, worker: WorkerId, id: &str) -> Option<&Device> {
        self.workers.get(&worker)?.devices.iter().find(|device| device.id == id)
    }

    fn set_device(&mut self, id: WorkerId, device: &str, out: Option<Actor>) -> Verdict {
        self.is_present(id)?;
        self.condemned.retain(|(worker, condemned)| (*worker, condemned.as_str()) != (id, device));
        let worker = self.workers.get_mut(&id).expect("it is here");
        let place = worker.devices.iter().position(|there| there.id == device);
        require(place.is_some(), ORDER, || format!("{id} has no {device}"))?;
        let place = place.expect("just looked");
        let serves = out.is_none();
        worker.devices[place] = Device { out, ..Device::new(device) };
        let promoted = worker.booking.set_service(u16::try_from(place).expect("few"), serves);
        self.promoted(&promoted);
        Ok(())
    }

    /// What is leased on devices is leased on such as serve.
    pub(super) fn is_sound(&self, id: WorkerId, seat: Option<&Seat>) -> Verdict {
        let devices = seat.into_iter().flat_map(|seat| &seat.devices);
        let out = devices.filter_map(|place| self.workers[&id].devices.get(usize::from(*place)));
        let out: Vec<&Device> = out.filter(|device| device.out.is_some()).collect();
        require(out.is_empty(), SOUND, || format!("{out:?} of {id}"))
    }

    pub(in crate::judge) fn devices_at(&self, worker: WorkerId, places: &[u16]) -> Vec<String> {
        let devices = self.workers.get(&worker).map_or(&[][..], |worker| &worker.devices);
        let here = places.iter().filter_map(|place| devices.get(usize::from(*place)));
        here.map(|device| device.id.clone()).collect()
    }

    pub(in crate::judge) fn measured_at(&self, worker: WorkerId, session: &str) -> Option<u64> {
        let mut measured = self.workers.get(&worker)?.booking.measured();
        measured.find(|(name, _)| *name == session).map(|(_, vram)| vram)
    }

    pub(in crate::judge) fn foreign_at(&self, worker: WorkerId, device: &str) -> Option<u64> {
        let worker = self.workers.get(&worker)?;
        let place = worker.devices.iter().position(|there| there.id == device)?;
        Some(worker.booking.foreign_on(u16::try_from(place).expect("few")))
    }

    /// Work on devices succeeded, or they failed under it.
    pub(super) fn note_devices(
        &mut self,
        id: WorkerId,
        job: JobId,
        devices: &[String],
        failed: Option<FailureKind>,
    ) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let named = worker.devices.iter_mut().filter(|device| devices.contains(&device.id));
        for device in named {
            match failed {
                None => device.failed_under.clear(),
                Some(FailureKind::Device) if !device.failed_under.contains(&job) => {
                    device.failed_under.push(job);
                    if device.failed_under.len() >= 3 && device.out.is_none() {
                        self.condemned.push((id, device.id.clone()));
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// A device that is condemned goes out of service at once.
    pub(super) fn follows_on_condemned(&self, event: &Event) -> Verdict {
        let Some((worker, device)) = self.condemned.first() else { return Ok(()) };
        let goes = self.by == Actor::SERVER
            && matches!(event, Event::Device(DeviceEvent::Quarantined { .. }));
        require(goes, CONDEMNED, || format!("{device} of {worker}: then came {}", event.name()))
    }

    /// A worker told what its sessions cost to load.
    pub(in crate::judge) fn was_told(&mut self, frame: &FromWorker) {
        let FromWorker::Sample { sessions, .. } = frame else { return };
        for sample in sessions {
            let load = self.loads.entry(sample.name.clone()).or_default();
            *load = (*load).max(sample.load.unwrap_or_default());
        }
    }

    /// No job of the project that could begin there has waited before it for too long: a job may
    /// only go behind younger ones for as long as loading its session costs, and never across
    /// levels of priority.
    pub(super) fn is_patient(&self, lease: Lease, class: &Class, tally: &mut Tally) -> Verdict {
        let Lease { job, worker, .. } = lease;
        let own = (self.jobs[&job].rank, job);
        let lines = self.queue.iter().filter(|(other, _)| other.0 == class.0 && *other != class);
        for (other, line) in lines {
            // Who has waited longest may stand behind one that has just come, from the stage before
            // or after a failure.
            let before = || line.iter().take_while(|place| **place < own).take(limits::HOT_LINE);
            let longest = before().map(|(_, id)| id).min_by_key(|id| self.jobs[id].lined_up_at);
            let longest = longest.filter(|_| !self.asks_the_same(other, class));
            let Some(rival) = longest.filter(|_| self.barred(other, self.at).is_none()) else {
                continue;
            };
            let stage: &StageSpec = &self.pipelines[&other.1].1.stages[usize::from(other.2)];
            // Where another project waits for the same as well, it may be that one's turn.
            let mut others = self.queue.keys().filter(|third| third.0 != other.0);
            let shared = others.any(|third| self.asks_the_same(third, other));
            if shared || !self.could_begin(worker, other, stage) {
                continue;
            }
            tally.bypassed += 1;
            let load = self.loads.get(stage.handler.word()).copied().unwrap_or_default();
            let patience =
                Span(load.0.saturating_mul(4)).clamp(Span::seconds(10), Span::seconds(600));
            let waited = self.at.since(self.jobs[rival].lined_up_at);
            let level = before().all(|(rank, _)| own.0.abs_diff(*rank) < limits::AGEING.0);
            require(waited < patience && level, PATIENCE, || {
                let asks = (stage.handler.word(), &stage.resources);
                format!("{rival} waits {waited} for {asks:?}, {job} goes first on {worker}")
            })?;
        }
        Ok(())
    }

    fn could_begin(&self, id: WorkerId, class: &Class, stage: &StageSpec) -> bool {
        let worker = &self.workers[&id];
        let labels = &worker.shape.labels;
        let labelled = stage.requires.iter().all(|(name, value)| labels.get(name) == Some(value));
        let handles = worker.shape.handlers.iter().any(|word| word == stage.handler.word());
        let sees = worker.shape.shared_disk || !class.3;
        let places = (0..).zip(stage.requests()).map(|(place, _)| place);
        let mut seats = places.filter_map(|place| worker.booking.seat(&stage.want(place, false)));
        labelled && handles && sees && seats.next().is_some()
    }
}
