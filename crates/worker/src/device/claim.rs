//! What a worker takes of the devices that were found: those that no other program of this machine
//! has, each under its lock for as long as the worker lives.

use gristmill_model::resources::Device;

use super::inventory::Inventory;
use super::lock::{Held, Locks};

/// What becomes of a GPU that others than the worker use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Foreign {
    /// It waits: nothing begins there until they have left.
    #[default]
    Wait,
    /// It is used all the same.
    Share,
}

/// The devices of a worker.
#[derive(Debug, Default)]
pub struct Claimed {
    /// What it offers.
    pub devices: Vec<Device>,
    /// A line each: what it does not have, and why.
    pub notes: Vec<String>,
    /// What to do about others.
    pub foreign: Foreign,
    pub(crate) inventory: Option<Inventory>,
    pub(crate) locks: Vec<Held>,
}

impl Claimed {
    /// Devices that are what they are said to be: nobody looks at them, and nobody locks them.
    #[must_use]
    pub fn declared(devices: Vec<Device>) -> Claimed {
        Claimed { devices, ..Claimed::default() }
    }

    /// Takes what can be had of an inventory, for a worker of this name.
    #[must_use]
    pub fn take(inventory: Inventory, locks: Option<&Locks>, worker: &str) -> Claimed {
        let mut claimed = Claimed { notes: inventory.notes.clone(), ..Claimed::default() };
        for device in inventory.offered() {
            let is_declared = inventory.declared.iter().any(|declared| declared.id == device.id);
            let lock = locks.filter(|_| !is_declared).map(|locks| locks.take(&device.id, worker));
            match lock.transpose() {
                Ok(held) => {
                    claimed.locks.extend(held);
                    claimed.devices.push(device);
                }
                Err(error) => claimed.notes.push(error.to_string()),
            }
        }
        claimed.inventory = Some(inventory).filter(|inventory| inventory.nvml().is_some());
        claimed
    }
}
