//! The one EXIF tag that changes what a picture looks like: its orientation.
//!
//! Reads a TIFF-shaped EXIF block (CIPA DC-008, "Exif 2.32", 4.5.4 and 4.6.4.A) and nothing else
//! of it. Anything malformed means "upright": a broken tag is no reason to refuse a photo.

use crate::orientation::Orientation;
use crate::tiff::Block;

/// The tag's number, in the first directory.
const ORIENTATION: u16 = 0x0112;

/// The orientation an EXIF block declares. `exif` begins at the TIFF header, after `Exif\0\0`.
pub fn orientation(exif: &[u8]) -> Orientation {
    declared(exif).map_or(Orientation::UPRIGHT, Orientation::from_exif)
}

fn declared(exif: &[u8]) -> Option<u16> {
    let block = Block::new(exif)?;
    let entry = block.entries().find(|entry| entry.tag == ORIENTATION)?;
    u16::try_from(block.number(entry)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(big_endian: bool, value: u16) -> Vec<u8> {
        let short = |v: u16| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let long = |v: u32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
        let mut bytes = if big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        bytes.extend(short(42));
        bytes.extend(long(8));
        bytes.extend(short(1));
        bytes.extend(short(ORIENTATION));
        bytes.extend(short(3));
        bytes.extend(long(1));
        bytes.extend(short(value));
        bytes.extend([0; 6]);
        bytes
    }

    #[test]
    fn both_byte_orders_are_read() {
        for big_endian in [false, true] {
            assert_eq!(orientation(&block(big_endian, 6)), Orientation::from_exif(6));
        }
    }

    #[test]
    fn a_broken_block_means_upright() {
        let whole = block(false, 6);
        for end in 0..whole.len() - 6 {
            assert_eq!(orientation(&whole[..end]), Orientation::UPRIGHT, "cut at {end}");
        }
        assert_eq!(orientation(&block(true, 99)), Orientation::UPRIGHT);
        assert_eq!(orientation(b"II*\0\xff\xff\xff\xff"), Orientation::UPRIGHT);
    }
}
