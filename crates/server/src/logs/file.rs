//! One attempt's files: frames in, frames out, never more than the bounds. The caller is alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use gristmill_model::wire::Stream;
use gristmill_model::{Time, limits};

use super::{Captured, Piece};

/// A stream's byte and a length.
const HEADER: u64 = 5;
/// The stream's byte of a mark.
const MARK: u8 = 0;
/// The stream's byte of a time.
const TIME: u8 = 4;
/// A mark: a header and a position.
const MARK_BYTES: u64 = HEADER + 8;
/// Longer pieces are cut, so that a frame always fits into a tail.
const FRAME: usize = 16 * 1024;

/// The files of one attempt.
pub(super) struct Files {
    head: PathBuf,
    tail: PathBuf,
    older: PathBuf,
}

impl Files {
    pub fn new(folder: &Path, name: &str) -> Files {
        Files {
            head: folder.join(name),
            tail: folder.join(format!("{name}.tail")),
            older: folder.join(format!("{name}.older")),
        }
    }

    /// Adds what came at one time, in as many frames as it takes.
    pub fn append(&self, at: Time, said: &[(Stream, Vec<u8>)]) -> io::Result<()> {
        let mut head = open(&self.head)?;
        self.keep(&mut head, &frame(TIME, &at.0.to_le_bytes()))?;
        for (stream, bytes) in said {
            for piece in bytes.chunks(FRAME) {
                self.keep(&mut head, &frame(byte_of(*stream), piece))?;
            }
        }
        Ok(())
    }

    fn keep(&self, head: &mut File, frame: &[u8]) -> io::Result<()> {
        let kept = head.metadata()?.len();
        // The longest frame decides, not this one: once the tail has begun, a short frame must not
        // slip back into the head.
        if kept + HEADER + FRAME as u64 <= limits::LOG_BYTES {
            return add(head, kept, frame);
        }
        self.append_to_tail(kept, frame)
    }

    fn append_to_tail(&self, head: u64, frame: &[u8]) -> io::Result<()> {
        let mut tail = open(&self.tail)?;
        let mut kept = tail.metadata()?.len();
        if kept < MARK_BYTES {
            tail.set_len(0)?;
            kept = begin(&mut tail, head)?;
        } else if kept + frame.len() as u64 > limits::LOG_TAIL_BYTES as u64 {
            let end = mark(&mut tail)?.saturating_add(kept - MARK_BYTES);
            fs::rename(&self.tail, &self.older)?;
            tail = open(&self.tail)?;
            kept = begin(&mut tail, end)?;
        }
        add(&mut tail, kept, frame)
    }

    /// All that is kept after a position.
    pub fn read(&self, after: u64) -> io::Result<Captured> {
        let mut captured = Captured { pieces: Vec::new(), next: after };
        let mut place = Place::default();
        for path in [&self.head, &self.older, &self.tail] {
            let mut bytes = Vec::new();
            match File::open(path) {
                Ok(mut file) => file.read_to_end(&mut bytes)?,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            gather(&bytes, &mut place, after, &mut captured);
        }
        Ok(captured)
    }
}

/// How far the files were read.
#[derive(Default)]
struct Place {
    position: u64,
    /// When what follows came; not known after a gap.
    at: Option<Time>,
}

/// Adds the frames of one file that begin at `after` or later. A frame that is cut, as a power cut
/// may leave it, ends the file; what later files hold is still found.
fn gather(mut bytes: &[u8], place: &mut Place, after: u64, captured: &mut Captured) {
    while let Some((stream, piece, rest)) = next_frame(bytes) {
        bytes = rest;
        if stream == MARK {
            let start = piece.try_into().map_or(place.position, u64::from_le_bytes);
            if start > place.position {
                *place = Place { position: start, at: None };
            }
            continue;
        }
        let said = stream_of(stream);
        if said.is_none() && stream != TIME {
            return;
        }
        // Positions come from the disk: a damaged one must not overflow.
        let end = place.position.saturating_add(HEADER + piece.len() as u64);
        if place.position >= after {
            let skipped = place.position - captured.next.min(place.position);
            if skipped > 0 {
                captured.pieces.push(Piece::Skipped { bytes: skipped });
            }
            captured.next = end;
        }
        match said {
            None => place.at = piece.try_into().ok().map(u64::from_le_bytes).map(Time),
            Some(stream) if place.position >= after => {
                let (bytes, at) = (piece.to_vec(), place.at);
                captured.pieces.push(Piece::Said { stream, bytes, at });
            }
            Some(_) => {}
        }
        place.position = end;
    }
}

fn next_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER as usize)?;
    let length = u32::from_le_bytes(header[1..].try_into().ok()?);
    let (piece, rest) = rest.split_at_checked(length as usize)?;
    Some((header[0], piece, rest))
}

fn frame(stream: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER as usize + bytes.len());
    frame.push(stream);
    frame.extend((bytes.len() as u32).to_le_bytes());
    frame.extend(bytes);
    frame
}

/// Writes a whole frame or none: a part of one would hide all that follows.
fn add(file: &mut File, kept: u64, frame: &[u8]) -> io::Result<()> {
    file.write_all(frame).inspect_err(|_| drop(file.set_len(kept)))
}

fn begin(tail: &mut File, position: u64) -> io::Result<u64> {
    add(tail, 0, &frame(MARK, &position.to_le_bytes()))?;
    Ok(MARK_BYTES)
}

/// The position with which a tail begins.
fn mark(tail: &mut File) -> io::Result<u64> {
    let mut bytes = [0; MARK_BYTES as usize];
    tail.read_exact(&mut bytes)?;
    match next_frame(&bytes) {
        Some((MARK, position, _)) => Ok(position.try_into().map_or(0, u64::from_le_bytes)),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "the tail does not begin with a mark")),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    match (options.open(path), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            options.open(path)
        }
        (opened, _) => opened,
    }
}

const fn byte_of(stream: Stream) -> u8 {
    match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
        Stream::Worker => 3,
    }
}

const fn stream_of(byte: u8) -> Option<Stream> {
    match byte {
        1 => Some(Stream::Stdout),
        2 => Some(Stream::Stderr),
        3 => Some(Stream::Worker),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn said() -> impl Strategy<Value = (u8, Vec<u8>)> {
        (1..=3_u8, vec(any::<u8>(), 0..20))
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_whatever_follows_it(
            said in vec(said(), 0..6),
            start in prop_oneof![Just(0), any::<u64>()],
            noise in vec(prop_oneof![0..5_u8, any::<u8>()], 0..40),
            after in prop_oneof![0..200_u64, any::<u64>()],
        ) {
            let mut bytes = frame(MARK, &start.to_le_bytes());
            bytes.extend(frame(TIME, &17_u64.to_le_bytes()));
            bytes.extend(said.iter().flat_map(|(stream, piece)| frame(*stream, piece)));
            let read = |bytes: &[u8], after| {
                let mut captured = Captured { pieces: Vec::new(), next: after };
                gather(bytes, &mut Place::default(), after, &mut captured);
                captured
            };
            let whole = read(&bytes, start);
            let pieces = said.iter().map(|(stream, bytes)| Piece::Said {
                stream: stream_of(*stream).unwrap(),
                bytes: bytes.clone(),
                at: Some(Time(17)),
            });
            prop_assert!(whole.pieces.iter().cloned().eq(pieces));
            bytes.extend(noise);
            let more = read(&bytes, start);
            prop_assert!(more.next >= whole.next && more.pieces.starts_with(&whole.pieces));
            prop_assert!(read(&bytes, after).next >= after);
        }
    }
}
