//! Runs attempts: a pure [`core`] that decides, and an edge of links, handlers and processes that
//! acts. The worker knows nothing of the engine; it speaks `gristmill_model::wire`.

pub mod core;
