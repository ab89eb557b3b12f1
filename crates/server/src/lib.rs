//! The only owner of an engine: core loop, stores, sessions and HTTP.
//!
//! A [`Server`] is opened on a data folder and may then [`listen`](Server::listen) on an address.
//! Without doing so it serves whoever holds a [`Handle`]: that is what local mode is. The log is
//! the truth; read tables, feed and pages only read it.

pub mod backup;
pub mod blobs;
pub mod callback;
mod compactor;
mod core;
pub mod feed;
pub mod folder;
pub mod follower;
mod handle;
pub mod http;
pub mod lists;
pub mod log;
pub mod logs;
pub mod read;
mod server;
mod session;
mod start_error;
mod threads;
mod token;
mod wall;

pub use core::{Goal, RecoveryError, Snapshot, Standing};
pub use handle::Handle;
pub use http::{Listen, Listener};
pub use log::Durability;
pub use server::{Config, Server};
pub use start_error::StartError;
pub use token::{TokenError, TokenHash};
