//! Tells what a model takes and gives, from its file alone.

use std::path::Path;

use gristmill_model::host::Described;
use gristmill_model::limits;

use crate::model::{Model, Settings};
use crate::{OnnxError, Runtime};

/// Jobs of one call, where a model takes several at once.
const BATCH: u32 = 32;
/// How long a call waits for more of them, in milliseconds.
const BATCH_WAIT_MS: u64 = 5;

/// Tells what the model in this file takes and gives.
///
/// # Errors
/// The runtime is missing, the file is no model, or it takes what no job can give.
pub fn describe(path: &Path, runtime: &Runtime) -> Result<Described, OnnxError> {
    let started = runtime.start()?;
    let model = Model::load(&started, path, &Settings::for_a_look())?;
    let batchable = model.signature().is_batchable();
    Ok(Described {
        name: name(path),
        doc: model.doc(),
        signature: model.signature().schema(),
        gpus: None,
        vram: None,
        cpus: None,
        memory: None,
        batch: if batchable { BATCH } else { 1 },
        batch_wait_ms: if batchable { BATCH_WAIT_MS } else { 0 },
        timeout_ms: None,
        attempts: None,
        pinned: false,
        data: Vec::new(),
    })
}

/// The file's stem, with `_` for what names do not have.
fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String =
        stem.chars().take(limits::NAME_BYTES).map(|c| if plain(c) { c } else { '_' }).collect();
    if name.is_empty() { "model".into() } else { name }
}
