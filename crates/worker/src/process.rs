//! Processes that this worker starts, for attempts and for sessions: each leads a group of its own,
//! and its whole tree is ended with it.

mod running;
mod tree;

pub(crate) use running::{Running, Status};
pub(crate) use tree::Tree;
