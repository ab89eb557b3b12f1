//! What does the work of a stage: programs and images. A handler gets an attempt's bench and its
//! input, and gives back what it made; bringing inputs and publishing outputs is not its business.

pub(crate) mod command;
pub(crate) mod images;

use std::path::PathBuf;

use gristmill_model::payload::Payload;

/// What a handler leaves.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) product: Product,
    /// Files beside it, to be collected.
    pub(crate) artifacts: Vec<PathBuf>,
    /// What a person should know though the work was done.
    pub(crate) warnings: Vec<String>,
}

/// The stage's output, before it is published.
#[derive(Debug)]
pub(crate) enum Product {
    /// Ready as it is.
    Payload(Payload),
    /// A finished file in the attempt's folder, and what it is called.
    File { path: PathBuf, name: String },
}
