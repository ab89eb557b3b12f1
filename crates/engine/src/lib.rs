//! The verbs of gristmill: a deterministic, synchronous engine that judges commands, emits events
//! and changes only by applying them. No clock, no file, no socket, no log.
pub mod link;
pub struct Engine;
