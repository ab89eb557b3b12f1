//! All that this machine has in devices, and a line about each thing that it could have had.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gristmill_model::limits;
use gristmill_model::resources::Device as Offered;
use serde::Serialize;

use super::declared::Declared;
use super::gpu::{self, Gpu, Surroundings};
use super::nvml::{Fault, NoNvml, Nvml};
use super::sample::{self, Sample};
use super::{mps, visible};

/// Where to look, and what not to take.
#[derive(Debug, Clone)]
pub struct Options {
    /// NVML, if not where the system's loader finds it.
    pub library: Option<PathBuf>,
    /// `CUDA_VISIBLE_DEVICES`.
    pub visible: Option<String>,
    /// `CUDA_DEVICE_ORDER`.
    pub order: Option<String>,
    /// GPUs that the operator leaves out: by UUID, its beginning, PCI address or index.
    pub exclude: Vec<String>,
    /// Devices that are there because somebody says so.
    pub declared: Vec<Declared>,
    /// `/dev`, or a tree that stands for it.
    pub dev: PathBuf,
    /// `/proc`, or a tree that stands for it.
    pub proc: PathBuf,
    /// `/sys`, or a tree that stands for it.
    pub sys: PathBuf,
    /// The folder of the pipes of the Multi-Process Service.
    pub mps_pipes: PathBuf,
}

/// Names the library to open in place of the system's: for tests, and for drivers in odd places.
pub const LIBRARY_VARIABLE: &str = "GRISTMILL_NVML_LIBRARY";

