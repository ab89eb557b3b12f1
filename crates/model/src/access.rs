//! Actors: who caused an event. Every command and every record of the log names one.
//!
//! Users and their roles in projects come later; an actor has a kind and a number already.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ids::WorkerId;

/// Who caused something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    /// What kind of actor.
    pub kind: ActorKind,
    /// Which of its kind; 0 where there is only one, or where it is not known.
    pub id: u64,
}

/// Kinds of actor. On disk a kind is its number: never give one a new meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ActorKind {
    /// The server itself: a timer, a retry, a placement.
    Server = 0,
    /// Somebody on this machine, over the loopback interface and without a token.
    Local = 1,
    /// The holder of the server's token.
    Token = 2,
    /// A worker, by its id.
    Worker = 3,
}

impl ActorKind {
    /// Every kind.
    pub const ALL: [ActorKind; 4] =
        [ActorKind::Server, ActorKind::Local, ActorKind::Token, ActorKind::Worker];

    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ActorKind::Server => "server",
            ActorKind::Local => "local",
            ActorKind::Token => "token",
            ActorKind::Worker => "worker",
        }
    }
}

impl Actor {
    /// The server itself.
    pub const SERVER: Actor = Actor { kind: ActorKind::Server, id: 0 };
    /// Somebody on this machine, without a token.
    pub const LOCAL: Actor = Actor { kind: ActorKind::Local, id: 0 };
    /// The holder of the server's token.
    pub const TOKEN: Actor = Actor { kind: ActorKind::Token, id: 0 };
    /// A worker that has no id yet: it is just greeting.
    pub const NEW_WORKER: Actor = Actor { kind: ActorKind::Worker, id: 0 };

    /// A worker.
    #[must_use]
    pub const fn worker(id: WorkerId) -> Actor {
        Actor { kind: ActorKind::Worker, id: id.0 }
    }

    /// Whether it is a worker.
    #[must_use]
    pub const fn is_worker(self) -> bool {
        matches!(self.kind, ActorKind::Worker)
    }
}

/// The kind, and which where there is more than one: `token`, `worker:3`.
///
/// ```
/// use gristmill_model::{WorkerId, access::Actor};
/// assert_eq!(Actor::worker(WorkerId(3)).to_string(), "worker:3");
/// assert_eq!("local".parse(), Ok(Actor::LOCAL));
/// ```
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if self.id == 0 { Ok(()) } else { write!(f, ":{}", self.id) }
    }
}

impl FromStr for Actor {
    type Err = String;

    fn from_str(text: &str) -> Result<Actor, String> {
        let (word, id) = text.split_once(':').unwrap_or((text, "0"));
        let kind = ActorKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        kind.zip(id.parse().ok())
            .map(|(kind, id)| Actor { kind, id })
            .ok_or_else(|| format!("`{text}` is not an actor: expected one like token or worker:3"))
    }
}

// For people it is a text, on disk a pair of kind and number.
impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.collect_str(self)
        } else {
            (self.kind as u8, self.id).serialize(to)
        }
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            return String::deserialize(from)?.parse().map_err(de::Error::custom);
        }
        let (number, id) = <(u8, u64)>::deserialize(from)?;
        let kind = ActorKind::ALL.into_iter().find(|kind| *kind as u8 == number);
        let kind =
            kind.ok_or_else(|| de::Error::custom(format!("{number} is no kind of actor")))?;
        Ok(Actor { kind, id })
    }
}
