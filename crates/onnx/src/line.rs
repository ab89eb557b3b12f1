//! The socket to the worker: frames out, by any thread, and frames in, by one.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use gristmill_model::host::{FromHost, ToHost};
use gristmill_model::limits;

use crate::OnnxError;

/// The way out.
pub(crate) struct Line {
    stream: Mutex<UnixStream>,
}

/// Why a frame did not go out.
pub(crate) enum NotSent {
    /// It is larger than a frame may be, and nothing of it was sent.
    TooLarge(usize),
    /// Nobody listens any more.
    Broken(io::Error),
}

impl Line {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream: Mutex::new(stream) }
    }

    pub(crate) fn send(&self, frame: &FromHost) -> Result<(), NotSent> {
        let mut bytes = vec![0; 4];
        rmp_serde::encode::write_named(&mut bytes, frame)
            .map_err(|error| NotSent::Broken(io::Error::other(error)))?;
        let length = bytes.len() - 4;
        if length > limits::HOST_FRAME_BYTES {
            return Err(NotSent::TooLarge(length));
        }
        bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
        // One write for a whole frame: those of two threads must not mix.
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&bytes).map_err(NotSent::Broken)
    }
}

impl From<NotSent> for OnnxError {
    fn from(not_sent: NotSent) -> Self {
        match not_sent {
            NotSent::TooLarge(bytes) => Self::io(
                "sending to the worker",
                io::Error::other(format!("a frame of {bytes} bytes")),
            ),
            NotSent::Broken(error) => Self::io("sending to the worker", error),
        }
    }
}

/// The next frame; nothing where the socket was closed between two.
pub(crate) fn receive(stream: &mut UnixStream) -> Result<Option<ToHost>, OnnxError> {
    let broken = |error| OnnxError::io("reading from the worker", error);
    let mut length = [0; 4];
    if stream.read(&mut length[..1]).map_err(broken)? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).map_err(broken)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > limits::HOST_FRAME_BYTES {
        let what = format!("a frame of {length} bytes, {} at most", limits::HOST_FRAME_BYTES);
        return Err(OnnxError::Protocol { what });
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).map_err(broken)?;
    rmp_serde::from_slice(&bytes)
        .map(Some)
        .map_err(|error| OnnxError::Protocol { what: format!("a frame that is none: {error}") })
}
