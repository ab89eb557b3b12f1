//! The devices of this machine: how a worker finds, locks, watches and describes them.
//!
//! Nothing here decides what runs where: that is the engine's affair, and the core's. This module
//! tells them what is there, and what has become of it. Its calls to the driver block, and one that
//! hangs hangs with them: they are for threads that nobody waits for.
//!
//! - [`inventory`] takes stock, by way of [`nvml`], [`visible`], [`gpu`], [`mps`], [`cores`] and
//!   [`declared`];
//! - [`lock`] sees to it that one program of the machine has a device, [`claim`] takes what it can;
//! - [`sample`] looks at a GPU, [`foreign`] and [`vram`] judge what was seen, [`process`] names who
//!   is there;
//! - [`health`] hears of errors, [`xid`] judges them.

pub mod claim;
pub mod cores;
pub mod declared;
pub mod foreign;
pub mod gpu;
pub mod health;
pub mod inventory;
pub mod lock;
pub mod mps;
pub mod nvml;
pub mod process;
pub mod sample;
pub mod visible;
pub mod vram;
pub mod xid;

pub use claim::{Claimed, Foreign};
pub use declared::Declared;
pub use foreign::{Ours, Verdict, Watch};
pub use gpu::Gpu;
pub use health::Trouble;
pub use inventory::{Inventory, Options};
pub use lock::{Held, LockError, Locks};
pub use nvml::{Fault, NoNvml, Nvml};
pub use sample::Sample;
