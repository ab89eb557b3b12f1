//! What a GPU is: its name, size and place, whether it is cut into MIG instances, and how many
//! processes may use it. What it is doing is in `sample`.
//!
//! Nothing is ever changed: compute mode and MIG mode are the administrator's.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use gristmill_model::resources::Device as Offered;
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::ComputeMode;
use serde::Serialize;

use super::cores::{self, Near};
use super::nvml::Fault;
use super::visible::{Part, Seen};

/// Kind of device that GPUs and their MIG instances are.
pub const KIND: &str = "gpu";

/// MIG instances of one GPU; NVIDIA's largest GPUs have seven.
const MOST_INSTANCES: u32 = 64;

/// A GPU or a MIG instance of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gpu {
    /// Its stable name.
    pub uuid: String,
    /// The model, as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Bytes of video memory; 0 where it does not tell.
    pub vram: u64,
    /// NVML's number for it, to be shown only: it may be another one after a restart.
    pub index: u32,
    /// Its PCI address, as `0000:41:00.0`.
    pub bus: String,
    /// The number of its file in `/dev`.
    pub minor: Option<u32>,
    /// Its compute capability, as `9.0`.
    pub capability: Option<String>,
    /// Who may use it, by the administrator's word.
    pub mode: Mode,
    /// How many processes it takes at once; none for any number.
    pub slots: Option<u32>,
    /// Whether the Multi-Process Service shares it out.
    pub mps: bool,
    /// Whether it is a GPU in MIG mode, for which its instances stand.
    pub is_cut: bool,
    /// What it is if it is a part of a GPU.
    pub instance: Option<Instance>,
    /// The CPUs beside it.
    pub near: Near,
    /// Why no work may go there.
    pub unusable: Option<String>,
}

/// A MIG instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// The UUID of the GPU that it is a part of.
    pub parent: String,
    /// Number of the GPU instance.
    pub gpu_instance: Option<u32>,
    /// Number of the compute instance in it.
    pub compute_instance: Option<u32>,
    /// Its multiprocessors.
    pub multiprocessors: Option<u32>,
    /// Slices of the GPU that it has.
    pub slices: Option<u32>,
    /// Its JPEG engines: small instances have none.
    pub jpeg_engines: Option<u32>,
}

/// The compute mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Any number of processes.
    Shared,
    /// One process at a time.
    Exclusive,
    /// Nobody.
    Prohibited,
}

/// Where this process looks at the machine; tests have made-up trees.
#[derive(Debug, Clone)]
pub(super) struct Surroundings<'a> {
    pub sys: &'a Path,
    /// Whether the control daemon of MPS is alive.
    pub mps: bool,
}

impl Gpu {
    /// Whether work may go there at all.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.unusable.is_none()
    }

    /// The GPU that is concerned when something befalls this one.
    #[must_use]
    pub fn whole(&self) -> &str {
        self.instance.as_ref().map_or(&self.uuid, |instance| &instance.parent)
    }

    /// What a worker offers of it.
    #[must_use]
    pub fn offered(&self) -> Offered {
        Offered {
            id: self.uuid.clone(),
            kind: KIND.into(),
            vram: self.vram,
            name: self.name.clone(),
            slots: self.slots.unwrap_or(0),
        }
    }

    /// Takes down what is allowed; why nothing is, if so.
    pub(super) fn allow(&mut self, permission: Permission) -> Option<String> {
        self.mode = permission.mode;
        self.mps = permission.mps;
        self.slots = (self.mode == Mode::Exclusive && !self.mps).then_some(1);
        let refused = "its compute mode is PROHIBITED: an administrator may set another";
        (self.mode == Mode::Prohibited).then(|| refused.to_owned())
    }

    /// Its place in listings: by address, then the GPU before its instances.
    pub(super) fn place(&self) -> (&str, Option<u32>, Option<u32>, &str) {
        let part = self.instance.as_ref();
        let gpu_instance = part.and_then(|part| part.gpu_instance);
        let compute_instance = part.and_then(|part| part.compute_instance);
        (&self.bus, gpu_instance, compute_instance, &self.uuid)
    }

    /// By what it may be named.
    pub(super) fn seen(&self) -> Seen {
        let part = self.instance.as_ref().map(|instance| Part {
            parent: instance.parent.clone(),
            gpu_instance: instance.gpu_instance,
            compute_instance: instance.compute_instance,
        });
        Seen { uuid: self.uuid.clone(), name: self.name.clone(), bus: self.bus.clone(), part }
    }
}

/// Describes a GPU and, where it is in MIG mode, its instances.
pub(super) fn describe(
    device: &Device<'_>,
    index: u32,
    around: &Surroundings<'_>,
) -> Result<Vec<Gpu>, Fault> {
    let mut whole = one(device, index, around)?;
    if !whole.is_cut {
        return Ok(vec![whole]);
    }
    let mut all = Vec::new();
    // Instances keep their numbers when others go: there may be gaps.
    for number in 0..device.mig_device_count().unwrap_or(0).min(MOST_INSTANCES) {
        let Ok(part) = device.mig_device_by_index(number) else { continue };
        all.push(instance(&part, &whole)?);
    }
    whole.unusable = Some(if all.is_empty() {
        "MIG mode is on and there is no instance: `nvidia-smi mig -cgi` makes some".into()
    } else {
        "MIG mode is on: its instances are used".into()
    });
    all.insert(0, whole);
    Ok(all)
}

