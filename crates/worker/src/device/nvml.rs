//! The door to NVIDIA's management library, NVML: opens it, or says in one line why it cannot be
//! had.
//!
//! A machine without a GPU is an ordinary machine, so nothing here panics and nothing here ends a
//! worker. What is asked through the door is the affair of the files beside this one.

use std::path::Path;
use std::sync::Arc;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml as Wrapped};

/// The name under which every driver installs the library.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// The oldest driver that will do: it is the first that tells processes and memory in the form in
/// which they are read here (`nvmlDeviceGetComputeRunningProcesses_v3`,
/// `nvmlDeviceGetMemoryInfo_v2`), and it came with CUDA 11.6 in January 2022.
pub const LEAST_DRIVER: u32 = 510;

/// Why NVML cannot be had: no fault of the worker's, which goes on with its CPUs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoNvml {
    /// There is no such library.
    #[error("No NVIDIA driver here: {library} is not found")]
    NoDriver {
        /// What was looked for.
        library: String,
    },
    /// There is one, but it cannot be used.
    #[error("The NVIDIA driver's {library} cannot be used: {why}; install the driver anew")]
    Broken {
        /// What was opened.
        library: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is from before the calls that are needed.
    #[error(
        "The NVIDIA driver {found} is too old: {LEAST_DRIVER} or newer is needed (it lacks {lacks})"
    )]
    TooOld {
        /// Its version.
        found: String,
        /// The first call that is missing.
        lacks: &'static str,
    },
    /// The library is there, the kernel's part is not.
    #[error("The NVIDIA driver is installed but not loaded: try `modprobe nvidia`, or reboot")]
    NotLoaded,
    /// Library and kernel module are of different versions, as after an update.
    #[error("The NVIDIA driver was updated while it was loaded: reboot, or load its module anew")]
    Mismatch,
    /// This user, or this container, may not talk to the driver.
    #[error("The NVIDIA driver may not be used by this user: look at the modes of /dev/nvidia*")]
    Denied,
    /// Whatever else NVML says.
    #[error("The NVIDIA driver does not answer: {0}")]
    Failed(String),
}

/// Why a question about one GPU has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The GPU is there no more, or of no use until somebody resets it.
    #[error("{0}")]
    Lost(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<NvmlError> for Fault {
    fn from(error: NvmlError) -> Fault {
        match error {
            NvmlError::GpuLost => Fault::Lost("it has fallen off the bus".into()),
            NvmlError::ResetRequired => Fault::Lost("it must be reset before it is used".into()),
            NvmlError::NotFound => Fault::Other("it is not there any more".into()),
            error => Fault::Other(error.to_string()),
        }
    }
}

/// An opened library; clones share it.
#[derive(Debug, Clone)]
pub struct Nvml {
    wrapped: Arc<Wrapped>,
    driver: String,
    cuda: Option<String>,
}

impl Nvml {
    /// Opens the library at `path`, or wherever the system's loader finds it.
    ///
    /// # Errors
    /// Why there is none that can be used.
    pub fn open(path: Option<&Path>) -> Result<Nvml, NoNvml> {
        let library = path.unwrap_or(Path::new(LIBRARY));
        let shown = library.display().to_string();
        let wrapped = Wrapped::builder()
            .lib_path(library.as_os_str())
            .init()
            .map_err(|error| refused(shown.clone(), error))?;
        let driver = wrapped.sys_driver_version().unwrap_or_else(|_| "of unknown version".into());
        let missing = missing(&wrapped);
        if missing == Some(SHUTDOWN) {
            // The wrapper calls this one when it is dropped, and would panic for want of it.
            std::mem::forget(wrapped);
            return Err(lacking(shown, driver, SHUTDOWN));
        }
        if let Some(name) = missing {
            return Err(lacking(shown, driver, name));
        }
        let cuda = wrapped.sys_cuda_driver_version().ok().map(|version| {
            format!(
                "{}.{}",
                nvml_wrapper::cuda_driver_version_major(version),
                nvml_wrapper::cuda_driver_version_minor(version)
            )
        });
        Ok(Nvml { wrapped: Arc::new(wrapped), driver, cuda })
    }

    /// The driver's version, as `550.54.15`.
    #[must_use]
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// The newest CUDA that the driver runs, as `12.4`.
    #[must_use]
    pub fn cuda(&self) -> Option<&str> {
        self.cuda.as_deref()
    }

    pub(super) fn wrapped(&self) -> &Wrapped {
        &self.wrapped
    }

    /// A GPU or a MIG instance by its full UUID.
    pub(super) fn device(&self, uuid: &str) -> Result<Device<'_>, Fault> {
        Ok(self.wrapped.device_by_uuid(uuid)?)
    }
}

const SHUTDOWN: &str = "nvmlShutdown";

/// The first call that is needed and not there. Everything else may be missing.
fn missing(wrapped: &Wrapped) -> Option<&'static str> {
    let lib = wrapped.lib();
    let needed = [
        (SHUTDOWN, lib.nvmlShutdown.is_ok()),
        ("nvmlDeviceGetCount_v2", lib.nvmlDeviceGetCount_v2.is_ok()),
        ("nvmlDeviceGetHandleByIndex_v2", lib.nvmlDeviceGetHandleByIndex_v2.is_ok()),
        ("nvmlDeviceGetHandleByUUID", lib.nvmlDeviceGetHandleByUUID.is_ok()),
        ("nvmlDeviceGetUUID", lib.nvmlDeviceGetUUID.is_ok()),
        ("nvmlDeviceGetPciInfo_v3", lib.nvmlDeviceGetPciInfo_v3.is_ok()),
        ("nvmlDeviceGetMemoryInfo_v2", lib.nvmlDeviceGetMemoryInfo_v2.is_ok()),
        (
            "nvmlDeviceGetComputeRunningProcesses_v3",
            lib.nvmlDeviceGetComputeRunningProcesses_v3.is_ok(),
        ),
    ];
    needed.into_iter().find(|(_, there)| !there).map(|(name, _)| name)
}

fn lacking(library: String, driver: String, lacks: &'static str) -> NoNvml {
    let major = driver.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major < LEAST_DRIVER => NoNvml::TooOld { found: driver, lacks },
        _ => NoNvml::Broken { library, why: format!("it lacks {lacks}") },
    }
}

fn refused(library: String, error: NvmlError) -> NoNvml {
    match error {
        NvmlError::LibloadingError(error) => {
            let why = error.to_string();
            // The loader names the file that it misses: this one, or one that this one needs. glibc
            // begins with the name, musl writes `Error loading shared library NAME: ...`.
            let absent = why.contains("No such file");
            if absent && (why.starts_with(&library) || why.contains(&format!("y {library}:"))) {
                NoNvml::NoDriver { library }
            } else {
                NoNvml::Broken { library, why }
            }
        }
        NvmlError::FailedToLoadSymbol(_) => {
            NoNvml::Broken { library, why: "it lacks nvmlInit_v2".into() }
        }
        NvmlError::DriverNotLoaded => NoNvml::NotLoaded,
        NvmlError::LibRmVersionMismatch => NoNvml::Mismatch,
        NvmlError::NoPermission => NoNvml::Denied,
        NvmlError::LibraryNotFound => {
            NoNvml::Broken { library, why: "it misses a library that it needs".into() }
        }
        error => NoNvml::Failed(error.to_string()),
    }
}
