//! The first directory of a TIFF structure (TIFF 6.0 section 2, and BigTIFF): what a TIFF file
//! declares about its picture, its colour profile, and the shape of every EXIF block.

use std::borrow::Cow;

use crate::error::ImageError;
use crate::icc::Found;

/// Entries looked at; real directories have a few dozen, and the `image` crate wants them sorted.
const MAX_ENTRIES: u64 = 4096;
/// Bytes the `tiff` crate takes for one value of an entry, whatever the value's type.
const VALUE_BYTES: u64 = 32;

const IMAGE_WIDTH: u16 = 256;
const IMAGE_LENGTH: u16 = 257;
const ICC_PROFILE: u16 = 34_675;

/// A TIFF structure from its byte-order mark on.
pub struct Block<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    big: bool,
}

/// One entry of a directory.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What it says something about.
    pub tag: u16,
    kind: u16,
    count: u64,
    /// Where its value, or the offset of its values, is kept.
    value: usize,
}

impl<'a> Block<'a> {
    /// The structure, if its first bytes are a TIFF's.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let big_endian = match bytes.get(..2)? {
            b"MM" => true,
            b"II" => false,
            _ => return None,
        };
        let mut block = Self { bytes, big_endian, big: false };
        block.big = match block.u16(2)? {
            42 => false,
            43 => true,
            _ => return None,
        };
        Some(block)
    }

    /// The entries of the first directory, as far as they are there.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let place = if self.big { self.u64(8) } else { self.u32(4).map(u64::from) };
        let start = place.and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX);
        let (count, first, size) = match self.big {
            true => (self.u64(start), start.saturating_add(8), 20),
            false => (self.u16(start).map(u64::from), start.saturating_add(2), 12),
        };
        (0..count.unwrap_or(0).min(MAX_ENTRIES) as usize)
            .map_while(move |index| self.entry(first.checked_add(index * size)?))
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let (count, value) = match self.big {
            true => (self.u64(at.checked_add(4)?)?, at.checked_add(12)?),
            false => (u64::from(self.u32(at.checked_add(4)?)?), at.checked_add(8)?),
        };
        Some(Entry { tag: self.u16(at)?, kind: self.u16(at.checked_add(2)?)?, count, value })
    }

    /// The single number an entry holds in itself; none for any other type.
    pub fn number(&self, entry: Entry) -> Option<u32> {
        match entry.kind {
            3 => self.u16(entry.value).map(u32::from),
            4 => self.u32(entry.value),
            16 => self.u64(entry.value).map(|value| value.try_into().unwrap_or(u32::MAX)),
            _ => None,
        }
    }

    /// The bytes an entry of that type points to. A few would lie in the entry itself; nobody asks
    /// for those.
    fn bytes(&self, entry: Entry) -> Option<&'a [u8]> {
        if !matches!(entry.kind, 1 | 7) {
            return None;
        }
        let place = if self.big { self.u64(entry.value)? } else { self.u32(entry.value)?.into() };
        self.bytes.get(usize::try_from(place).ok()?..)?.get(..usize::try_from(entry.count).ok()?)
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let two = self.bytes.get(at..)?.first_chunk().copied()?;
        Some(if self.big_endian { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let four = self.bytes.get(at..)?.first_chunk().copied()?;
        Some(if self.big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    }

    fn u64(&self, at: usize) -> Option<u64> {
        let eight = self.bytes.get(at..)?.first_chunk().copied()?;
        Some(if self.big_endian { u64::from_be_bytes(eight) } else { u64::from_le_bytes(eight) })
    }
}

/// The size of the picture in a TIFF file, once every entry's values are known to lie within the
/// file and its memory: the decoder makes room for as many as are declared before it reads them.
///
/// # Errors
/// [`ImageError::Truncated`] when there is no directory or no size in it, [`ImageError::Damaged`]
/// for values beyond the file, [`ImageError::TooLarge`] for more of them than may be held.
pub fn declared_size(file: &[u8], max_bytes: u64) -> Result<(u32, u32), ImageError> {
    let no_header = || ImageError::truncated("it ends within the TIFF header");
    let block = Block::new(file).ok_or_else(no_header)?;
    let (mut width, mut height) = (None, None);
    for entry in block.entries() {
        let tag = entry.tag;
        // Any type takes at least a byte for a value.
        if entry.count > file.len() as u64 {
            let what = format!("its tag {tag} declares {} values", entry.count);
            return Err(ImageError::damaged(what));
        }
        if entry.count.saturating_mul(VALUE_BYTES) > max_bytes {
            return Err(ImageError::TooLarge {
                what: format!("a TIFF tag of {} values", entry.count),
                bound: format!("{max_bytes} bytes for one image"),
            });
        }
        match tag {
            IMAGE_WIDTH => width = block.number(entry),
            IMAGE_LENGTH => height = block.number(entry),
            _ => {}
        }
    }
    width.zip(height).ok_or_else(no_header)
}

/// The colour profile of the picture in a TIFF file. Read here because the decoder takes 32 bytes
/// for each of it, and under limits gives up where those are more than the pixels are.
pub fn profile(file: &[u8]) -> Found<'_> {
    let block = Block::new(file)?;
    let entry = block.entries().find(|entry| entry.tag == ICC_PROFILE)?;
    let bytes = block.bytes(entry).map(Cow::Borrowed);
    Some(bytes.ok_or_else(|| "it does not lie within the file".to_owned()))
}
