//! Frames as bytes: MessagePack, as the contract in `model::wire` says.

use gristmill_model::limits;
use gristmill_model::wire::{FromWorker, ToWorker};

/// Why a frame cannot be sent or understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// Not a frame of this contract.
    #[error("the server sent a frame that this version does not understand: {0}")]
    NotUnderstood(#[from] rmp_serde::decode::Error),
    /// Not writable; a bug.
    #[error("a frame cannot be written: {0}")]
    NotWritable(#[from] rmp_serde::encode::Error),
    /// Beyond the bound of the contract.
    #[error("a frame of {0} bytes is over the limit of {max}", max = limits::FRAME_BYTES)]
    TooLong(usize),
}

pub(super) fn encode(frame: &FromWorker) -> Result<Vec<u8>, FrameError> {
    let bytes = rmp_serde::to_vec(frame)?;
    if bytes.len() > limits::FRAME_BYTES {
        return Err(FrameError::TooLong(bytes.len()));
    }
    Ok(bytes)
}

pub(super) fn decode(bytes: &[u8]) -> Result<ToWorker, FrameError> {
    Ok(rmp_serde::from_slice(bytes)?)
}
