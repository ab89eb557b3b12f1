//! What an attempt needs and what a worker has: quantities, never names of machines.

pub mod named;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::limits;
use crate::problem::{Code, Rejection};

/// Thousandths of a CPU, so that half a core is a whole number.
pub type MilliCpus = u32;

/// What one attempt of a stage books while it runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Thousandths of a CPU.
    #[serde(default = "one_cpu")]
    pub cpus: MilliCpus,
    /// Memory in bytes; 0 books none.
    #[serde(default)]
    pub memory: u64,
    /// Devices, all or nothing.
    #[serde(default)]
    pub devices: Vec<DeviceRequest>,
    /// Generic resources in thousandths: a licence, a TPU, a share of something.
    #[serde(default)]
    pub named: BTreeMap<String, u32>,
}

/// A wish for devices of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceRequest {
    /// Kind of device, for example `gpu`.
    pub kind: String,
    /// How many devices.
    pub count: u32,
    /// Video memory in bytes: what a device must have where it is booked whole, else what is booked
    /// of each.
    #[serde(default)]
    pub vram: u64,
    /// How much of each device, in thousandths: [`WHOLE`] shares it with nobody, less shares it
    /// with others that ask for parts, 0 books memory alone.
    #[serde(default = "whole")]
    pub share: u32,
}

/// All of a device, in thousandths.
pub const WHOLE: u32 = 1_000;

const fn whole() -> u32 {
    WHOLE
}

/// A device that a worker has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Stable name: a GPU's UUID.
    pub id: String,
    /// Kind of device, for example `gpu`.
    pub kind: String,
    /// Video memory in bytes; 0 where the word means nothing.
    pub vram: u64,
    /// What people call it, for example `NVIDIA H200`; may be empty.
    #[serde(default)]
    pub name: String,
    /// Processes that may use it at once; 0 where nothing bounds them.
    #[serde(default)]
    pub slots: u32,
}

/// All that a worker has to give.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Capacity {
    /// Thousandths of a CPU.
    pub cpus: MilliCpus,
    /// Memory in bytes; 0 means not known, and then memory is not counted.
    pub memory: u64,
    /// Devices by name.
    pub devices: Vec<Device>,
    /// Generic resources in thousandths; what is not named is not there.
    #[serde(default)]
    pub named: BTreeMap<String, u32>,
}

/// What a worker has to give, and what it may be asked for: enough to judge whether work could
/// ever run on it. Known of every worker that is connected, declared of others that may join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerShape {
    /// Quantities.
    pub capacity: Capacity,
    /// Kinds of handler that it runs.
    pub handlers: Vec<String>,
    /// What stages may require or prefer of it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether it sees the submitters' disk.
    #[serde(default)]
    pub shared_disk: bool,
}

impl WorkerShape {
    /// Whether it runs handlers of a kind.
    #[must_use]
    pub fn handles(&self, kind: &str) -> bool {
        self.handlers.iter().any(|handler| handler == kind)
    }
}

const fn one_cpu() -> MilliCpus {
    1_000
}

impl Default for Resources {
    /// One whole CPU: what an ordinary program takes.
    fn default() -> Self {
        let (devices, named) = (Vec::new(), BTreeMap::new());
        Resources { cpus: one_cpu(), memory: 0, devices, named }
    }
}

impl Resources {
    /// Judges a request before it is taken in.
    ///
    /// # Errors
    /// `invalid_request`, naming what is too much or badly named.
    pub fn check(&self) -> Result<(), Rejection> {
        named::check(&self.named)?;
        let (asked, most) = (self.devices.len(), limits::DEVICE_REQUESTS);
        if asked > most {
            return Err(bad(format!("{asked} kinds of device: at most {most}")));
        }
        self.devices.iter().try_for_each(DeviceRequest::check)
    }
}

impl DeviceRequest {
    /// Whole devices of a kind, whatever their memory.
    #[must_use]
    pub fn whole(kind: impl Into<String>, count: u32) -> DeviceRequest {
        DeviceRequest { kind: kind.into(), count, vram: 0, share: WHOLE }
    }

    fn check(&self) -> Result<(), Rejection> {
        check_kind(&self.kind)?;
        let DeviceRequest { kind, share, vram, .. } = self;
        if *share > WHOLE {
            return Err(bad(format!("{share} thousandths of a device {kind}: at most {WHOLE}")));
        }
        if *share == 0 && *vram == 0 {
            return Err(bad(format!(
                "neither a share nor memory of device {kind}: expected at least one of them"
            )));
        }
        Ok(())
    }
}

