//! Devices, on a machine that has none: a mock of NVML and made-up trees of `/dev`, `/proc` and
//! `/sys` stand for the machine. What only a GPU can show is not shown here.

// A broken stage should stop the play; clippy allows this in tests only inside the functions.
#![allow(clippy::unwrap_used)]

mod finding;
mod locking;
mod machine;
mod mock;
mod opening;
mod watching;
