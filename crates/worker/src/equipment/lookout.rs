//! Who looks at the GPUs: a thread, for the driver's calls block and may hang. It looks from time
//! to time and when asked, tells how the devices do, and takes those out of service that cannot be
//! used: that others have, that do not answer, that the driver calls broken.

use std::collections::BTreeMap;
use std::io;
use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Instant;

use gristmill_model::device::DeviceSample;
use gristmill_model::limits;
use gristmill_model::resources::Device;
use tokio::sync::{mpsc, oneshot};

use super::descent;
use crate::core::Input;
use crate::device::foreign::Who;
use crate::device::lock::Held;
use crate::device::nvml::Fault;
use crate::device::sample::Process;
use crate::device::{Foreign, Inventory, Ours, Sample, Trouble, Verdict, Watch, health, process};

/// The way to the thread; it ends with this.
#[derive(Debug)]
pub(super) struct Lookout {
    requests: Sender<Request>,
    seen: Vec<String>,
}

enum Request {
    Look(oneshot::Sender<BTreeMap<String, Sample>>),
    /// Bytes that are booked for what runs, by device.
    Present(BTreeMap<u16, u64>),
    Trouble(Trouble),
    /// A device may not be used, whatever looks show.
    HoldAgainst(u16, String),
    /// A person says that a device is sound.
    Trust(u16),
}

/// What it does about what it sees.
pub(super) struct Orders {
    /// About others.
    pub(super) foreign: Foreign,
    /// Locks to keep for as long as they are held.
    pub(super) locks: Weak<[Held]>,
}

impl Lookout {
    /// Starts to look.
    pub(super) fn start(
        inventory: Inventory,
        devices: &[Device],
        orders: Orders,
        inputs: mpsc::Sender<Input>,
    ) -> io::Result<Lookout> {
        let (requests, heard) = channel();
        let (troubles, mut trouble) = mpsc::channel(limits::HANDLER_INBOX);
        health::listen(&inventory, troubles)?;
        let forward = requests.clone();
        tokio::spawn(async move {
            while let Some(trouble) = trouble.recv().await {
                if forward.send(Request::Trouble(trouble)).is_err() {
                    return;
                }
            }
        });
        let places = (0..).zip(devices).map(|(place, device)| (device.id.clone(), place));
        let gpus: Vec<String> = inventory.gpus.iter().map(|gpu| gpu.uuid.clone()).collect();
        let watched: BTreeMap<String, u16> = places.filter(|(id, _)| gpus.contains(id)).collect();
        let seen = watched.keys().cloned().collect();
        let post = Post {
            ours_to_tell: process::numbers_are_ours(inventory.proc()),
            inventory,
            orders,
            inputs,
            watched: watched.into_iter().map(|(id, place)| (id, Watched::new(place))).collect(),
            present: BTreeMap::new(),
            renewed: None,
        };
        std::thread::Builder::new().name("gpus".into()).spawn(move || post.stand(&heard))?;
        Ok(Lookout { requests, seen })
    }

    /// Whether it looks at a device.
    pub(super) fn sees(&self, id: &str) -> bool {
        self.seen.iter().any(|seen| seen == id)
    }

    /// Looks now. What cannot be seen, or not in time, is absent.
    pub(super) async fn look(&self) -> BTreeMap<String, Sample> {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request::Look(reply)).is_err() {
            return BTreeMap::new();
        }
        let answer = tokio::time::timeout(limits::DEVICE_LOOK_PATIENCE.to_std(), answer).await;
        answer.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Keeps a device out of service until a person trusts it.
    pub(super) fn hold_against(&self, device: u16, reason: String) {
        let _ = self.requests.send(Request::HoldAgainst(device, reason));
    }

    /// Forgets what was held against a device.
    pub(super) fn trust(&self, device: u16) {
        let _ = self.requests.send(Request::Trust(device));
    }

    /// Says what is ours.
    pub(super) fn tell(&self, present: BTreeMap<u16, u64>) {
        let _ = self.requests.send(Request::Present(present));
    }
}

