//! The only owner of an engine: core loop, stores, sessions and HTTP.

pub mod log;
