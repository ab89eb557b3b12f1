//! Who acts. Users and their roles in projects come later; every command carries an actor already.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who asked for something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Somebody on this machine, over the loopback interface and without a token.
    Local,
    /// The holder of the server's token.
    Token,
    /// A worker.
    Worker,
    /// The server itself.
    Server,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Actor::Local => "local",
            Actor::Token => "token",
            Actor::Worker => "worker",
            Actor::Server => "server",
        })
    }
}
