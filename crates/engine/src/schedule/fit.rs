//! The scheduler's predicates. Placement and `explain` both ask here, so an explanation is never a
//! second opinion.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gristmill_model::booking::{self, Booking, Misfit, Seat, Want};
use gristmill_model::pipeline::{SessionSpec, StageSpec};
use gristmill_model::resources::{Capacity, Device, Resources, WorkerShape};
use gristmill_model::{WorkerId, limits};

use crate::state::{Class, State, Worker};

/// Whether a worker takes a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It would start at once.
    Now {
        /// Which of the stage's resources it would book.
        alternative: u8,
        /// What would be at hand there.
        warmth: Warmth,
        /// Free CPUs in thousandths.
        free: u64,
    },
    /// It would wait in the worker's backlog.
    Backlog {
        /// Which of the stage's resources it would book.
        alternative: u8,
        /// How many wait there already.
        waiting: usize,
    },
    /// It does not.
    Not(Reason),
}

/// How much must happen before a job's session can work on it; the least goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Warmth {
    /// Nothing: it needs no session, or its session is there.
    Hot,
    /// A session must load.
    Cold,
    /// Another session must go first.
    Evicting,
}

/// Why a worker does not take a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    Disconnected,
    Draining,
    Paused,
    NoHandler(Box<str>),
    NoSharedDisk,
    NoLabel(String, String),
    TooSmall(Misfit),
    /// All devices that would do are out of service: one of them, and why.
    OutOfService(String, String),
    /// Of all devices that would do others leave too little: one of them, what they have, and what
    /// there is.
    OthersUse(String, u64, u64),
    Full {
        running: usize,
        waiting: usize,
    },
}

/// How fit a worker is; the smallest goes first. One that can start at once before one where it
/// would wait; then the preferred resources; then one whose session is hot; then the more preferred
/// labels; then the most free CPUs, or the shortest backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    waits: bool,
    alternative: u8,
    warmth: Warmth,
    labels_missed: usize,
    crowd: u64,
}

impl Rank {
    /// Which of the stage's resources would be booked.
    pub(crate) fn alternative(self) -> u8 {
        self.alternative
    }

    /// Whether a job would start at once, with all that it needs at hand.
    pub(crate) fn is_hot(self) -> bool {
        !self.waits && self.warmth == Warmth::Hot
    }

    /// Whether another session would have to go first.
    pub(crate) fn evicts(self) -> bool {
        !self.waits && self.warmth == Warmth::Evicting
    }
}

/// Workers that take a job of a class now, with how fit they are.
pub(crate) fn ranked(state: &State, class: &Class) -> impl Iterator<Item = (Rank, WorkerId)> {
    state.hungry().filter_map(|id| Some((rank(state, class, id)?, id)))
}

/// How fit a worker is for a class, if it takes a job of it now.
pub(crate) fn rank(state: &State, class: &Class, id: WorkerId) -> Option<Rank> {
    let fit = verdict(state, class, id);
    let worker = state.worker(id).expect("asked about workers that are here");
    let (waits, alternative, warmth, crowd) = match fit {
        Fit::Now { alternative, warmth, free } => {
            let cpus = u64::from(worker.booking.capacity().cpus);
            (false, alternative, warmth, u64::MAX - in_steps(free, cpus))
        }
        Fit::Backlog { alternative, waiting } => {
            let prefetch = state.pulse().link(id).map_or(0, |link| link.prefetch);
            (true, alternative, Warmth::Hot, in_steps(waiting as u64, prefetch.into()))
        }
        Fit::Not(_) => return None,
    };
    let prefers = &stage(state, class).prefers;
    let labels_missed =
        prefers.iter().filter(|(n, v)| worker.shape().labels.get(*n) != Some(v)).count();
    Some(Rank { waits, alternative, warmth, labels_missed, crowd })
}

/// Of a large worker's room and backlog so many steps are told apart. With finer ones a flood of
/// short jobs is dealt out to many workers one by one, and each frame to a worker carries few.
const STEPS: u64 = 64;

/// An amount of at most `most`, in whole steps.
fn in_steps(amount: u64, most: u64) -> u64 {
    let step = (most / STEPS).max(1);
    amount / step * step
}

/// What a worker says to a job of a class, all predicates taken together.
pub(crate) fn verdict(state: &State, class: &Class, id: WorkerId) -> Fit {
    let worker = state.worker(id).expect("asked about workers that are here");
    let stage = stage(state, class);
    match unable(state, class, stage, id, worker) {
        Some(reason) => Fit::Not(reason),
        None => room(state, stage, id, worker),
    }
}

