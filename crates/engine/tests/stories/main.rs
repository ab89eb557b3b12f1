//! Stories: what happens, told from outside through commands and events. Every bug found in the
//! engine becomes one here (or a seed of the simulator).

#![allow(clippy::unwrap_used, reason = "a story fails where it stands")]

mod cancel;
mod clocks;
mod devices;
mod explain;
mod explain_devices;
mod fitting;
mod keeping;
mod leases;
mod order;
mod ranges;
mod recovery;
mod retries;
mod scopes;
mod seen;
mod submit;
mod terms;
mod world;
