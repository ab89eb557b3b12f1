//! The worker's devices as handlers meet them: which ones a seat means, how a program is kept to
//! them, what it takes of their memory, and whether that is back when it has ended.

pub(crate) mod cpus;
mod descent;
mod lookout;
mod present;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gristmill_model::booking::Hold;
use gristmill_model::host::HostDevice;
use gristmill_model::resources::{Device, DeviceRequest, MilliCpus, Resources, WHOLE};
use gristmill_model::{Span, Time};
use tokio::sync::mpsc;

use crate::core::Input;
use crate::device::lock::Held;
use crate::device::vram::{Return, Step};
use crate::device::{Claimed, Inventory, Sample};
use lookout::{Lookout, Orders};
use present::Present;
pub(crate) use present::Tenant;

/// Devices by their place in the capacity.
#[derive(Debug)]
pub(crate) struct Equipment {
    devices: Vec<Device>,
    lookout: Option<Lookout>,
    present: Mutex<Present>,
    began: Instant,
    /// The CPUs near each; none where nobody knows.
    near: Vec<Vec<u32>>,
    /// Freed by the system when this process has ended, however it did, and all that has them.
    locks: Arc<[Held]>,
}

/// A process that has devices, and what they held before it began; absent where nobody could tell.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) tenant: Tenant,
    used: Vec<(Hold, Option<u64>)>,
}

impl Equipment {
    /// Begins to look after devices; what is seen goes to `inputs`.
    pub(crate) fn new(claimed: Claimed, inputs: mpsc::Sender<Input>) -> Equipment {
        let Claimed { devices, inventory, locks, foreign, .. } = claimed;
        let near = devices.iter().map(|device| near(inventory.as_ref(), &device.id)).collect();
        let locks: Arc<[Held]> = locks.into();
        let lookout = inventory.and_then(|inventory| {
            let orders = Orders { foreign, locks: Arc::downgrade(&locks) };
            Lookout::start(inventory, &devices, orders, inputs)
                .inspect_err(|error| tracing::warn!(%error, "nobody looks after the GPUs"))
                .ok()
        });
        let (present, began) = (Mutex::default(), Instant::now());
        Equipment { devices, lookout, present, began, near, locks }
    }

    /// A device's id.
    pub(crate) fn id(&self, device: u16) -> String {
        self.devices.get(usize::from(device)).map(|device| device.id.clone()).unwrap_or_default()
    }

    /// What a request has of the devices that it got, in the order of its wishes.
    pub(crate) fn holds(
        &self,
        request: &Resources,
        devices: impl Iterator<Item = u16>,
    ) -> Vec<Hold> {
        let wishes = request.devices.iter();
        let each = wishes.flat_map(|wish| std::iter::repeat_n(wish, wish.count as usize));
        let hold = |(wish, device): (&DeviceRequest, u16)| {
            let all = self.devices.get(usize::from(device)).map_or(0, |device| device.vram);
            let whole = wish.share == WHOLE;
            Hold { device, vram: if whole { all } else { wish.vram.min(all) }, whole }
        };
        each.zip(devices).map(hold).collect()
    }

    /// A hold as a host is told of it.
    pub(crate) fn for_host(&self, hold: &Hold) -> HostDevice {
        let kind = self.devices.get(usize::from(hold.device)).map(|device| device.kind.clone());
        let (id, kind) = (self.id(hold.device), kind.unwrap_or_default());
        HostDevice { id, kind, vram: hold.vram }
    }

    /// Variables that keep a program to these devices. Where this worker has GPUs, a program that
    /// booked none sees none.
    pub(crate) fn variables(&self, devices: &[u16]) -> Vec<(OsString, OsString)> {
        if self.devices.is_empty() {
            return Vec::new();
        }
        let ids: Vec<String> = devices.iter().map(|device| self.id(*device)).collect();
        let mut variables = vec![("GRISTMILL_DEVICES".into(), ids.join(",").into())];
        let is_gpu = |id: &str| id.starts_with("GPU-") || id.starts_with("MIG-");
        if self.devices.iter().any(|device| is_gpu(&device.id)) {
            let gpus: Vec<&str> = ids.iter().map(String::as_str).filter(|id| is_gpu(id)).collect();
            variables.push(("CUDA_VISIBLE_DEVICES".into(), gpus.join(",").into()));
            variables.push(("CUDA_DEVICE_ORDER".into(), "PCI_BUS_ID".into()));
        }
        variables
    }

    /// Gives the program that `command` starts its place: CPUs near its devices, as many as it
    /// booked, and the devices' locks: where this worker is killed they are taken until that
    /// program has ended as well.
    ///
    /// # Errors
    /// There are too many open files.
    pub(crate) fn place(
        &self,
        devices: &[u16],
        booked: MilliCpus,
        command: &mut Command,
    ) -> io::Result<()> {
        let mut near: Vec<u32> = devices
            .iter()
            .filter_map(|device| self.near.get(usize::from(*device)))
            .flatten()
            .copied()
            .collect();
        near.sort_unstable();
        near.dedup();
        if !near.is_empty() {
            cpus::keep_near(&near, booked, command);
        }
        let ids: Vec<String> = devices.iter().map(|device| self.id(*device)).collect();
        let shared = self.locks.iter().filter(|lock| ids.iter().any(|id| id == lock.device()));
        shared.into_iter().try_for_each(|lock| lock.share_with(command))
    }

