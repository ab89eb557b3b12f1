//! What a worker takes of the devices that were found: those that no other program of this machine
//! has, each under its lock for as long as the worker lives, or anything that it has started there.

use gristmill_model::limits;
use gristmill_model::resources::Device;

use std::thread;
use std::time::Instant;

use super::inventory::Inventory;
use super::lock::{Held, LockError, Locks};

/// What becomes of a GPU that others than the worker use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Foreign {
    /// It waits: nothing begins there until they have left.
    #[default]
    Wait,
    /// It is used all the same.
    Share,
    /// It goes out of service until a person puts it back.
    Refuse,
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
            let locks = locks.filter(|_| !is_declared);
            let lock = locks.map(|locks| take_patiently(locks, &device.id, worker));
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

/// Takes a lock. One that is held is waited for a little: a worker that was killed is followed by
/// another at once, and what it had started on its devices needs a moment to end.
fn take_patiently(locks: &Locks, device: &str, worker: &str) -> Result<Held, LockError> {
    let until = Instant::now() + limits::LOCK_PATIENCE.to_std();
    loop {
        match locks.take(device, worker) {
            Err(LockError::Held { .. }) if Instant::now() < until => {
                thread::sleep(limits::LOCK_PAUSE.to_std());
            }
            taken => return taken,
        }
    }
}
