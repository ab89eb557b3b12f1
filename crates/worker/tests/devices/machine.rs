//! A made-up machine: a mock of NVML, and trees of `/dev`, `/proc` and `/sys` that fit it.

use std::fs;
use std::path::PathBuf;

use gristmill_worker::device::inventory::{Inventory, Options};

use crate::mock::Mock;

pub const A: &str = "GPU-aaaa1111-0000-0000-0000-000000000001";
pub const B: &str = "GPU-bbbb2222-0000-0000-0000-000000000002";

/// Two H100 of 80 GB, the second one nearer to the front of the bus; nothing uses them.
pub fn two() -> String {
    format!("driver 550.54.15\ncuda 12040\n{}{}", gpu(A, 0, "c1"), gpu(B, 1, "41"))
}

/// A GPU that does nothing.
pub fn gpu(uuid: &str, minor: u32, bus: &str) -> String {
    format!(
        "gpu
           uuid {uuid}
           name NVIDIA H100 80GB HBM3
           bus 00000000:{}:00.0
           minor {minor}
           capability 90
           mode 0
           total 85520809984
           used 0
           utilization 0
           temperature 31
           power 69000
           limit 700000
           throttle 1
           generation 5
           width 16
           persistence 1
           multiprocessors_clock 345
           memory_clock 2619
           jpeg 0\n",
        bus.to_uppercase()
    )
}

pub struct Machine {
    pub mock: Mock,
}

impl Machine {
    pub fn new(state: &str) -> Machine {
        let machine = Machine { mock: Mock::new(state) };
        for folder in ["dev", "proc", "sys/bus/pci/devices/0000:41:00.0"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        for minor in 0..4 {
            fs::write(machine.path(&format!("dev/nvidia{minor}")), "").unwrap();
        }
        let slot = machine.path("sys/bus/pci/devices/0000:41:00.0");
        fs::write(slot.join("numa_node"), "1\n").unwrap();
        fs::write(slot.join("local_cpulist"), "8-15\n").unwrap();
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.mock.root().join(name)
    }

    pub fn options(&self) -> Options {
        Options {
            library: Some(self.mock.library()),
            visible: None,
            order: None,
            exclude: Vec::new(),
            declared: Vec::new(),
            dev: self.path("dev"),
            proc: self.path("proc"),
            sys: self.path("sys"),
            mps_pipes: self.path("pipes"),
        }
    }

    pub fn probe(&self) -> Inventory {
        Inventory::probe(self.options())
    }
}