/// What an administrator allows; it may change at any time.
pub(super) struct Permission {
    mode: Mode,
    mps: bool,
}

/// Asks what is allowed; `daemon` says whether that of the Multi-Process Service is alive. Its
/// clients on this GPU tell of one that listens elsewhere.
pub(super) fn permission(device: &Device<'_>, daemon: bool) -> Permission {
    let mode = match device.compute_mode() {
        Ok(ComputeMode::Prohibited) => Mode::Prohibited,
        Ok(ComputeMode::ExclusiveProcess | ComputeMode::ExclusiveThread) => Mode::Exclusive,
        _ => Mode::Shared,
    };
    let clients = || device.mps_running_compute_processes().unwrap_or_default();
    Permission { mode, mps: daemon || !clients().is_empty() }
}

fn one(device: &Device<'_>, index: u32, around: &Surroundings<'_>) -> Result<Gpu, Fault> {
    let bus = address(&device.pci_info()?.bus_id);
    let capability = device.cuda_compute_capability().ok();
    let mut gpu = Gpu {
        uuid: device.uuid()?,
        name: device.name().unwrap_or_else(|_| "unknown model".into()),
        vram: device.memory_info().map_or(0, |memory| memory.total),
        index,
        near: cores::near(around.sys, &bus),
        bus,
        minor: device.minor_number().ok(),
        capability: capability.map(|is| format!("{}.{}", is.major, is.minor)),
        mode: Mode::Shared,
        slots: None,
        mps: false,
        is_cut: is_cut(device),
        instance: None,
        unusable: None,
    };
    gpu.unusable = gpu.allow(permission(device, around.mps));
    Ok(gpu)
}

/// What an instance has for itself; all else is as with its GPU.
fn instance(part: &Device<'_>, whole: &Gpu) -> Result<Gpu, Fault> {
    let lib = part.nvml().lib();
    // SAFETY: it is handed to calls of the library that it is from, which `part` keeps open.
    let handle = unsafe { part.handle() };
    let has = part.attributes().ok();
    let instance = Instance {
        parent: whole.uuid.clone(),
        gpu_instance: number(lib.nvmlDeviceGetGpuInstanceId.as_ref().ok().copied(), handle),
        compute_instance: number(lib.nvmlDeviceGetComputeInstanceId.as_ref().ok().copied(), handle),
        multiprocessors: has.as_ref().map(|has| has.multiprocessor_count),
        slices: has.as_ref().map(|has| has.gpu_instance_slice_count),
        jpeg_engines: has.as_ref().map(|has| has.shared_jpeg_count),
    };
    Ok(Gpu {
        uuid: part.uuid()?,
        name: part.name().unwrap_or_else(|_| whole.name.clone()),
        vram: part.memory_info().map_or(0, |memory| memory.total),
        is_cut: false,
        instance: Some(instance),
        ..whole.clone()
    })
}

/// Asks for a number by a call that the wrapper does not have.
fn number<Handle>(
    call: Option<unsafe extern "C" fn(Handle, *mut u32) -> u32>,
    handle: Handle,
) -> Option<u32> {
    let mut number = 0;
    // SAFETY: the handle is one of the library's own, and `number` is there to be written.
    let code = unsafe { call?(handle, &raw mut number) };
    (code == 0).then_some(number)
}

fn is_cut(device: &Device<'_>) -> bool {
    device.mig_mode().is_ok_and(|mode| mode.current == 1)
}

/// NVML writes eight digits for the domain and capital letters, the kernel four and small ones.
fn address(bus: &str) -> String {
    let bus = bus.to_ascii_lowercase();
    match bus.split_once(':') {
        Some((domain, rest)) if domain.len() == 8 && domain.starts_with("0000") => {
            format!("{}:{rest}", &domain[4..])
        }
        _ => bus,
    }
}

/// Why the device file of a GPU cannot be opened, as CUDA would have to. Under WSL there are no
/// such files, and one that stands for all of them.
pub(super) fn closed(dev: &Path, minor: Option<u32>) -> Option<String> {
    let path = dev.join(format!("nvidia{}", minor?));
    let open = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(&path);
    let error = open.err()?;
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound if dev.join("dxg").exists() => None,
        ErrorKind::NotFound => {
            Some(format!("{shown} is not there: give this container or job the GPU"))
        }
        ErrorKind::PermissionDenied => {
            Some(format!("{shown} may not be opened by this user, container or job"))
        }
        _ => Some(format!("{shown} cannot be opened: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_the_kernel_writes_it() {
        assert_eq!(address("00000000:41:00.0"), "0000:41:00.0");
        assert_eq!(address("00000001:C1:00.0"), "0001:c1:00.0");
        assert_eq!(address("00010000:C1:00.0"), "00010000:c1:00.0");
        assert_eq!(address("odd"), "odd");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_told_of() {
        let dev = tempfile::tempdir().unwrap();
        assert!(closed(dev.path(), Some(0)).unwrap().contains("nvidia0 is not there"));
        assert_eq!(closed(dev.path(), None), None, "then nobody knows which file it would be");
        std::fs::write(dev.path().join("nvidia0"), "").unwrap();
        assert_eq!(closed(dev.path(), Some(0)), None);
        std::fs::write(dev.path().join("dxg"), "").unwrap();
        assert_eq!(closed(dev.path(), Some(3)), None, "under WSL");
        std::fs::create_dir(dev.path().join("nvidia1")).unwrap();
        assert!(closed(dev.path(), Some(1)).unwrap().contains("cannot be opened"));
    }
}
