//! What goes into a stage and what comes out of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::digest::Digest;

/// An input or an output. The next stage's input is the earlier stage's output, so both are one
/// type. Small values travel inside it; bytes travel as an [`Artifact`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// A line, a URL, a prompt, a program's standard output.
    Text(String),
    /// Any JSON value, kept as compact text.
    Json(String),
    /// A file: a path on a disk that both sides share, or a blob.
    File(Artifact),
    /// A line of a stored list; whoever sends it to a worker puts the text in its place.
    Line(Line),
}

/// A line of a stored list, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// The blob whose lines are the list.
    #[schema(value_type = String, example = "b3-af13…")]
    pub list: Digest,
    /// Which line, from 0 on.
    pub index: u64,
}

/// A named input or output that points to bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Artifact {
    /// File name, without folders: what a handler sees and a download is called.
    pub name: String,
    /// Length in bytes.
    pub size: u64,
    /// Where the bytes are.
    pub place: Place,
}

/// Where an artifact's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// An absolute path on a disk that submitter and worker share.
    Path(String),
    /// A blob in the server's store.
    #[schema(value_type = String, example = "b3-af13…")]
    Blob(Digest),
}

impl Payload {
    /// An empty text: the input of a job that needs none.
    #[must_use]
    pub fn empty() -> Payload {
        Payload::Text(String::new())
    }

    /// Bytes this value keeps in memory and in the log.
    #[must_use]
    pub fn inline_len(&self) -> usize {
        match self {
            Payload::Text(text) | Payload::Json(text) => text.len(),
            Payload::File(artifact) => artifact.inline_len(),
            Payload::Line(_) => Line::INLINE_LEN,
        }
    }
}

impl Line {
    /// Bytes of a digest and a number.
    const INLINE_LEN: usize = 40;
}

impl Artifact {
    /// Bytes that the reference itself takes; not the bytes it points to.
    #[must_use]
    pub fn inline_len(&self) -> usize {
        let place = match &self.place {
            Place::Path(path) => path.len(),
            Place::Blob(_) => 32,
        };
        self.name.len() + place + 8
    }
}
