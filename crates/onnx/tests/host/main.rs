//! The host as a worker sees it: a process at the other end of a socket, with real graphs in it and
//! the library of ONNX Runtime. What the answers should be was written down by the library's Python
//! API; scripts/onnx-test-set-up.sh fetches all of it.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod batches;
mod calls;
mod describing;
mod life;
mod pace;
mod process;
mod values;