impl Options {
    /// As the environment of this process says.
    #[must_use]
    pub fn of_this_process() -> Options {
        let text = |name: &str| std::env::var(name).ok();
        Options {
            library: text(LIBRARY_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from),
            visible: text("CUDA_VISIBLE_DEVICES"),
            order: text("CUDA_DEVICE_ORDER"),
            exclude: Vec::new(),
            declared: Vec::new(),
            dev: "/dev".into(),
            proc: "/proc".into(),
            sys: "/sys".into(),
            mps_pipes: mps::pipes(),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Inventory {
    /// GPUs and MIG instances that this process may see, in the order of their PCI addresses; also
    /// those that are of no use, with the reason.
    pub gpus: Vec<Gpu>,
    /// Devices that were declared.
    pub declared: Vec<Declared>,
    /// A line each: why there is nothing, what was left out and why.
    pub notes: Vec<String>,
    /// The driver's version.
    pub driver: Option<String>,
    /// The newest CUDA that it runs.
    pub cuda: Option<String>,
    /// Why some can never be used, by UUID: what a second look does not change.
    #[serde(skip)]
    barred: BTreeMap<String, String>,
    #[serde(skip)]
    nvml: Option<Nvml>,
    #[serde(skip)]
    absent: Option<NoNvml>,
    #[serde(skip)]
    options: Options,
}

impl Inventory {
    /// Looks at everything. What is not there is a note and no failure. The calls may take a second
    /// on a machine whose driver has to wake up, so it is not for a thread that others wait for.
    #[must_use]
    pub fn probe(options: Options) -> Inventory {
        let mut inventory = Inventory::without_gpus(options);
        match Nvml::open(inventory.options.library.as_deref()) {
            Ok(nvml) => inventory.find(nvml),
            Err(absent) => {
                inventory.notes.push(absent.to_string());
                inventory.absent = Some(absent);
            }
        }
        inventory
    }

    /// What is declared alone: nobody looks for GPUs.
    #[must_use]
    pub fn without_gpus(options: Options) -> Inventory {
        Inventory {
            gpus: Vec::new(),
            declared: options.declared.clone(),
            notes: Vec::new(),
            driver: None,
            cuda: None,
            barred: BTreeMap::new(),
            nvml: None,
            absent: None,
            options,
        }
    }

    /// The library, for whoever watches the health of the GPUs.
    #[must_use]
    pub fn nvml(&self) -> Option<&Nvml> {
        self.nvml.as_ref()
    }

    /// Why there is no library, which is also the first of the notes.
    #[must_use]
    pub fn absent(&self) -> Option<&NoNvml> {
        self.absent.as_ref()
    }

    /// `/proc`, or what stands for it.
    #[must_use]
    pub fn proc(&self) -> &Path {
        &self.options.proc
    }

    /// What a worker may offer: all that is of use.
    #[must_use]
    pub fn offered(&self) -> Vec<Offered> {
        let gpus = self.gpus.iter().filter(|gpu| gpu.is_usable()).map(Gpu::offered);
        let declared = self.declared.iter().map(|declared| Offered {
            id: declared.id.clone(),
            kind: declared.kind.clone(),
            vram: declared.vram,
            name: String::new(),
            slots: declared.slots,
        });
        gpus.chain(declared).take(limits::WORKER_DEVICES).collect()
    }

    /// UUIDs of what is concerned when something befalls the GPU `whole`: itself and its instances.
    #[must_use]
    pub fn parts_of(&self, whole: &str) -> Vec<&str> {
        let parts = self.gpus.iter().filter(|gpu| gpu.whole() == whole);
        parts.map(|gpu| gpu.uuid.as_str()).collect()
    }

    /// Looks again at each GPU that was found, by its UUID. Nothing new is looked for. A GPU whose
    /// compute mode was changed is, or is no longer, of use from now on; so is one that is lost.
    pub fn refresh(&mut self) -> BTreeMap<String, Result<Sample, Fault>> {
        let Some(nvml) = &self.nvml else { return BTreeMap::new() };
        let daemon = mps::runs(&self.options.mps_pipes, &self.options.proc);
        let mut samples = BTreeMap::new();
        for gpu in &mut self.gpus {
            let sample = sample::look(nvml, &gpu.uuid);
            let permission = nvml.device(gpu.whole()).map(|whole| gpu::permission(&whole, daemon));
            let now = match (&sample, permission) {
                (Err(fault), _) => Some(fault.to_string()),
                (_, Err(fault)) => Some(fault.to_string()),
                (Ok(_), Ok(permission)) => gpu.allow(permission),
            };
            gpu.unusable = self.barred.get(&gpu.uuid).cloned().or(now);
            samples.insert(gpu.uuid.clone(), sample);
        }
        samples
    }

    fn find(&mut self, nvml: Nvml) {
        self.driver = Some(nvml.driver().to_owned());
        self.cuda = nvml.cuda().map(str::to_owned);
        let found = self.everything(&nvml);
        self.nvml = Some(nvml);
        if found.is_empty() {
            return;
        }
        // Who may not open a GPU does not count it either: in a job of a batch system, index 0 is
        // the first of its own.
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        for mut gpu in found {
            let shut = gpu::closed(&self.options.dev, gpu.minor);
            let (is_open, cut) = (shut.is_none(), gpu.is_cut.then(|| gpu.unusable.clone()));
            if let Some(why) = shut.or(cut.flatten()) {
                gpu.unusable = Some(why.clone());
                self.barred.insert(gpu.uuid.clone(), why);
            }
            if is_open { open.push(gpu) } else { closed.push(gpu) }
        }
        let seen: Vec<_> = open.iter().map(Gpu::seen).collect();
        let (variable, order) = (self.options.visible.as_deref(), self.options.order.as_deref());
        let mut choice = visible::visible(&seen, variable, order);
        visible::exclude(&seen, &self.options.exclude, &mut choice);
        self.notes.append(&mut choice.notes);
        self.gpus = open.into_iter().filter(|gpu| choice.uuids.contains(&gpu.uuid)).collect();
        self.gpus.extend(closed);
        self.gpus.sort_by(|a, b| a.place().cmp(&b.place()));
    }

    /// Every GPU that NVML shows, whoever may use it.
    fn everything(&mut self, nvml: &Nvml) -> Vec<Gpu> {
        let mps = mps::runs(&self.options.mps_pipes, &self.options.proc);
        let around = Surroundings { sys: &self.options.sys, mps };
        let count = match nvml.wrapped().device_count() {
            Ok(0) => {
                self.notes.push(format!("The NVIDIA driver {} finds no GPU", nvml.driver()));
                0
            }
            Ok(count) => count.min(u32::try_from(limits::WORKER_DEVICES).unwrap_or(u32::MAX)),
            Err(error) => {
                self.notes.push(format!("GPUs cannot be counted: {error}"));
                0
            }
        };
        let mut found = Vec::new();
        for index in 0..count {
            let described = nvml
                .wrapped()
                .device_by_index(index)
                .map_err(Fault::from)
                .and_then(|device| gpu::describe(&device, index, &around));
            match described {
                Ok(gpus) => found.extend(gpus),
                Err(fault) => self.notes.push(format!("GPU {index} is left out: {fault}")),
            }
        }
        found
    }
}
