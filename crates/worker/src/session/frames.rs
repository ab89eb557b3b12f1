//! Frames to and from a host, as `gristmill_model::host` states them: a length and a MessagePack
//! map.

use std::io;

use gristmill_model::host::{FromHost, ToHost};
use gristmill_model::limits::HOST_FRAME_BYTES;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// The worker's end of the socket.
#[derive(Debug)]
pub(super) struct Frames {
    reader: Reader,
    writer: BufWriter<OwnedWriteHalf>,
}

/// Reads frames in steps, so that reading may be given up and taken up again between any two.
#[derive(Debug)]
struct Reader {
    socket: BufReader<OwnedReadHalf>,
    /// What of the next frame has come, its length first.
    bytes: Vec<u8>,
}

/// Why a conversation with a host is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The socket closed or broke.
    #[error("its socket closed: {0}")]
    Closed(#[from] io::Error),
    /// A frame beyond the bound.
    #[error("it announced a frame of {0} bytes: at most {HOST_FRAME_BYTES}")]
    TooLong(usize),
    /// Bytes that are no frame.
    #[error("it said something that is no frame: {0}")]
    Malformed(#[from] rmp_serde::decode::Error),
}

const HEAD: usize = 4;

impl Frames {
    pub(super) fn new(socket: UnixStream) -> Frames {
        let (reader, writer) = socket.into_split();
        let reader = Reader { socket: BufReader::new(reader), bytes: Vec::new() };
        Frames { reader, writer: BufWriter::new(writer) }
    }

    /// Says something.
    pub(super) async fn say(&mut self, frame: &ToHost) -> Result<(), FrameError> {
        let bytes = rmp_serde::to_vec_named(frame)
            .map_err(|error| FrameError::Closed(io::Error::other(error)))?;
        let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= HOST_FRAME_BYTES);
        let length = length.ok_or(FrameError::TooLong(bytes.len()))?;
        self.writer.write_all(&length.to_le_bytes()).await?;
        self.writer.write_all(&bytes).await?;
        Ok(self.writer.flush().await?)
    }

    /// What the host says next. Nothing is lost where this is given up in between.
    pub(super) async fn hear(&mut self) -> Result<FromHost, FrameError> {
        self.reader.fill(HEAD).await?;
        let head: [u8; HEAD] = self.reader.bytes[..HEAD].try_into().expect("four were read");
        let length = u32::from_le_bytes(head) as usize;
        if length > HOST_FRAME_BYTES {
            return Err(FrameError::TooLong(length));
        }
        self.reader.fill(HEAD + length).await?;
        let frame = rmp_serde::from_slice(&self.reader.bytes[HEAD..]);
        self.reader.bytes.clear();
        Ok(frame?)
    }
}

impl Reader {
    async fn fill(&mut self, wanted: usize) -> io::Result<()> {
        while self.bytes.len() < wanted {
            // Grows with what comes, not with what was announced.
            let missing = (wanted - self.bytes.len()).min(64 * 1024) as u64;
            if (&mut self.socket).take(missing).read_buf(&mut self.bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}