/// What the thread knows.
struct Post {
    inventory: Inventory,
    orders: Orders,
    inputs: mpsc::Sender<Input>,
    watched: BTreeMap<String, Watched>,
    present: BTreeMap<u16, u64>,
    ours_to_tell: bool,
    /// When the locks were renewed.
    renewed: Option<Instant>,
}

/// A GPU over time.
struct Watched {
    place: u16,
    watch: Watch,
    /// What befell it; only a person can say that it is over.
    broken: Option<String>,
    /// What was said of it last.
    said: Option<String>,
}

impl Watched {
    fn new(place: u16) -> Watched {
        Watched { place, watch: Watch::default(), broken: None, said: None }
    }
}

impl Post {
    fn stand(mut self, requests: &Receiver<Request>) {
        let mut due = Instant::now();
        loop {
            match requests.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Request::Look(reply)) => {
                    let looks = self.inventory.refresh().into_iter();
                    let seen = looks.filter_map(|(id, look)| Some((id, look.ok()?)));
                    let _ = reply.send(seen.collect());
                }
                Ok(Request::Present(present)) => self.present = present,
                Ok(Request::Trouble(trouble)) => self.hear(&trouble),
                Ok(Request::HoldAgainst(device, reason)) => self.hold_against(device, reason),
                Ok(Request::Trust(device)) => self.trust(device),
                Err(RecvTimeoutError::Timeout) => {
                    due = Instant::now() + limits::DEVICE_LOOK.to_std();
                    self.report();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Looks, judges and tells. That nobody listens any more is no reason to stop looking: a worker
    /// that leaves still waits for the memory of what it ended.
    fn report(&mut self) {
        self.keep_locks();
        let looks = self.inventory.refresh();
        let mut samples = Vec::new();
        let ids: Vec<String> = self.watched.keys().cloned().collect();
        for id in ids {
            let look = looks.get(&id);
            let ours = self.ours(&id, look);
            let (foreign, ours_to_tell) = (self.orders.foreign, self.ours_to_tell);
            let Some(watched) = self.watched.get_mut(&id) else { continue };
            let unseen = Fault::Lost("it is not there any more".into());
            let look = look.map_or(Err(&unseen), Result::as_ref);
            let verdict = watched.watch.look(look, &ours, ours_to_tell).clone();
            samples.push(shown(&id, look.ok(), &verdict));
            let objection = objection(&verdict, foreign);
            if foreign == Foreign::Refuse && matches!(verdict, Verdict::PartlyUsed { .. }) {
                watched.broken.clone_from(&objection);
            }
            let reason = watched.broken.clone().or(objection);
            self.say(&id, reason);
        }
        let _ = self.inputs.blocking_send(Input::Sampled(samples));
    }

    /// What of a GPU is ours: the processes there that descend from this worker, and what is
    /// booked.
    fn ours(&self, id: &str, look: Option<&Result<Sample, Fault>>) -> Ours {
        let place = self.watched.get(id).map(|watched| watched.place);
        let bytes = place.and_then(|place| self.present.get(&place)).copied().unwrap_or(0);
        let processes = look.and_then(|look| look.as_ref().ok()?.processes.as_ref());
        let own = std::process::id();
        let pids = processes.into_iter().flatten().map(|process| process.pid);
        Ours { pids: pids.filter(|pid| descent::is_of(*pid, own)).collect(), bytes }
    }

    fn hear(&mut self, trouble: &Trouble) {
        let Some(reason) = &trouble.out_of_service else { return };
        let concerned: Vec<String> = match &trouble.gpu {
            Some(gpu) => self.inventory.parts_of(gpu).into_iter().map(str::to_owned).collect(),
            None => self.watched.keys().cloned().collect(),
        };
        concerned.iter().for_each(|id| self.take_out(id, reason));
    }

    fn hold_against(&mut self, device: u16, reason: String) {
        if let Some(id) = self.id_of(device) {
            self.take_out(&id, &reason);
        }
    }

    fn take_out(&mut self, id: &str, reason: &str) {
        if let Some(watched) = self.watched.get_mut(id) {
            watched.broken = Some(reason.to_owned());
            self.say(id, Some(reason.to_owned()));
        }
    }

    /// What looks show is said anew, for whoever put the device back has not heard it.
    fn trust(&mut self, device: u16) {
        let Some(id) = self.id_of(device) else { return };
        if let Some(watched) = self.watched.get_mut(&id) {
            (watched.broken, watched.said) = (None, None);
        }
    }

    fn id_of(&self, device: u16) -> Option<String> {
        let mut watched = self.watched.iter();
        watched.find(|(_, watched)| watched.place == device).map(|(id, _)| id.clone())
    }

    /// A lock whose file was taken away binds nobody any more.
    fn keep_locks(&mut self) {
        let Some(locks) = self.orders.locks.upgrade() else { return };
        if self.renewed.is_none_or(|at| at.elapsed() >= limits::LOCK_RENEWAL.to_std()) {
            self.renewed = Some(Instant::now());
            locks.iter().for_each(Held::renew);
        }
        for lock in locks.iter().filter(|lock| !lock.stands()) {
            let reason = "the file of its lock was removed, so another program may take it: \
                          start the worker anew";
            self.take_out(lock.device(), reason);
        }
    }

    /// Says what is new of a device.
    fn say(&mut self, id: &str, quarantined: Option<String>) {
        let Some(watched) = self.watched.get_mut(id).filter(|w| w.said != quarantined) else {
            return;
        };
        watched.said.clone_from(&quarantined);
        let device = watched.place;
        let _ = self.inputs.blocking_send(Input::Device { device, quarantined });
    }
}

/// Why nothing should begin on a device, if so.
fn objection(verdict: &Verdict, foreign: Foreign) -> Option<String> {
    match (verdict, foreign) {
        (Verdict::Unusable { reason }, _) => Some(reason.clone()),
        (Verdict::PartlyUsed { who, .. }, Foreign::Wait | Foreign::Refuse) => {
            // Without the amounts: a reason that changed with every look would be told each time.
            let users = users(who);
            let by =
                if users.is_empty() { String::new() } else { format!(": {}", users.join(", ")) };
            Some(format!("others use it{by}"))
        }
        (Verdict::PartlyUsed { .. }, Foreign::Share) | (Verdict::Free { .. }, _) => None,
    }
}

fn users(who: &Who) -> Vec<String> {
    let Who::Processes(processes) = who else { return Vec::new() };
    let name = |process: &Process| {
        let named = process::named(std::path::Path::new("/proc"), process.pid);
        let command = named.command.unwrap_or_else(|| "a program".into());
        let user = named.user.map_or_else(String::new, |user| format!(", {user}"));
        format!("{command} ({}{user})", process.pid)
    };
    processes.iter().take(limits::DEVICE_WORDS).map(name).collect()
}

fn shown(id: &str, sample: Option<&Sample>, verdict: &Verdict) -> DeviceSample {
    let blank = Sample::default();
    let sample = sample.unwrap_or(&blank);
    let (foreign, users) = match verdict {
        Verdict::PartlyUsed { foreign, who, .. } => (Some(*foreign), users(who)),
        Verdict::Free { .. } => (Some(0), Vec::new()),
        Verdict::Unusable { .. } => (None, Vec::new()),
    };
    let slowed = sample.slowed_by.iter().flatten().map(ToString::to_string).collect();
    DeviceSample {
        device: id.to_owned(),
        used: sample.memory.map(|memory| memory.used),
        foreign,
        utilisation: sample.utilization.and_then(|percent| u8::try_from(percent).ok()),
        temperature: sample.temperature.and_then(|degrees| i16::try_from(degrees).ok()),
        power: sample.power,
        power_limit: sample.power_limit,
        throttled: slowed,
        users,
    }
}