    /// Looks at devices before a process begins there, and counts it among what is ours.
    pub(crate) async fn before(&self, holds: &[Hold]) -> Before {
        let samples = if holds.is_empty() { BTreeMap::new() } else { self.look().await };
        let tenant = self.present().enter(holds.to_vec());
        self.tell_lookout();
        let used = |hold: &Hold| Some(samples.get(&self.id(hold.device))?.memory?.used);
        Before { tenant, used: holds.iter().map(|hold| (*hold, used(hold))).collect() }
    }

    /// A process was seen to take this much of each device that it has a part of.
    pub(crate) fn measured(&self, tenant: Tenant, bytes: u64) {
        self.present().takes(tenant, bytes);
        self.tell_lookout();
    }

    /// Waits until what a process had of devices is back; names those where it is not, and why.
    pub(crate) async fn settle(&self, leader: Option<u32>, before: Before) -> Vec<(u16, String)> {
        let mut stuck = Vec::new();
        for (hold, used) in &before.used {
            // On a device that others share, others may have taken what this one gave back.
            let at_most = used.filter(|_| hold.whole).unwrap_or(u64::MAX);
            let gone: BTreeSet<u32> = leader.into_iter().collect();
            if let Some(reason) = self.returned(hold.device, gone, at_most).await {
                if let Some(lookout) = &self.lookout {
                    lookout.hold_against(hold.device, reason.clone());
                }
                stuck.push((hold.device, reason));
            }
        }
        self.present().leave(before.tenant);
        self.tell_lookout();
        stuck
    }

    async fn returned(&self, device: u16, gone: BTreeSet<u32>, at_most: u64) -> Option<String> {
        let id = self.id(device);
        let lookout = self.lookout.as_ref().filter(|lookout| lookout.sees(&id))?;
        let waiting = Return::begin(self.now(), gone, at_most);
        loop {
            let samples = lookout.look().await;
            match waiting.look(self.now(), samples.get(&id)) {
                Step::Back => return None,
                Step::Kept(reason) => return Some(reason),
                Step::Again(at) => tokio::time::sleep(at.since(self.now()).to_std()).await,
            }
        }
    }

    /// Bytes that a process and all that descends from it hold on the device where they hold most;
    /// nothing where nobody can tell.
    pub(crate) async fn taken_by(&self, leader: libc::pid_t, holds: &[Hold]) -> Option<u64> {
        if holds.is_empty() {
            return None;
        }
        let (samples, leader) = (self.look().await, leader.cast_unsigned());
        let on = |hold: &Hold| {
            let processes = samples.get(&self.id(hold.device))?.processes.as_ref()?;
            let ours = processes.iter().filter(|process| descent::is_of(process.pid, leader));
            Some(ours.filter_map(|process| process.bytes).sum::<u64>())
        };
        holds.iter().filter_map(on).max().filter(|bytes| *bytes > 0)
    }

    /// A person has put a device back: it serves until something new is seen.
    pub(crate) fn trust(&self, device: u16) {
        if let Some(lookout) = &self.lookout {
            lookout.trust(device);
        }
    }

    async fn look(&self) -> BTreeMap<String, Sample> {
        match &self.lookout {
            Some(lookout) => lookout.look().await,
            None => BTreeMap::new(),
        }
    }

    /// The lookout must know what is ours to tell what is not.
    fn tell_lookout(&self) {
        if let Some(lookout) = &self.lookout {
            lookout.tell(self.present().bytes());
        }
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Time {
        Time(Span::from_std(self.began.elapsed()).0)
    }
}

/// The CPUs near a device, by what was found of it.
fn near(inventory: Option<&Inventory>, id: &str) -> Vec<u32> {
    let gpus = inventory.into_iter().flat_map(|inventory| &inventory.gpus);
    gpus.filter(|gpu| gpu.uuid == id).flat_map(|gpu| gpu.near.cpus.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use gristmill_model::limits;

    use super::*;

    fn equipment(ids: &[&str]) -> Equipment {
        let devices = ids.iter().map(|id| Device::new("gpu", *id, 80)).collect();
        let (inputs, _) = mpsc::channel(limits::HANDLER_INBOX);
        Equipment::new(Claimed::declared(devices), inputs)
    }

    fn value(variables: &[(OsString, OsString)], name: &str) -> Option<String> {
        let found = variables.iter().find(|(known, _)| known == name)?;
        Some(found.1.to_string_lossy().into_owned())
    }

    #[test]
    fn a_program_sees_the_gpus_that_it_booked_and_no_others() {
        let here = equipment(&["GPU-1", "MIG-2", "tpu-0"]);
        let both = here.variables(&[2, 1]);
        assert_eq!(value(&both, "GRISTMILL_DEVICES").as_deref(), Some("tpu-0,MIG-2"));
        assert_eq!(value(&both, "CUDA_VISIBLE_DEVICES").as_deref(), Some("MIG-2"));
        assert_eq!(value(&both, "CUDA_DEVICE_ORDER").as_deref(), Some("PCI_BUS_ID"));
        assert_eq!(value(&here.variables(&[]), "CUDA_VISIBLE_DEVICES").as_deref(), Some(""));
        let without = equipment(&["tpu-0"]);
        assert_eq!(value(&without.variables(&[]), "CUDA_VISIBLE_DEVICES"), None);
    }
}
