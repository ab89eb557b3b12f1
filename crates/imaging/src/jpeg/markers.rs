//! The marker segments of a JPEG up to its first scan (ITU-T T.81, annex B), read without
//! allocating: size, orientation, whose CMYK it is, where the picture's data begin.

use crate::error::ImageError;
use crate::exif;
use crate::orientation::Orientation;

/// What the header says that libjpeg-turbo's own interface does not tell, or tells too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Markers {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// How the pixels want to be turned.
    pub orientation: Orientation,
    /// Whether an Adobe segment is there: its writer's CMYK is inverted.
    pub adobe: bool,
    /// Offset of the first scan's entropy-coded data.
    pub scan: usize,
}

impl Markers {
    /// Reads the segments from the start of the image to its first scan.
    ///
    /// # Errors
    /// [`ImageError::Truncated`] when the data end before the first scan has any.
    /// [`ImageError::Damaged`] when the first scan comes before any frame header.
    pub fn read(data: &[u8]) -> Result<Self, ImageError> {
        let mut size = None;
        let mut orientation = None;
        let mut adobe = false;
        let mut at = 2;
        while let Some(segment) = Segment::next(data, at) {
            at = segment.end;
            match segment.marker {
                // Every frame header but DHT, JPG and DAC, which share the range.
                0xc0..=0xcf if !matches!(segment.marker, 0xc4 | 0xc8 | 0xcc) => {
                    size = size.or(frame_size(segment.body));
                }
                0xe1 => {
                    let exif = segment.body.strip_prefix(b"Exif\0\0").map(exif::orientation);
                    orientation = orientation.or(exif);
                }
                0xee => adobe |= segment.body.starts_with(b"Adobe"),
                0xda if at < data.len() => {
                    let size = size.ok_or_else(|| ImageError::damaged("no frame header"))?;
                    let orientation = orientation.unwrap_or(Orientation::UPRIGHT);
                    return Ok(Self { size, orientation, adobe, scan: at });
                }
                0xd9 => return Err(ImageError::damaged("it ends without a picture")),
                _ => {}
            }
        }
        Err(ImageError::truncated("it ends before the picture's data"))
    }
}

/// The sides in a frame header; its body begins with the sample precision.
fn frame_size(body: &[u8]) -> Option<(u32, u32)> {
    let side =
        |at: usize| Some(u32::from(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?])));
    Some((side(3)?, side(1)?))
}

struct Segment<'a> {
    marker: u8,
    body: &'a [u8],
    end: usize,
}

impl<'a> Segment<'a> {
    /// The next segment at or after `at`; bytes before its marker are skipped, as decoders do.
    fn next(data: &'a [u8], mut at: usize) -> Option<Self> {
        loop {
            at += data.get(at..)?.iter().position(|&byte| byte == 0xff)?;
            at += data.get(at..)?.iter().position(|&byte| byte != 0xff)?;
            let marker = data[at];
            at += 1;
            match marker {
                // A stuffed zero, and the markers that stand alone.
                0x00 | 0x01 | 0xd0..=0xd8 => {}
                0xd9 => return Some(Self { marker, body: &[], end: at }),
                _ => {
                    let length =
                        usize::from(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]));
                    let end = at + length.max(2);
                    return Some(Self { marker, body: data.get(at + 2..end)?, end });
                }
            }
        }
    }
}
