//! The only owner of an engine: core loop, stores, sessions and HTTP.

pub mod blobs;
pub mod folder;
pub mod log;
pub mod logs;