/// Whether an able worker has room.
fn room(state: &State, stage: &StageSpec, id: WorkerId, worker: &Worker) -> Fit {
    let booking = &worker.booking;
    let (held, waiting) = (booking.held(), booking.backlog_len());
    if held >= limits::ATTEMPTS_PER_WORKER {
        return Fit::Not(Reason::Full { running: held - waiting, waiting });
    }
    for (alternative, _) in (0..).zip(stage.requests()) {
        let want = stage.want(alternative, false);
        if let Some(seat) = booking.seat(&want) {
            let warmth = warmth(booking, &want, &seat);
            return Fit::Now { alternative, warmth, free: booking.free_cpus() };
        }
    }
    if let Some(reason) = disturbed(stage, worker) {
        return Fit::Not(reason);
    }
    let prefetch = state.pulse().link(id).map_or(0, |link| link.prefetch);
    let fitting =
        (0..).zip(stage.requests()).find(|(_, request)| booking.could_fit(request).is_ok());
    match fitting {
        Some((alternative, _)) if waiting < prefetch as usize => {
            Fit::Backlog { alternative, waiting }
        }
        _ => Fit::Not(Reason::Full { running: held - waiting, waiting }),
    }
}

fn warmth(booking: &Booking, want: &Want, seat: &Seat) -> Warmth {
    if booking.is_hot(want, seat) {
        return Warmth::Hot;
    }
    let taken = |device: &u16| booking.last_on(*device).is_some();
    match &want.session {
        _ if seat.devices.iter().any(taken) => Warmth::Evicting,
        Some(_) => Warmth::Cold,
        None => Warmth::Hot,
    }
}

/// Sessions that would have to leave for a job that starts at a worker now.
pub(crate) fn evicted(worker: &Worker, want: &Want) -> Vec<String> {
    let seat = worker.booking.seat(want).unwrap_or_default();
    let last = seat.devices.iter().filter_map(|device| worker.booking.last_on(*device));
    last.map(str::to_owned).collect()
}

/// Sessions of others on devices that would do for a stage: those that have booked some of them,
/// and those that were there last.
pub(crate) fn sessions_there(worker: &Worker, stage: &StageSpec) -> Vec<String> {
    let booking = &worker.booking;
    let wants = (0..).zip(stage.requests()).map(|(place, _)| stage.want(place, false));
    let devices: BTreeSet<u16> =
        wants.flat_map(|want| booking.rooms(&want)).map(|room| room.device).collect();
    let there = devices.into_iter().flat_map(|device| {
        let tenants = booking.tenants(device).filter_map(|tenant| tenant.session);
        tenants.chain(booking.last_on(device).map(str::to_owned))
    });
    let own = stage.handler.session().map(SessionSpec::key);
    there.filter(|session| Some(session) != own.as_ref()).collect()
}

/// A device that keeps every alternative of a stage from running however little of ours runs there:
/// it is out of service, or others have too much of it.
fn disturbed(stage: &StageSpec, worker: &Worker) -> Option<Reason> {
    let booking = &worker.booking;
    let mut wants = (0..).zip(stage.requests()).map(|(place, _)| stage.want(place, false));
    if wants.any(|want| booking.could_start(&want)) {
        return None;
    }
    let devices = || (0..).zip(booking.capacity().devices.iter().zip(&worker.devices));
    let out = devices().find_map(|(_, (device, health))| {
        let (why, _) = health.quarantined.as_ref()?;
        Some(Reason::OutOfService(device.id.clone(), why.clone()))
    });
    let foreign = || {
        let foreign = |(place, (device, _)): (u16, (&Device, _))| {
            let theirs = Some(booking.foreign_on(place)).filter(|bytes| *bytes > 0)?;
            Some(Reason::OthersUse(device.id.clone(), theirs, device.vram))
        };
        devices().find_map(foreign)
    };
    out.or_else(foreign)
}

/// Why a worker cannot take jobs of a class, however empty it is.
fn unable(
    state: &State,
    class: &Class,
    stage: &StageSpec,
    id: WorkerId,
    worker: &Worker,
) -> Option<Reason> {
    if !state.is_connected(id) {
        return Some(Reason::Disconnected);
    }
    if worker.draining {
        return Some(Reason::Draining);
    }
    if worker.paused {
        return Some(Reason::Paused);
    }
    if class.shared_disk && !worker.shape().shared_disk {
        return Some(Reason::NoSharedDisk);
    }
    let kind = stage.handler.word();
    let handles = worker.shape().handles(kind);
    never_on(stage, handles, &worker.shape().labels, worker.booking.capacity())
}

/// Why a stage could never run on a worker like this.
fn never_on(
    stage: &StageSpec,
    handles: bool,
    labels: &BTreeMap<String, String>,
    capacity: &Capacity,
) -> Option<Reason> {
    if !handles {
        return Some(Reason::NoHandler(stage.handler.word().into()));
    }
    let missing = stage.requires.iter().find(|(name, value)| labels.get(*name) != Some(value));
    if let Some((name, value)) = missing {
        return Some(Reason::NoLabel(name.clone(), value.clone()));
    }
    let mut misfit = None;
    for request in stage.requests() {
        match booking::could_fit(capacity, request) {
            Ok(()) => return None,
            Err(first) => misfit = misfit.or(Some(first)),
        }
    }
    misfit.map(Reason::TooSmall)
}

