//! The connections of workers as the core loop knows them: a queue of frames for each, bounded. A
//! worker whose queue is full is cut off, for the loop waits for nobody; it comes back and is
//! reminded of everything that matters.

use std::collections::BTreeMap;

use gristmill_model::wire::{Assignment, ToWorker, Welcome};
use gristmill_model::{AttemptId, WorkerId};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::inbox::Connection;

/// What one worker is to be told after a round, as few frames as possible.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    welcome: Option<Welcome>,
    settled: Vec<AttemptId>,
    devices: Vec<ToWorker>,
    run: Vec<Assignment>,
    stop: Vec<AttemptId>,
    drain: bool,
}

impl Outgoing {
    pub(super) fn welcome(&mut self, welcome: Welcome) {
        self.welcome = Some(welcome);
    }

    pub(super) fn settle(&mut self, attempt: AttemptId) {
        self.settled.push(attempt);
    }

    pub(super) fn add(&mut self, frame: ToWorker) {
        match frame {
            ToWorker::Run(more) => self.run.extend(more),
            ToWorker::Stop(more) => self.stop.extend(more),
            ToWorker::Settled(more) => self.settled.extend(more),
            ToWorker::Device { .. } => self.devices.push(frame),
            ToWorker::Drain => self.drain = true,
            ToWorker::Welcome(welcome) => self.welcome = Some(welcome),
            ToWorker::Refused { .. } => {}
        }
    }

    /// The frames, in an order that a worker can rely on: a stop comes after the run it stops, and
    /// what is leased on a device after the word that it is in service.
    fn frames(self) -> impl Iterator<Item = ToWorker> {
        let Outgoing { welcome, settled, devices, run, stop, drain } = self;
        let list = |frame: fn(Vec<AttemptId>) -> ToWorker, attempts: Vec<AttemptId>| {
            (!attempts.is_empty()).then(|| frame(attempts))
        };
        let welcome = welcome.map(ToWorker::Welcome).into_iter();
        let run = (!run.is_empty()).then_some(ToWorker::Run(run));
        welcome
            .chain(list(ToWorker::Settled, settled))
            .chain(devices)
            .chain(run)
            .chain(list(ToWorker::Stop, stop))
            .chain(drain.then_some(ToWorker::Drain))
    }
}

struct Link {
    epoch: u64,
    /// Nothing once the worker was cut off and has not been heard to end.
    frames: Option<mpsc::Sender<ToWorker>>,
}

/// Every connection that stands.
#[derive(Default)]
pub(super) struct Links {
    epoch: u64,
    links: BTreeMap<WorkerId, Link>,
}

impl Links {
    /// Takes a connection in; an earlier one of the same worker ends.
    pub(super) fn open(&mut self, worker: WorkerId, frames: mpsc::Sender<ToWorker>) -> Connection {
        self.epoch += 1;
        self.links.insert(worker, Link { epoch: self.epoch, frames: Some(frames) });
        Connection { worker, epoch: self.epoch }
    }

    /// Whether this is the worker's newest connection.
    pub(super) fn is_current(&self, connection: Connection) -> bool {
        self.links.get(&connection.worker).is_some_and(|link| link.epoch == connection.epoch)
    }

    /// Ends a worker's connection once what was queued is written.
    pub(super) fn close(&mut self, worker: WorkerId) {
        self.links.remove(&worker);
    }

    /// Ends every connection.
    pub(super) fn close_all(&mut self) {
        self.links.clear();
    }

    /// Queues what a worker is to be told.
    pub(super) fn send(&mut self, worker: WorkerId, outgoing: Outgoing) {
        let Some(link) = self.links.get_mut(&worker) else { return };
        for frame in outgoing.frames() {
            let Some(frames) = &link.frames else { return };
            let Err(unsent) = frames.try_send(frame) else { continue };
            // A queue that is closed has lost its worker, whose end is heard of next.
            if matches!(unsent, TrySendError::Full(_)) {
                tracing::warn!(%worker, "it does not read what it is told: its connection is cut");
            }
            link.frames = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_becomes_one_frame_of_each_kind_in_a_safe_order() {
        let mut outgoing = Outgoing::default();
        outgoing.add(ToWorker::Stop(vec![AttemptId(1)]));
        outgoing.add(ToWorker::Drain);
        let device = ToWorker::Device { device: "GPU-0".into(), quarantined: None };
        outgoing.add(device.clone());
        outgoing.settle(AttemptId(2));
        outgoing.add(ToWorker::Stop(vec![AttemptId(3)]));
        let frames: Vec<ToWorker> = outgoing.frames().collect();
        assert_eq!(
            frames,
            [
                ToWorker::Settled(vec![AttemptId(2)]),
                device,
                ToWorker::Stop(vec![AttemptId(1), AttemptId(3)]),
                ToWorker::Drain
            ]
        );
    }

    #[test]
    fn a_worker_that_does_not_read_is_cut_off_and_a_late_word_of_it_is_known() {
        let mut links = Links::default();
        let (frames, mut hears) = mpsc::channel(1);
        let first = links.open(WorkerId(1), frames);
        for _ in 0..2 {
            let mut outgoing = Outgoing::default();
            outgoing.add(ToWorker::Drain);
            links.send(WorkerId(1), outgoing);
        }
        assert_eq!(hears.blocking_recv(), Some(ToWorker::Drain));
        assert_eq!(hears.blocking_recv(), None, "the queue was closed");
        assert!(links.is_current(first), "its end is still to be heard");
        let second = links.open(WorkerId(1), mpsc::channel(1).0);
        assert!(!links.is_current(first) && links.is_current(second));
    }
}
