//! Stories about a whole worker: real processes, threads, files and sockets, and a server's side
//! that follows a script. Nothing sleeps to be in step; every wait is bounded.

// A broken stage should stop the play; clippy allows this in tests only inside the functions.
#![allow(clippy::unwrap_used)]

mod blobs;
mod images;
mod mill;
mod programs;
mod reconnect;
mod sessions;
mod stopping;
