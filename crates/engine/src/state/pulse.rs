//! The pulse: what is true only while the server runs. Connections and leases, the times by which
//! attempts must have ended, and progress. Never written; begun anew after a restart.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::device::{DeviceSample, SessionSample};
use gristmill_model::{AttemptId, PipelineId, Span, Time, WorkerId};

/// A worker's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// Whether it stands.
    pub(crate) connected: bool,
    /// The worker's lease lives until then.
    pub(crate) until: Time,
    /// How many attempts the worker likes to hold beyond those that run.
    pub(crate) prefetch: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Progress {
    done: u64,
    total: u64,
    message: Box<str>,
}

/// How long runs of a stage took of late: the mean of those that have ended, the last sixteen
/// weighing most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Length {
    ended: u64,
    mean: Span,
}

impl Length {
    fn note(&mut self, length: Span) {
        self.ended = (self.ended + 1).min(16);
        self.mean = Span((self.mean.0 * (self.ended - 1) + length.0) / self.ended);
    }
}

/// What is true only while the server runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pulse {
    lengths: BTreeMap<(PipelineId, u16), Length>,
    links: BTreeMap<WorkerId, Link>,
    leases: BTreeSet<(Time, WorkerId)>,
    due: BTreeMap<AttemptId, Time>,
    overdue: BTreeSet<(Time, AttemptId)>,
    progress: BTreeMap<AttemptId, Progress>,
    samples: BTreeMap<WorkerId, Samples>,
}

/// How a worker's devices and sessions did when it last told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Samples {
    /// Its devices.
    pub devices: Vec<DeviceSample>,
    /// Its sessions.
    pub sessions: Vec<SessionSample>,
}

impl Pulse {
    pub(super) fn clear(&mut self) {
        *self = Pulse::default();
    }

    pub(super) fn connect(&mut self, worker: WorkerId, prefetch: u32, until: Time) {
        self.set(worker, Link { connected: true, until, prefetch });
    }

    pub(super) fn disconnect(&mut self, worker: WorkerId, until: Time) {
        self.set(worker, Link { connected: false, until, prefetch: 0 });
    }

    pub(super) fn renew(&mut self, worker: WorkerId, until: Time) {
        if let Some(link) = self.links.get(&worker).copied() {
            self.set(worker, Link { until, ..link });
        }
    }

    pub(super) fn set_prefetch(&mut self, worker: WorkerId, prefetch: u32) {
        if let Some(link) = self.links.get_mut(&worker) {
            link.prefetch = prefetch;
        }
    }

    pub(super) fn sample(
        &mut self,
        worker: WorkerId,
        devices: &[DeviceSample],
        sessions: &[SessionSample],
    ) {
        let samples = Samples { devices: devices.to_vec(), sessions: sessions.to_vec() };
        self.samples.insert(worker, samples);
    }

    /// How a worker's devices and sessions did when it last told.
    pub(crate) fn samples(&self, worker: WorkerId) -> Option<&Samples> {
        self.samples.get(&worker)
    }

    /// How long a session of a name took to load of late, at whichever worker it took longest.
    pub(crate) fn load_of(&self, session: &str) -> Option<Span> {
        let sessions = self.samples.values().flat_map(|samples| &samples.sessions);
        sessions.filter(|sample| sample.name == session).filter_map(|sample| sample.load).max()
    }

    pub(super) fn forget_worker(&mut self, worker: WorkerId) {
        self.remove(worker);
        self.samples.remove(&worker);
    }

    fn remove(&mut self, worker: WorkerId) {
        if let Some(link) = self.links.remove(&worker) {
            self.leases.remove(&(link.until, worker));
        }
    }

    /// The attempt must have ended by then.
    pub(super) fn expect_by(&mut self, attempt: AttemptId, due: Time) {
        self.due.insert(attempt, due);
        self.overdue.insert((due, attempt));
    }

    pub(super) fn set_progress(&mut self, id: AttemptId, done: u64, total: u64, message: &str) {
        self.progress.insert(id, Progress { done, total, message: message.into() });
    }

    /// A run of a stage has come to its end.
    pub(super) fn note_run(&mut self, stage: (PipelineId, u16), length: Span) {
        self.lengths.entry(stage).or_default().note(length);
    }

    /// How long runs of a stage took of late; nothing where none has ended.
    pub(super) fn run_of(&self, stage: (PipelineId, u16)) -> Option<Span> {
        self.lengths.get(&stage).map(|length| length.mean)
    }

    pub(super) fn forget(&mut self, attempt: AttemptId) {
        self.progress.remove(&attempt);
        if let Some(due) = self.due.remove(&attempt) {
            self.overdue.remove(&(due, attempt));
        }
    }

    fn set(&mut self, worker: WorkerId, link: Link) {
        self.remove(worker);
        self.links.insert(worker, link);
        self.leases.insert((link.until, worker));
    }

    pub(crate) fn link(&self, worker: WorkerId) -> Option<&Link> {
        self.links.get(&worker)
    }

    pub(crate) fn links(&self) -> &BTreeMap<WorkerId, Link> {
        &self.links
    }

    pub(crate) fn is_connected(&self, worker: WorkerId) -> bool {
        self.link(worker).is_some_and(|link| link.connected)
    }

    pub(crate) fn progress(&self, attempt: AttemptId) -> Option<(u64, u64, &str)> {
        let Progress { done, total, message } = self.progress.get(&attempt)?;
        Some((*done, *total, message))
    }

    /// The lease that runs out first.
    pub(crate) fn first_lease(&self) -> Option<(Time, WorkerId)> {
        self.leases.first().copied()
    }

    /// The attempt that must have ended first.
    pub(crate) fn first_overdue(&self) -> Option<(Time, AttemptId)> {
        self.overdue.first().copied()
    }
}
