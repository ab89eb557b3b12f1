//! What a GPU is doing at this moment: memory, processes, load, heat, power, clocks.
//!
//! Cards tell different things; what one does not tell is absent and no failure. Only a card that
//! is lost fails as a whole.

use nvml_wrapper::Device;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use serde::Serialize;

use super::nvml::{Fault, Nvml};

/// Processes of one GPU that are looked at; of more only so many.
const MOST_PROCESSES: usize = 1_024;

/// A moment of a GPU or of a MIG instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Its memory. Without it nobody can say whether the device is free.
    pub memory: Option<Memory>,
    /// Who uses it; absent where the driver does not say.
    pub processes: Option<Vec<Process>>,
    /// Percent of the last moment in which a kernel ran.
    pub utilization: Option<u32>,
    /// Percent of the last moment in which its JPEG engines were busy.
    pub jpeg_utilization: Option<u32>,
    /// Degrees Celsius.
    pub temperature: Option<u32>,
    /// Milliwatts drawn.
    pub power: Option<u32>,
    /// Milliwatts that it may draw.
    pub power_limit: Option<u32>,
    /// What holds its clocks down, in words; absent where it is not told, empty where nothing does.
    pub slowed_by: Option<Vec<&'static str>>,
    /// Clock of the multiprocessors in MHz.
    pub clock: Option<u32>,
    /// Clock of the memory in MHz.
    pub memory_clock: Option<u32>,
    /// Generation of the PCIe link; an idle link may have fallen back.
    pub pcie_generation: Option<u32>,
    /// Lanes of the PCIe link.
    pub pcie_width: Option<u32>,
    /// Whether the driver stays loaded when nobody uses the GPU.
    pub persistence: Option<bool>,
}

/// Bytes of video memory. What the driver keeps for itself is in `total` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// What there is.
    pub total: u64,
    /// What programs have.
    pub used: u64,
    /// What a program could still have.
    pub free: u64,
}

/// A process that uses the GPU.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Process {
    /// Its number, as the host counts.
    pub pid: u32,
    /// Bytes of video memory that it has, where the driver tells.
    pub bytes: Option<u64>,
    /// What it does there.
    pub work: Work,
}

/// What a process does with a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// It computes.
    Compute,
    /// It computes through the Multi-Process Service.
    Mps,
    /// It draws, as a desktop does.
    Graphics,
}

/// Looks at one device by its UUID.
///
/// # Errors
/// The device is lost, or is not found any more.
pub fn look(nvml: &Nvml, uuid: &str) -> Result<Sample, Fault> {
    let device = nvml.device(uuid)?;
    let mut lost = None;
    let sample = read(&device, &mut lost);
    lost.map_or(Ok(sample), Err)
}

fn read(device: &Device<'_>, lost: &mut Option<Fault>) -> Sample {
    let utilization = told(device.utilization_rates(), lost).map(|rates| rates.gpu);
    Sample {
        memory: told(device.memory_info(), lost).map(|memory| Memory {
            total: memory.total,
            used: memory.used,
            free: memory.free,
        }),
        processes: processes(device, lost),
        utilization,
        jpeg_utilization: jpeg_utilization(device),
        temperature: told(device.temperature(TemperatureSensor::Gpu), lost),
        power: told(device.power_usage(), lost),
        power_limit: told(device.enforced_power_limit(), lost),
        slowed_by: told(device.current_throttle_reasons(), lost).map(words),
        clock: told(device.clock_info(Clock::SM), lost),
        memory_clock: told(device.clock_info(Clock::Memory), lost),
        pcie_generation: told(device.current_pcie_link_gen(), lost),
        pcie_width: told(device.current_pcie_link_width(), lost),
        persistence: told(device.is_in_persistent_mode(), lost),
    }
}

/// What was told; that a card is lost is kept, anything else that was not told is just absent.
fn told<T>(answer: Result<T, NvmlError>, lost: &mut Option<Fault>) -> Option<T> {
    match answer {
        Ok(value) => Some(value),
        Err(error) => {
            if let fault @ Fault::Lost(_) = Fault::from(error) {
                lost.get_or_insert(fault);
            }
            None
        }
    }
}

/// All processes, each once. Those that draw and those of MPS are told by other calls, which a card
/// may lack; without the first call nothing is known.
fn processes(device: &Device<'_>, lost: &mut Option<Fault>) -> Option<Vec<Process>> {
    let compute = told(device.running_compute_processes(), lost)?;
    let mps = told(device.mps_running_compute_processes(), lost).unwrap_or_default();
    let graphics = told(device.running_graphics_processes(), lost).unwrap_or_default();
    let kinds = [(Work::Mps, mps), (Work::Compute, compute), (Work::Graphics, graphics)];
    let mut all: Vec<Process> = Vec::new();
    for (work, list) in kinds {
        for info in list.into_iter().take(MOST_PROCESSES) {
            if all.iter().all(|process| process.pid != info.pid) {
                all.push(process(&info, work));
            }
        }
    }
    all.sort();
    Some(all)
}

fn process(info: &ProcessInfo, work: Work) -> Process {
    let bytes = match info.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    };
    Process { pid: info.pid, bytes, work }
}

/// The wrapper has no call for this one.
fn jpeg_utilization(device: &Device<'_>) -> Option<u32> {
    let call = device.nvml().lib().nvmlDeviceGetJpgUtilization.as_ref().ok()?;
    let (mut percent, mut period) = (0, 0);
    // SAFETY: the handle is that of a device of this very library, which lives as long as the
    // device does, and both numbers are there to be written.
    let code = unsafe { call(device.handle(), &raw mut percent, &raw mut period) };
    (code == 0).then_some(percent)
}

/// Reasons in words. An idle GPU is not slowed.
fn words(reasons: ThrottleReasons) -> Vec<&'static str> {
    let known = [
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, "too hot (hardware)"),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, "too hot (driver)"),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power brake of the machine"),
        (ThrottleReasons::SW_POWER_CAP, "power limit"),
        (ThrottleReasons::HW_SLOWDOWN, "hardware slowdown"),
        (ThrottleReasons::SYNC_BOOST, "in step with other GPUs"),
        (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, "clocks set by an administrator"),
        (ThrottleReasons::DISPLAY_CLOCK_SETTING, "clocks set by the display"),
    ];
    known.iter().filter(|(reason, _)| reasons.contains(*reason)).map(|(_, word)| *word).collect()
}
