//! Workers: who is here, what each holds, and that what runs on one fits together.

use std::collections::BTreeSet;

use gristmill_model::booking::{Booking, Fate, Seat, Want};
use gristmill_model::event::{Event, LeaveReason, WorkerEvent};
use gristmill_model::resources::{Resources, WorkerShape};
use gristmill_model::{AttemptId, ProjectId, WorkerId};

use super::devices::Device;
use super::{History, ORDER, Verdict, require};
use crate::tally::Tally;

const ROOM: &str = "no worker is leased more than it has room for";

/// A worker as the log tells of it.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) instance: u64,
    pub(super) shape: WorkerShape,
    pub(super) booking: Booking,
    pub(super) is_here: bool,
    pub(super) paused: bool,
    pub(super) draining: bool,
    pub(super) devices: Vec<Device>,
}

impl History {
    pub(super) fn take_workers(&mut self, event: &Event, tally: &mut Tally) -> Verdict {
        match event {
            Event::Worker(WorkerEvent::Joined { worker, .. }) => {
                tally.joins += 1;
                self.join(*worker, event)
            }
            Event::Worker(WorkerEvent::Paused { worker, paused, .. }) => {
                tally.worker_pauses += u64::from(*paused);
                self.is_present(*worker)?;
                self.ever_set.insert(format!("{worker} paused {paused}"));
                self.workers.get_mut(worker).expect("it is here").paused = *paused;
                Ok(())
            }
            Event::Worker(WorkerEvent::Declared { name, shape }) => {
                self.ever_set.insert(format!("declared {name} {}", shape.is_some()));
                match shape {
                    Some(shape) => self.declared.insert(name.clone(), (**shape).clone()),
                    None => self.declared.remove(name),
                };
                Ok(())
            }
            Event::Worker(WorkerEvent::Draining { worker }) => {
                self.is_present(*worker)?;
                self.workers.get_mut(worker).expect("it is here").draining = true;
                Ok(())
            }
            Event::Worker(WorkerEvent::Left { worker, reason }) => {
                match reason {
                    LeaveReason::Goodbye => tally.goodbyes += 1,
                    LeaveReason::LeaseExpired => tally.leases_lost += 1,
                }
                self.is_present(*worker)?;
                self.workers.get_mut(worker).expect("it is here").is_here = false;
                let held = self.live.iter().find(|id| self.attempts[id].worker == *worker);
                require(held.is_none(), "no lease survives its worker", || {
                    format!("{worker} left and holds {held:?}")
                })
            }
            event => self.take_devices(event, tally),
        }
    }

    fn join(&mut self, id: WorkerId, event: &Event) -> Verdict {
        let Event::Worker(WorkerEvent::Joined { instance, description, .. }) = event else {
            unreachable!("called for this event alone")
        };
        let shape = description.shape.clone();
        let capacity = &description.shape.capacity;
        let booking = Booking::new(capacity.clone());
        let (paused, draining, is_here) = (false, false, true);
        let instance = *instance;
        let devices = capacity.devices.iter().map(|device| Device::new(&device.id)).collect();
        let worker = Worker { instance, shape, booking, is_here, paused, draining, devices };
        let old = self.workers.insert(id, worker);
        require(old.is_none(), ORDER, || format!("{id} joins twice"))
    }

    pub(in crate::judge) fn instance_of(&self, worker: WorkerId) -> Option<u64> {
        self.workers.get(&worker).map(|worker| worker.instance)
    }

    pub(in crate::judge) fn worker_of(&self, instance: u64) -> Option<WorkerId> {
        let mut here = self.workers.iter().filter(|(_, worker)| worker.is_here);
        here.find(|(_, worker)| worker.instance == instance).map(|(id, _)| *id)
    }

    pub(super) fn is_present(&self, id: WorkerId) -> Verdict {
        let here = self.workers.get(&id).is_some_and(|worker| worker.is_here);
        require(here, ORDER, || format!("{id} is not here"))
    }

    pub(super) fn request_of(&self, attempt: AttemptId) -> Resources {
        let attempt = &self.attempts[&attempt];
        let stage = self.stage(&self.jobs[&attempt.job], attempt.stage);
        stage.expect("leases name stages").request(attempt.alternative).clone()
    }

    /// What an attempt asks of its worker: one that has cost something keeps apart.
    fn want_of(&self, id: AttemptId) -> Want {
        let attempt = &self.attempts[&id];
        let job = &self.jobs[&attempt.job];
        let apart = job.shortages > 0 || !job.deaths.is_empty();
        self.stage(job, attempt.stage).expect("leases name stages").want(attempt.alternative, apart)
    }

    /// A new attempt books its worker, or waits there.
    pub(super) fn book(
        &mut self,
        id: AttemptId,
        project: ProjectId,
        seat: Option<&Seat>,
    ) -> Verdict {
        let (worker, want, weight) = (self.attempts[&id].worker, self.want_of(id), self.weight(id));
        self.project_leased(project, weight);
        let booking = &mut self.workers.get_mut(&worker).expect("it is here").booking;
        if booking.admit(id, want, seat).is_some() {
            self.project_books(project, weight, true);
        }
        self.has_room(worker)
    }

    /// An attempt has ended: what waited behind it may begin.
    pub(super) fn unbook(&mut self, id: AttemptId, fate: Fate) -> Verdict {
        let (worker, weight) = (self.attempts[&id].worker, self.weight(id));
        let project = self.class(self.attempts[&id].job).0;
        let booking = &mut self.workers.get_mut(&worker).expect("it is here").booking;
        let ran = booking.running().any(|running| running == id);
        let promoted = booking.release(id, fate);
        if ran {
            self.project_books(project, weight, false);
        }
        self.project_ended(project);
        self.promoted(&promoted);
        self.has_room(worker)
    }

    /// Attempts that waited at their worker begin.
    pub(super) fn promoted(&mut self, promoted: &[(AttemptId, Seat)]) {
        for (next, _) in promoted {
            let project = self.class(self.attempts[next].job).0;
            self.project_books(project, self.weight(*next), true);
        }
    }

    /// What runs on a worker, summed up anew, is no more than it has. A session counts once,
    /// however many sit in it.
    fn has_room(&self, id: WorkerId) -> Verdict {
        let worker = &self.workers[&id];
        let mut counted = BTreeSet::new();
        let running = worker.booking.running().filter(|attempt| {
            let session = worker.booking.seat_of(*attempt).and_then(|seat| seat.session);
            session.is_none_or(|session| counted.insert(session))
        });
        let running: Vec<Resources> = running.map(|attempt| self.request_of(attempt)).collect();
        let fits = fit_together(&running, &worker.shape.capacity);
        require(fits, ROOM, || format!("{id} is to run {running:?}"))
    }
}

/// Whether a capacity has all of these at once, apart from devices.
pub(in crate::judge) fn fit_together(
    requests: &[Resources],
    capacity: &gristmill_model::resources::Capacity,
) -> bool {
    let cpus: u64 = requests.iter().map(|request| u64::from(request.cpus)).sum();
    let memory: u64 = requests.iter().map(|request| request.memory).sum();
    let named = capacity.named.iter().all(|(name, there)| {
        let of = |request: &Resources| u64::from(request.named.get(name).copied().unwrap_or(0));
        requests.iter().map(of).sum::<u64>() <= u64::from(*there)
    });
    let known = |request: &Resources| {
        request.named.iter().all(|(name, n)| *n == 0 || capacity.named.contains_key(name))
    };
    cpus <= u64::from(capacity.cpus)
        && (capacity.memory == 0 || memory <= capacity.memory)
        && named
        && requests.iter().all(known)
}
