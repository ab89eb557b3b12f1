//! Sessions on a machine: their processes load, answer calls, die, and leave; and what devices do
//! meanwhile.

use std::collections::BTreeSet;

use gristmill_model::attempt::{Failure, FailureKind, SESSION_LOST};
use gristmill_model::device::DeviceSample;
use gristmill_model::resources::Device;
use gristmill_model::wire::{Assignment, Ended, ToWorker};
use gristmill_model::{AttemptId, Span};
use gristmill_worker::core::{Action, Gone, Input, Opening, SessionId};

use super::{Kind, Node};
use crate::agenda::Happening;
use crate::bug::Bug;
use crate::faults::Fault;
use crate::features::Feature;
use crate::handler::Task;
use crate::judge::News;
use crate::scene::Scene;

/// A session's process.
#[derive(Debug)]
pub(super) struct Host {
    name: String,
    devices: Vec<u16>,
    phase: Phase,
    /// Why it cannot go on, once it cannot.
    ruin: Option<Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Loading,
    Idle,
    /// These items of its call have not ended.
    Working(BTreeSet<AttemptId>),
    Leaving,
}

/// What sessions of a name really take of a device, whatever was asked for.
fn true_size(name: &str) -> u64 {
    match name {
        "a" => 3 << 30,
        "b" => 5 << 30,
        _ => 1 << 30,
    }
}

/// What a worker's core comes to know of the state of its devices, its judge knows too.
pub(super) fn tell_judge(scene: &mut Scene, node: usize, kind: &Kind, input: &Input) {
    let floor = &mut scene.judge.floor;
    match input {
        Input::Gone(gone) => {
            gone.stuck.iter().for_each(|(device, _)| floor.takes_out(node, *device, false));
        }
        Input::Device { device, quarantined: Some(_) } => floor.takes_out(node, *device, false),
        Input::Device { device, quarantined: None } => floor.puts_back(node, *device, false),
        // What the server had said it says anew.
        Input::Frame(ToWorker::Welcome(_)) => floor.forgets_servers(node),
        Input::Frame(ToWorker::Device { device, quarantined }) => {
            let places = (0..).zip(&kind.capacity.devices);
            let here = places.filter(|(_, there)| there.id == *device).map(|(place, _)| place);
            for place in here.collect::<Vec<u16>>() {
                match quarantined {
                    Some(_) => floor.takes_out(node, place, true),
                    None => floor.puts_back(node, place, true),
                }
            }
        }
        _ => {}
    }
}

/// What a worker's core comes to know of its devices' memory with an input; `measured` is the truth
/// where it is told of a session.
pub(super) fn news(input: &Input, measured: Option<(String, u64)>) -> Vec<News> {
    let takes = measured.map(|(name, vram)| News::Takes(name, vram));
    let samples = match input {
        Input::Sampled(samples) => samples.as_slice(),
        _ => &[],
    };
    let others = (0..).zip(samples).map(|(device, sample): (u16, &DeviceSample)| {
        News::OthersHave(device, sample.foreign.unwrap_or(0))
    });
    takes.into_iter().chain(others).collect()
}

/// Whatever begins must begin on devices that serve, as far as its worker knows.
pub(super) fn judge_begins(scene: &mut Scene, node: usize, actions: &[Action]) {
    for action in actions {
        let devices: Vec<u16> = match action {
            Action::Open(opening) => opening.holds.iter().map(|hold| hold.device).collect(),
            Action::Start(assignment) => devices_of(assignment),
            Action::Call(_, assignments) => assignments.iter().flat_map(devices_of).collect(),
            _ => continue,
        };
        scene.judge.begins_on(node, &devices, &format!("{action:?}"));
    }
}

fn devices_of(assignment: &Assignment) -> Vec<u16> {
    assignment.seat.iter().flat_map(|seat| seat.devices.clone()).collect()
}

fn dead(kind: FailureKind, code: &str) -> Failure {
    Failure::new(kind, code, "the session's process has ended")
}

impl Node {
    pub(super) fn open(&mut self, scene: &mut Scene, opening: Opening) {
        let (node, life, session) = (self.index, self.life, opening.session);
        scene.say(&self.name, format_args!("opens {session} {:?}", opening.holds));
        scene.tally.opened += 1;
        scene.judge.opens_on(node, &self.kind, &opening);
        let devices = opening.holds.iter().map(|hold| hold.device).collect();
        let host = Host { name: opening.spec.key(), devices, phase: Phase::Loading, ruin: None };
        self.process.as_mut().expect("it acts").hosts.insert(session, host);
        let takes = match scene.strikes(Fault::SessionSlow) {
            true => scene.dice.span(Span::seconds(5), Span::seconds(60)),
            false => scene.dice.span(Span::millis(50), Span::seconds(4)),
        };
        scene.later(takes, Happening::Loaded { node, life, session });
    }

