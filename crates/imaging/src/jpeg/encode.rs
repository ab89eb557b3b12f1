//! Encoding a JPEG: baseline, colours at 4:2:0.

use crate::error::ImageError;
use crate::jpeg::{Compressor, profile};
use crate::picture::Picture;
use crate::pool::Pool;

/// The longest side libjpeg writes (JPEG_MAX_DIMENSION in `jmorecfg.h`).
const MAX_SIDE: u32 = 65_500;

/// Writes a gray, RGB or 4:2:0 picture, with a colour profile of at most `MAX_PROFILE` bytes.
///
/// # Errors
/// A side over libjpeg's bound, or an output buffer over the memory bound.
pub fn encode(
    compressor: &mut Compressor,
    picture: &Picture,
    quality: u8,
    colours: Option<&[u8]>,
    pool: &mut Pool,
) -> Result<Vec<u8>, ImageError> {
    let (width, height) = (picture.width(), picture.height());
    if width.max(height) > MAX_SIDE {
        return Err(ImageError::unsupported(format!(
            "a JPEG of {width}x{height} pixels; a side has at most {MAX_SIDE}"
        )));
    }
    let mut out = pool.take(Compressor::bound(width, height))?;
    let written = compressor.encode(picture, quality, &mut out);
    let bytes = written.map(|length| match colours {
        Some(colours) => profile::insert(&out[..length], colours),
        None => out[..length].to_vec(),
    });
    pool.give(out);
    bytes.map_err(|complaint| ImageError::codec(complaint.message))
}