/// Why a stage could run on no worker that is known or declared, in words; nothing where it could,
/// or where no worker is known at all.
pub(crate) fn never(state: &State, stage: &StageSpec) -> Option<String> {
    let known = state.workers().map(|(id, worker)| {
        let handles = worker.shape().handles(stage.handler.word());
        let capacity = worker.booking.capacity();
        (format!("worker {id}"), never_on(stage, handles, &worker.shape().labels, capacity))
    });
    let declared = state
        .declared()
        .map(|(name, shape)| (format!("declared worker {name}"), never_on_declared(stage, shape)));
    let mut nearest: Option<(String, Reason)> = None;
    for (who, reason) in known.chain(declared) {
        let reason = reason?;
        if nearest.as_ref().is_none_or(|(_, other)| reason.nearness() > other.nearness()) {
            nearest = Some((who, reason));
        }
    }
    nearest.map(|(who, reason)| {
        format!(
            "no worker that is known or declared could ever run it; the nearest, {who}: {reason}"
        )
    })
}

/// Whether a stage wants devices that no worker which runs its handler has. Workers for it are
/// there, so what they lack is no question of time.
pub(crate) fn lacks_devices(state: &State, stage: &StageSpec) -> bool {
    let runs = |worker: &Worker| worker.shape().handles(stage.handler.word());
    let has_all = |capacity: &Capacity| {
        stage.requests().any(|request| {
            let devices = request.devices.clone();
            let only = Resources { cpus: 0, devices, ..Resources::default() };
            booking::could_fit(capacity, &only).is_ok()
        })
    };
    let mut workers = state.workers().filter(|(_, worker)| runs(worker)).peekable();
    workers.peek().is_some() && workers.all(|(_, worker)| !has_all(worker.booking.capacity()))
}

/// Declared workers that could run a stage, by name.
pub(crate) fn declared<'a>(
    state: &'a State,
    stage: &'a StageSpec,
) -> impl Iterator<Item = &'a str> + 'a {
    let able = state.declared().filter(|(_, shape)| never_on_declared(stage, shape).is_none());
    able.map(|(name, _)| name)
}

fn never_on_declared(stage: &StageSpec, shape: &WorkerShape) -> Option<Reason> {
    let handles = shape.handlers.iter().any(|handler| handler == stage.handler.word());
    never_on(stage, handles, &shape.labels, &shape.capacity)
}

/// Whether a worker would take jobs of a class, were it connected and neither paused nor draining.
pub(crate) fn suits(state: &State, class: &Class, id: WorkerId) -> bool {
    let worker = state.worker(id).expect("asked about workers that are here");
    let stage = stage(state, class);
    let handles = worker.shape().handles(stage.handler.word());
    (worker.shape().shared_disk || !class.shared_disk)
        && never_on(stage, handles, &worker.shape().labels, worker.booking.capacity()).is_none()
}

/// What a worker must have for a stage, in words.
pub(crate) fn wanted(stage: &StageSpec) -> String {
    let labels = stage.requires.iter().map(|(name, value)| format!("label {name}={value}"));
    let has: Vec<String> = labels.chain(stage.resources.beyond_one_cpu()).collect();
    let kind = stage.handler.word();
    if has.is_empty() {
        return format!("that runs `{kind}`");
    }
    format!("that runs `{kind}` and has {}", has.join(", "))
}

pub(crate) fn stage<'a>(state: &'a State, class: &Class) -> &'a StageSpec {
    state.pipeline(class.pipeline).expect("classes name pipelines that exist").stage(class.stage)
}

impl Reason {
    /// How near a worker came before it failed: in what, and how much of that there was.
    fn nearness(&self) -> (u8, u64) {
        match self {
            Reason::NoHandler(_) => (0, 0),
            Reason::NoLabel(..) => (1, 0),
            Reason::TooSmall(misfit) => (2, misfit.share()),
            _ => (3, 0),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Disconnected => f.write_str("its connection is broken"),
            Reason::Draining => f.write_str("it is draining and takes no more work"),
            Reason::Paused => f.write_str("it is paused"),
            Reason::NoHandler(kind) => write!(f, "it was not started with the handler `{kind}`"),
            Reason::NoSharedDisk => {
                f.write_str("the job names paths, and it shares no disk with the submitter")
            }
            Reason::NoLabel(name, value) => write!(f, "it has no label {name}={value}"),
            Reason::TooSmall(misfit) => misfit.fmt(f),
            Reason::OutOfService(device, why) => write!(f, "{device} is out of service: {why}"),
            Reason::OthersUse(device, theirs, there) => {
                write!(f, "others use {} of {device}", booking::part_of(*theirs, *there))
            }
            Reason::Full { running, waiting } => {
                write!(f, "it is busy: {running} running, {waiting} waiting")
            }
        }
    }
}
