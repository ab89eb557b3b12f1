//! The marker segments of a JPEG up to its first scan (ITU-T T.81, annex B), read without
//! allocating: size, orientation, whose CMYK it is, whether a colour profile is there, where the
//! picture's data begin.

use crate::error::ImageError;
use crate::exif;
use crate::jpeg::profile;
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
    /// Whether the picture has four colours, which nobody takes for anything but CMYK.
    pub four_inks: bool,
    /// Whether there is a part of a colour profile.
    pub profile: bool,
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
        let mut frame = None;
        let mut orientation = None;
        let (mut adobe, mut profile) = (false, false);
        let mut at = 2;
        while let Some(segment) = Segment::next(data, at) {
            at = segment.end;
            match segment.marker {
                // Every frame header but DHT, JPG and DAC, which share the range.
                0xc0..=0xcf if !matches!(segment.marker, 0xc4 | 0xc8 | 0xcc) => {
                    frame = frame.or(Frame::read(segment.body));
                }
                0xe1 => {
                    let exif = segment.body.strip_prefix(b"Exif\0\0").map(exif::orientation);
                    orientation = orientation.or(exif);
                }
                0xe2 => profile |= profile::is_part(segment.marker, segment.body),
                0xee => adobe |= segment.body.starts_with(b"Adobe"),
                0xda if at < data.len() => {
                    let frame = frame.ok_or_else(|| ImageError::damaged("no frame header"))?;
                    return Ok(Self {
                        size: frame.size,
                        orientation: orientation.unwrap_or(Orientation::UPRIGHT),
                        adobe,
                        four_inks: frame.colours == 4,
                        profile,
                        scan: at,
                    });
                }
                0xd9 => return Err(ImageError::damaged("it ends without a picture")),
                _ => {}
            }
        }
        Err(ImageError::truncated("it ends before the picture's data"))
    }
}

/// A frame header: sample precision, height, width, number of colours.
struct Frame {
    size: (u32, u32),
    colours: u8,
}

impl Frame {
    fn read(body: &[u8]) -> Option<Self> {
        let [_, h1, h0, w1, w0, colours, ..] = *body else { return None };
        let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
        Some(Self { size: (side(w1, w0), side(h1, h0)), colours })
    }
}

/// One marker segment.
pub struct Segment<'a> {
    /// The second byte of its marker.
    pub marker: u8,
    /// What follows its length.
    pub body: &'a [u8],
    /// Where the next one may begin.
    pub end: usize,
}

impl<'a> Segment<'a> {
    /// The next segment at or after `at`; bytes before its marker are skipped, as decoders do.
    pub fn next(data: &'a [u8], mut at: usize) -> Option<Self> {
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
