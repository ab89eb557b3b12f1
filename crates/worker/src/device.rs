//! The devices of this machine: how a worker finds, locks, watches and describes them.
//!
//! Nothing here decides what runs where: that is the engine's affair, and the core's. This module
//! tells them what is there, and what has become of it.

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
