//! What a file says about itself, read by ourselves before any decoder allocates.
//!
//! Only the declared size is read, from the places the formats' specifications fix: PNG's IHDR
//! (W3C PNG 11.2.1), GIF's screen descriptor (GIF89a 18), WebP's first chunk (RFC 9649), BMP's
//! info header, JPEG's frame header (ITU-T T.81 B.2.2, in `jpeg::markers`), TIFF's first directory
//! (in `tiff`). What the decoder then makes of the same header is checked again (in `raster`).

use crate::error::ImageError;
use crate::format::Format;
use crate::jpeg::Markers;
use crate::limits::Limits;
use crate::tiff;

/// The format of the input, once its size is known to be within the limits.
///
/// # Errors
/// Empty, unknown, cut short within its header, or over a limit.
pub fn inspect(input: &[u8], limits: &Limits) -> Result<Format, ImageError> {
    if input.is_empty() {
        return Err(ImageError::Empty);
    }
    limits.check_input(input.len())?;
    let format = Format::from_content(input)
        .ok_or_else(|| ImageError::UnknownFormat { begins: first_bytes(input) })?;
    let (width, height) = match format {
        Format::Jpeg => Markers::read(input)?.size,
        Format::Png => declared(input, format, png)?,
        Format::WebP => declared(input, format, webp)?,
        Format::Gif => declared(input, format, gif)?,
        Format::Bmp => declared(input, format, bmp)?,
        Format::Tiff => tiff::declared_size(input, limits.max_alloc_bytes)?,
    };
    check(width, height, limits)?;
    Ok(format)
}

/// Refuses a declared size that is empty or over the limits.
///
/// # Errors
/// [`ImageError::Damaged`] or [`ImageError::TooLarge`].
pub fn check(width: u32, height: u32, limits: &Limits) -> Result<(), ImageError> {
    if width == 0 || height == 0 {
        return Err(ImageError::damaged(format!("it declares a size of {width}x{height}")));
    }
    limits.check_size("the image declares", width, height)
}

fn declared(
    input: &[u8],
    format: Format,
    read: fn(&[u8]) -> Option<(u32, u32)>,
) -> Result<(u32, u32), ImageError> {
    read(input).ok_or_else(|| ImageError::truncated(format!("it ends within the {format} header")))
}

fn png(input: &[u8]) -> Option<(u32, u32)> {
    Some((be32(input, 16)?, be32(input, 20)?))
}

fn gif(input: &[u8]) -> Option<(u32, u32)> {
    Some((le16(input, 6)?, le16(input, 8)?))
}

fn bmp(input: &[u8]) -> Option<(u32, u32)> {
    // The OS/2 header of 12 bytes has 16-bit sides; a negative height means rows from the top.
    match le32(input, 14)? {
        12 => Some((le16(input, 18)?, le16(input, 20)?)),
        _ => Some((le32(input, 18)?, le32(input, 22)?.cast_signed().unsigned_abs())),
    }
}

fn webp(input: &[u8]) -> Option<(u32, u32)> {
    match input.get(12..16)? {
        // 14 bits of size after the frame tag and start code; the upper two scale for display.
        b"VP8 " => Some((le16(input, 26)? & 0x3fff, le16(input, 28)? & 0x3fff)),
        b"VP8L" => {
            let bits = le32(input, 21)?;
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        // 24 bits each, less one. Also what any unknown first chunk is read as, to be refused by
        // the decoder.
        _ => Some(((le32(input, 24)? & 0xff_ffff) + 1, (le32(input, 26)? >> 8) + 1)),
    }
}

fn be32(input: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(input.get(at..at + 4)?.try_into().ok()?))
}

fn le32(input: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(input.get(at..at + 4)?.try_into().ok()?))
}

fn le16(input: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16::from_le_bytes(input.get(at..at + 2)?.try_into().ok()?)))
}

fn first_bytes(input: &[u8]) -> String {
    input.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