impl Device {
    /// A device of which nothing is known but its memory.
    #[must_use]
    pub fn new(kind: &str, id: impl Into<String>, vram: u64) -> Device {
        Device { id: id.into(), kind: kind.into(), vram, name: String::new(), slots: 0 }
    }
}

fn check_kind(kind: &str) -> Result<(), Rejection> {
    if kind.is_empty() || kind.len() > limits::NAME_BYTES {
        let most = limits::NAME_BYTES;
        return Err(bad(format!("`{kind}` is no kind of device: expected 1 to {most} bytes")));
    }
    Ok(())
}

fn bad(detail: String) -> Rejection {
    Rejection::new(Code::InvalidRequest, detail)
}

impl Capacity {
    /// Judges what a worker says that it has.
    ///
    /// # Errors
    /// `invalid_request`, naming what is too much or badly named.
    pub fn check(&self) -> Result<(), Rejection> {
        named::check(&self.named)?;
        let (given, most) = (self.devices.len(), limits::WORKER_DEVICES);
        if given > most {
            return Err(bad(format!("a worker with {given} devices: at most {most}")));
        }
        let mut ids = BTreeSet::new();
        for device in &self.devices {
            check_kind(&device.kind)?;
            if device.id.is_empty() || device.id.len().max(device.name.len()) > limits::NAME_BYTES {
                let most = limits::NAME_BYTES;
                return Err(bad(format!("a device's id has 1 to {most} bytes, as has its name")));
            }
            if !ids.insert(&device.id) {
                return Err(bad(format!("two devices are called `{}`", device.id)));
            }
        }
        Ok(())
    }

    /// Whether there is nothing that anybody could ask for.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let named = self.named.values().all(|amount| *amount == 0);
        self.cpus == 0 && self.memory == 0 && self.devices.is_empty() && named
    }

    /// A worker with nothing but CPUs.
    #[must_use]
    pub fn of_cpus(whole: u32) -> Capacity {
        let (devices, named) = (Vec::new(), BTreeMap::new());
        Capacity { cpus: whole.saturating_mul(1_000), memory: 0, devices, named }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_and_what_is_there_is_bounded_and_well_named() {
        let request = |kind: &str| DeviceRequest::whole(kind, 1);
        let asks = |devices| Resources { devices, ..Resources::default() }.check();
        assert_eq!(asks(vec![request("gpu"); limits::DEVICE_REQUESTS]), Ok(()));
        let error = asks(vec![request("gpu"); limits::DEVICE_REQUESTS + 1]).unwrap_err();
        assert_eq!(error.detail, "17 kinds of device: at most 16");
        assert!(asks(vec![request("")]).unwrap_err().detail.contains("no kind of device"));
        let named = BTreeMap::from([("a b".into(), 1)]);
        let error = Resources { named: named.clone(), ..Resources::default() }.check();
        assert!(error.unwrap_err().detail.contains("`a b` is not a resource name"));

        let nothing = DeviceRequest { share: 0, ..request("gpu") };
        assert!(asks(vec![nothing]).unwrap_err().detail.contains("neither a share nor memory"));
        let more = DeviceRequest { share: WHOLE + 1, ..request("gpu") };
        assert!(asks(vec![more]).unwrap_err().detail.contains("1001 thousandths"));

        let gpus = |count| (0..count).map(|n| Device::new("gpu", format!("GPU-{n}"), 0)).collect();
        let has = |devices| Capacity { devices, ..Capacity::of_cpus(1) }.check();
        assert_eq!(has(gpus(limits::WORKER_DEVICES)), Ok(()));
        let error = has(gpus(limits::WORKER_DEVICES + 1)).unwrap_err();
        assert_eq!(error.detail, "a worker with 257 devices: at most 256");
        let twice = has(vec![Device::new("gpu", "GPU-0", 0), Device::new("gpu", "GPU-0", 1)]);
        assert_eq!(twice.unwrap_err().detail, "two devices are called `GPU-0`");
        assert!(Capacity { named, ..Capacity::of_cpus(1) }.check().is_err());
    }

    #[test]
    fn what_was_written_before_there_were_named_resources_loads() {
        let resources = rmp_serde::to_vec(&(500_u32, 7_u64, Vec::<DeviceRequest>::new())).unwrap();
        let resources: Resources = rmp_serde::from_slice(&resources).unwrap();
        assert_eq!(resources, Resources { cpus: 500, memory: 7, ..Resources::default() });
        let capacity = rmp_serde::to_vec(&(2_000_u32, 0_u64, Vec::<Device>::new())).unwrap();
        assert_eq!(rmp_serde::from_slice::<Capacity>(&capacity).unwrap(), Capacity::of_cpus(2));
        assert_eq!(serde_json::from_str::<Resources>("{}").unwrap(), Resources::default());
    }
}
