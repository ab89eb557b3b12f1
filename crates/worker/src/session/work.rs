//! What a worker's sessions do: which program hosts them, and what it loads.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use gristmill_model::limits;
use gristmill_model::pipeline::{PipelineSpec, StageSpec};
use gristmill_model::resources::MilliCpus;

/// A function or a model that this worker keeps loaded in sessions.
#[derive(Debug, Clone)]
pub struct SessionWork {
    /// What sessions of it are called.
    pub name: String,
    /// The program that hosts them, and its arguments: `python -m gristmill.host run`.
    pub host: Vec<OsString>,
    /// What it loads: `app.py:generate`, `model.onnx`.
    pub entry: String,
    /// Where it runs: what `entry` is relative to.
    pub folder: PathBuf,
    /// How long it may take to load.
    pub start: Duration,
    /// It is taken for hung when it says nothing for this long.
    pub silence: Duration,
    /// The pipeline that is offered to the server, so that jobs can name it.
    pub pipeline: PipelineSpec,
}

impl SessionWork {
    /// Work with the usual patience.
    #[must_use]
    pub fn new(
        host: Vec<OsString>,
        entry: impl Into<String>,
        folder: PathBuf,
        pipeline: PipelineSpec,
    ) -> SessionWork {
        SessionWork {
            name: pipeline.name.clone(),
            host,
            entry: entry.into(),
            folder,
            start: limits::SESSION_START.to_std(),
            silence: limits::SESSION_SILENCE.to_std(),
            pipeline,
        }
    }

    /// What a session of it books of the CPUs, in thousandths.
    pub(crate) fn cpus(&self) -> MilliCpus {
        let booked = |stage: &StageSpec| stage.resources.cpus;
        self.pipeline.stages.iter().map(booked).max().unwrap_or(0)
    }
}
