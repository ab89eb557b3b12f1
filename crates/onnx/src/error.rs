//! Why a model could not be described or served: one enum, each case with a stable code.
//!
//! What goes wrong with one input of a call is no such error: it is a
//! [`HostError`](gristmill_model::host::HostError) and ends that item alone.

use std::path::PathBuf;

use gristmill_model::host::{HostError, HostErrorKind};
use thiserror::Error;

/// Why the host cannot go on, or not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// No library of ONNX Runtime was found, or none that can be used.
    #[error(
        "no usable ONNX Runtime: {reason}; `pip install onnxruntime` in an active virtual \
         environment, or name the library with `--onnx-runtime PATH`"
    )]
    RuntimeMissing {
        /// Where it was looked for, and what was wrong with what was found.
        reason: String,
    },
    /// The library is there but could not be started.
    #[error("ONNX Runtime could not be started: {reason}")]
    RuntimeFailed {
        /// In its own words.
        reason: String,
    },
    /// The model could not be loaded.
    #[error("{} could not be loaded: {}", path.display(), reason.message)]
    Load {
        /// The model's file.
        path: PathBuf,
        /// Why.
        reason: HostError,
    },
    /// The model is sound, but takes or gives what has no place in a job's input or result.
    #[error("not supported: {what}")]
    Unsupported {
        /// What it takes or gives.
        what: String,
    },
    /// It would not run where it was asked to.
    #[error("{what}")]
    NotOnDevice {
        /// Where it would run.
        what: String,
    },
    /// The worker said something that is not part of the contract.
    #[error("the worker does not keep to the contract: {what}")]
    Protocol {
        /// What it said.
        what: String,
    },
    /// The device failed while the host worked; nothing more can be run in this process.
    #[error("the device failed: {what}")]
    Device {
        /// In the runtime's words.
        what: String,
    },
    /// The socket, or another thing of the machine, failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl OnnxError {
    /// The error's stable name, for programs: it never changes between versions.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::RuntimeMissing { .. } => "onnx_runtime_missing",
            Self::RuntimeFailed { .. } => "onnx_runtime_failed",
            Self::Load { .. } => "model_load_failed",
            Self::Unsupported { .. } => "model_unsupported",
            Self::NotOnDevice { .. } => "not_on_device",
            Self::Protocol { .. } => "protocol",
            Self::Device { .. } => "device_failed",
            Self::Io { .. } => "io",
        }
    }

    /// What a worker is told of it in `failed`.
    #[must_use]
    pub fn for_worker(&self) -> HostError {
        let kind = match self {
            Self::Load { reason, .. } => reason.kind,
            // A package that is missing is no fault of the device's: others may well use it.
            Self::NotOnDevice { .. } => HostErrorKind::Failed,
            Self::Device { .. } => HostErrorKind::Device,
            _ => HostErrorKind::Failed,
        };
        HostError {
            kind,
            code: self.code().into(),
            message: self.to_string(),
            traceback: String::new(),
            fatal: true,
        }
    }

    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }
}
