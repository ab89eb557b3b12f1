//! PNG, WebP, GIF, TIFF and BMP, through the `image` crate under our limits.

use std::io::{Cursor, ErrorKind};

use image::codecs::bmp::BmpEncoder;
use image::codecs::gif::GifEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::error::{ImageError as CodecError, ImageFormatHint};
use image::{ColorType, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader};

use crate::error::ImageError;
use crate::format::Format;
use crate::header;
use crate::limits::Limits;
use crate::orientation::Orientation;
use crate::picture::{Layout, Picture};
use crate::pool::Pool;
use crate::tone;

/// A picture in stored order, and how it wants to be turned. 16-bit and floating-point samples
/// are rounded to 8 bits; palettes and packed bits come out as the colours they stand for.
///
/// # Errors
/// Truncated, damaged, of a kind the decoder does not know, or over a limit.
pub fn decode(
    input: &[u8],
    format: Format,
    limits: &Limits,
    pool: &mut Pool,
) -> Result<(Picture, Orientation), ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(input), codec(format));
    reader.limits(decoder_limits(limits, limits.max_alloc_bytes));
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    header::check(width, height, limits)?;
    let orientation = decoder.orientation().map_or(Orientation::UPRIGHT, |orientation| {
        Orientation::from_exif(u16::from(orientation.to_exif()))
    });
    let colours = decoder.color_type();
    let layout = layout(colours)?;
    let mut picture = Picture::new(layout, width, height, pool)?;
    // What the decoder holds for itself comes on top of the picture.
    decoder.set_limits(decoder_limits(limits, pool.room())).map_err(failed)?;
    if colours.bytes_per_pixel() as usize == layout.channels() {
        decoder.read_image(picture.plane_mut(0)).map_err(failed)?;
        return Ok((picture, orientation));
    }
    let bytes = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    let mut wide = pool.take(bytes)?;
    decoder.read_image(&mut wide[..bytes]).map_err(failed)?;
    narrow(&wide[..bytes], colours, picture.plane_mut(0));
    pool.give(wide);
    Ok((picture, orientation))
}

/// Writes a packed picture.
///
/// # Errors
/// A size the format cannot express, or memory over the bound.
pub fn encode(
    picture: Picture,
    format: Format,
    pool: &mut Pool,
) -> Result<(Vec<u8>, Picture), ImageError> {
    let mut picture = picture.tight(pool)?;
    if format == Format::Gif || format == Format::Tiff && picture.layout == Layout::GrayAlpha {
        picture = tone::colour(picture, pool)?;
    }
    let (width, height) = (picture.width(), picture.height());
    let colours = match picture.layout {
        Layout::Gray => ExtendedColorType::L8,
        Layout::GrayAlpha => ExtendedColorType::La8,
        Layout::Rgba => ExtendedColorType::Rgba8,
        Layout::Rgb | Layout::Yuv { .. } => ExtendedColorType::Rgb8,
    };
    let pixels = picture.plane(0);
    // What the encoders hold at most: their output, about as large as the pixels.
    pool.check(pixels.len())?;
    let mut out = Vec::new();
    match format {
        Format::Png => {
            PngEncoder::new_with_quality(&mut out, CompressionType::Fast, FilterType::Adaptive)
                .write_image(pixels, width, height, colours)
        }
        Format::WebP => WebPEncoder::new_lossless(&mut out).encode(pixels, width, height, colours),
        Format::Gif => GifEncoder::new(&mut out).encode(pixels, width, height, colours),
        Format::Tiff => {
            TiffEncoder::new(Cursor::new(&mut out)).write_image(pixels, width, height, colours)
        }
        Format::Bmp => BmpEncoder::new(&mut out).encode(pixels, width, height, colours),
        Format::Jpeg => return Err(ImageError::codec("JPEG has its own encoder")),
    }
    .map_err(failed)?;
    Ok((out, picture))
}

fn decoder_limits(limits: &Limits, bytes: u64) -> image::Limits {
    let mut bounds = image::Limits::default();
    bounds.max_image_width = Some(limits.max_side);
    bounds.max_image_height = Some(limits.max_side);
    bounds.max_alloc = Some(bytes);
    bounds
}

fn codec(format: Format) -> ImageFormat {
    match format {
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Png => ImageFormat::Png,
        Format::WebP => ImageFormat::WebP,
        Format::Gif => ImageFormat::Gif,
        Format::Tiff => ImageFormat::Tiff,
        Format::Bmp => ImageFormat::Bmp,
    }
}

fn layout(colours: ColorType) -> Result<Layout, ImageError> {
    match colours {
        ColorType::L8 | ColorType::L16 => Ok(Layout::Gray),
        ColorType::La8 | ColorType::La16 => Ok(Layout::GrayAlpha),
        ColorType::Rgb8 | ColorType::Rgb16 | ColorType::Rgb32F => Ok(Layout::Rgb),
        ColorType::Rgba8 | ColorType::Rgba16 | ColorType::Rgba32F => Ok(Layout::Rgba),
        other => Err(ImageError::unsupported(format!("samples of type {other:?}"))),
    }
}

/// Rounds wide samples, in the machine's byte order as the `image` crate gives them, to 8 bits.
fn narrow(wide: &[u8], colours: ColorType, out: &mut [u8]) {
    match colours {
        ColorType::Rgb32F | ColorType::Rgba32F => {
            for (sample, narrow) in wide.as_chunks::<4>().0.iter().zip(out) {
                *narrow = (f32::from_ne_bytes(*sample).clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
        _ => {
            for (sample, narrow) in wide.as_chunks::<2>().0.iter().zip(out) {
                // 65535 / 255 = 257 exactly.
                *narrow = ((u32::from(u16::from_ne_bytes(*sample)) + 128) / 257) as u8;
            }
        }
    }
}

fn failed(error: CodecError) -> ImageError {
    match error {
        CodecError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            ImageError::truncated("it ends before the picture does")
        }
        CodecError::IoError(error) => ImageError::damaged(error.to_string()),
        CodecError::Decoding(error) => match error.format_hint() {
            ImageFormatHint::Unknown => ImageError::damaged(error.to_string()),
            _ => ImageError::damaged(innermost(&error)),
        },
        CodecError::Limits(error) => ImageError::TooLarge {
            what: format!("the memory its decoder needs ({error})"),
            bound: "the memory for one image".to_owned(),
        },
        CodecError::Unsupported(error) => ImageError::unsupported(error.to_string()),
        CodecError::Encoding(error) => ImageError::unsupported(error.to_string()),
        CodecError::Parameter(error) => ImageError::unsupported(error.to_string()),
    }
}

/// The cause at the bottom: the layers above repeat it with their own prefix.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