    /// A session has loaded, or finds that it cannot.
    pub fn loaded(&mut self, scene: &mut Scene, life: u64, session: SessionId) {
        let Some(process) = self.in_life(life) else { return };
        let Some(host) = process.hosts.get_mut(&session) else { return };
        if host.phase != Phase::Loading {
            return;
        }
        if scene.strikes(Fault::SessionCannotLoad) {
            host.ruin = Some(Failure::new(FailureKind::Failed, "import_failed", "no module"));
            return self.host_ends(scene, life, session);
        }
        host.phase = Phase::Idle;
        self.input(scene, Input::Ready(session));
        self.measure(scene, session);
        self.sample(scene);
    }

    fn measure(&mut self, scene: &mut Scene, session: SessionId) {
        let forgets = scene.has(Bug::IdleMemoryUncounted);
        if !scene.draws(Feature::Measurements, 400) && !forgets {
            return;
        }
        let Some(host) = self.process.as_ref().and_then(|process| process.hosts.get(&session))
        else {
            return;
        };
        if host.devices.is_empty() {
            return;
        }
        let (name, vram) = (host.name.clone(), true_size(&host.name));
        let process = self.process.as_mut().expect("its host was just found");
        let place = process.stopped.as_ref().map_or(0, Vec::len);
        process.unheard.insert(place, (name, vram));
        let told = if forgets { 0 } else { vram };
        self.input(scene, Input::Measured(session, told));
    }

    /// How devices do; of the figures nothing is ever used but what sessions cost to load, and what
    /// others have.
    fn sample(&mut self, scene: &mut Scene) {
        let foreign = &self.process.as_ref().expect("it acts").foreign;
        let sample = |(place, device): (u16, &Device)| DeviceSample {
            device: device.id.clone(),
            foreign: Some(foreign.get(&place).copied().unwrap_or(0)),
            ..DeviceSample::default()
        };
        let devices = (0..).zip(&self.kind.capacity.devices).map(sample).collect();
        self.input(scene, Input::Sampled(devices));
    }

    /// Programs of others have left a device.
    pub fn others_leave(&mut self, scene: &mut Scene, life: u64, device: u16) {
        let Some(process) = self.in_life(life) else { return };
        process.foreign.remove(&device);
        self.sample(scene);
    }

    pub(super) fn call(
        &mut self,
        scene: &mut Scene,
        session: SessionId,
        assignments: Vec<Assignment>,
    ) {
        let items: BTreeSet<AttemptId> = assignments.iter().map(|item| item.attempt).collect();
        scene.say(&self.name, format_args!("calls {session} with {items:?}"));
        scene.tally.calls += 1;
        scene.tally.shared_calls += u64::from(items.len() > 1);
        let process = self.process.as_mut().expect("it acts");
        let idle = process.hosts.get(&session).is_some_and(|host| host.phase == Phase::Idle);
        // A worker that was stopped speaks to sessions that have died meanwhile.
        let idle = idle || process.gone.contains(&session);
        scene.judge.require(idle, "a call goes to a session that waits", &session.to_string());
        let Some(host) = process.hosts.get_mut(&session) else { return };
        host.phase = Phase::Working(items);
        let name = host.name.clone();
        scene.judge.calls_on(self.index, &self.kind, (session, &name), &assignments);
        let (node, life) = (self.index, self.life);
        for assignment in assignments {
            scene.judge.started(&assignment);
            self.begin(scene, assignment, Some(session));
        }
        if scene.strikes(Fault::SessionDies) {
            let ends = Happening::HostEnds { node, life, session };
            scene.sometime(Span::millis(1), Span::seconds(3), ends);
        }
    }

    /// An item of a call has ended; with the last the call is over, or the session is.
    pub(super) fn end_item(&mut self, scene: &mut Scene, task: &Task) {
        let (Some(session), Some(process)) = (task.host, self.process.as_mut()) else { return };
        let Some(host) = process.hosts.get_mut(&session) else { return };
        let Phase::Working(items) = &mut host.phase else { return };
        items.remove(&task.attempt());
        let over = items.is_empty();
        if task.is_fatal() {
            host.ruin = Some(dead(FailureKind::Device, "cuda_700"));
            return self.host_ends(scene, self.life, session);
        }
        if scene.has(Bug::CallLosesItem) && items.len() == 1 {
            let lost = *items.first().expect("there is one");
            process.tasks.remove(&lost);
            host.phase = Phase::Idle;
            return self.input(scene, Input::Done(session));
        }
        if over {
            host.phase = Phase::Idle;
            self.input(scene, Input::Done(session));
            self.measure(scene, session);
            self.sample(scene);
        }
    }

    pub(super) fn close(&mut self, scene: &mut Scene, session: SessionId) {
        scene.say(&self.name, format_args!("closes {session}"));
        scene.tally.evicted += 1;
        let process = self.process.as_mut().expect("it acts");
        let Some(host) = process.hosts.get_mut(&session) else { return };
        host.phase = Phase::Leaving;
        let pinned = scene.judge.floor.is_pinned(&host.name);
        scene.judge.require(!pinned, "a pinned session stays", &session.to_string());
        let (node, life) = (self.index, self.life);
        scene.sometime(
            Span::millis(1),
            Span::seconds(3),
            Happening::HostEnds { node, life, session },
        );
        if scene.has(Bug::OpensBeforeMemoryIsBack) {
            // The core hears at once of what is still there.
            self.input(scene, Input::Gone(Gone { session, ruin: None, stuck: Vec::new() }));
        }
    }

    /// A session's process ends: as it was told to, or on its own, with all that it was at.
    pub fn host_ends(&mut self, scene: &mut Scene, life: u64, session: SessionId) {
        let Some(process) = self.in_life(life) else { return };
        let Some(host) = process.hosts.remove(&session) else { return };
        let told = host.phase == Phase::Leaving;
        if let Phase::Working(items) = &host.phase {
            items.iter().for_each(|item| drop(process.tasks.remove(item)));
        }
        scene.judge.floor.host_is_gone(self.index, session);
        let lost = || dead(FailureKind::Lost, SESSION_LOST);
        let ruin = (!told).then(|| host.ruin.unwrap_or_else(lost));
        scene.say(&self.name, format_args!("{session} is gone, ruin {:?}", ruin.is_some()));
        let mut stuck = Vec::new();
        for device in host.devices {
            if scene.strikes(Fault::MemoryStuck) {
                stuck.push((device, "memory of a session that has ended is still held".to_owned()));
                let recovers = Happening::Recovers { node: self.index, life, device };
                scene.sometime(Span::millis(200), Span::seconds(60), recovers);
            }
        }
        let early = told && scene.has(Bug::OpensBeforeMemoryIsBack);
        let lost = !told && scene.has(Bug::SeatLost);
        if !early && !lost {
            self.process.as_mut().expect("it ran just now").gone.insert(session);
            self.input(scene, Input::Gone(Gone { session, ruin, stuck }));
        }
    }

    /// Misfortune looks at sessions and devices.
    pub fn storm_devices(&mut self, scene: &mut Scene) {
        let (node, life) = (self.index, self.life);
        let Some(process) = self.process.as_mut() else { return };
        let mut others_came = false;
        for device in 0..u16::try_from(self.kind.capacity.devices.len()).expect("few") {
            if scene.strikes(Fault::DeviceSick) {
                process.sick.insert(device);
                let recovers = Happening::Recovers { node, life, device };
                scene.sometime(Span::seconds(5), Span::seconds(120), recovers);
            }
            if scene.strikes(Fault::ForeignUse) {
                let there = self.kind.capacity.devices[usize::from(device)].vram;
                process.foreign.insert(device, scene.dice.between(1, there));
                let leave = Happening::OthersLeave { node, life, device };
                scene.sometime(Span::seconds(1), Span::seconds(60), leave);
                others_came = true;
            }
        }
        if others_came {
            self.sample(scene);
        }
        let Some(process) = self.process.as_mut() else { return };
        let sessions: Vec<SessionId> = process.hosts.keys().copied().collect();
        for session in sessions {
            if scene.strikes(Fault::SessionDies) {
                self.host_ends(scene, life, session);
            }
        }
    }

    /// A device is sound again, and has its memory back.
    pub fn recovers(&mut self, scene: &mut Scene, life: u64, device: u16) {
        let Some(process) = self.in_life(life) else { return };
        process.sick.remove(&device);
        self.input(scene, Input::Device { device, quarantined: None });
    }

    /// Faults have stopped: devices that were sick are not any more.
    pub fn heal_devices(&mut self) {
        if let Some(process) = &mut self.process {
            process.sick.clear();
        }
    }

    pub(super) fn leave_floor(&self, scene: &mut Scene, attempt: AttemptId, task: &Task) {
        if task.host.is_none() {
            scene.judge.floor.attempt_is_gone(self.index, attempt);
        }
    }

    /// A planted bug: what is told to stop counts as ended, and its device as free.
    pub(super) fn forget_lock(&mut self, scene: &mut Scene, attempt: AttemptId) {
        if !scene.has(Bug::LockForgotten) {
            return;
        }
        let devices = &self.kind.capacity.devices;
        let Some(process) = &self.process else { return };
        let task = process.tasks.get(&attempt);
        let Some(task) = task.filter(|task| task.host.is_none() && task.places().next().is_some())
        else {
            return;
        };
        let ended: Ended = task.end(scene.now, devices);
        self.input(scene, Input::Ended(ended));
    }
}
