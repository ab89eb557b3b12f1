//! PNG, WebP, GIF, TIFF and BMP, through the `image` crate under our limits.

use std::borrow::Cow;
use std::io::{Cursor, ErrorKind};

use image::codecs::bmp::BmpEncoder;
use image::codecs::gif::GifEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::error::{ImageError as CodecError, ImageFormatHint};
use image::{ColorType, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader};

use crate::damage::{self, LEAST_SHARE};
use crate::error::ImageError;
use crate::format::Format;
use crate::header;
use crate::icc::Found;
use crate::limits::Limits;
use crate::orientation::Orientation;
use crate::picture::{Layout, Picture};
use crate::pool::Pool;
use crate::{tiff, tone, webp};

/// What a file holds.
pub struct Decoded<'a> {
    /// The pixels in stored order.
    pub picture: Picture,
    /// How they want to be turned.
    pub orientation: Orientation,
    /// Their colour profile, as it was found. The one of a CMYK picture is not looked for: it does
    /// not fit the colours that picture is decoded to.
    pub profile: Found<'a>,
}

/// Reads a picture. 16-bit and floating-point samples are rounded to 8 bits; palettes and packed
/// bits come out as the colours they stand for. A PNG that breaks off is a picture, with a warning,
/// if at least a tenth of its rows came out of the data; the missing rest is transparent, or gray.
///
/// # Errors
/// Truncated, damaged, of a kind the decoder does not know, or over a limit.
pub fn decode<'a>(
    input: &'a [u8],
    format: Format,
    limits: &Limits,
    pool: &mut Pool,
    warnings: &mut Vec<String>,
) -> Result<Decoded<'a>, ImageError> {
    let mut decoder = decoder(input, format, limits)?;
    let (width, height) = decoder.dimensions();
    header::check(width, height, limits)?;
    let orientation = match format {
        Format::WebP => webp::orientation(input),
        _ => decoder.orientation().map_or(Orientation::UPRIGHT, |orientation| {
            Orientation::from_exif(u16::from(orientation.to_exif()))
        }),
    };
    let profile = profile(input, format, &mut decoder);
    let colours = decoder.color_type();
    let layout = layout(colours)?;
    let mut picture = Picture::new(layout, width, height, pool)?;
    // What the decoder holds for itself comes on top of the picture.
    decoder.set_limits(decoder_limits(limits, pool.room())).map_err(failed)?;
    if colours.bytes_per_pixel() as usize == layout.channels() {
        if let Err(error) = decoder.read_image(picture.plane_mut(0)).map_err(failed) {
            warnings.push(rescue(input, format, limits, error, &mut picture)?);
        }
        return Ok(Decoded { picture, orientation, profile });
    }
    let bytes = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    let mut wide = pool.take(bytes)?;
    decoder.read_image(&mut wide[..bytes]).map_err(failed)?;
    narrow(&wide[..bytes], colours, picture.plane_mut(0));
    pool.give(wide);
    Ok(Decoded { picture, orientation, profile })
}

fn decoder<'a>(
    input: &'a [u8],
    format: Format,
    limits: &Limits,
) -> Result<impl ImageDecoder + 'a, ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(input), codec(format));
    let most = match format {
        Format::Png => png_bytes(input, limits),
        _ => u64::MAX,
    };
    reader.limits(decoder_limits(limits, limits.max_alloc_bytes.min(most)));
    reader.into_decoder().map_err(failed)
}

/// Makes what there is of a PNG that could not be read to its end, and gives the warning for it.
/// Any other failure stays what it is: an interlaced PNG has holes until its last pass, and other
/// formats' decoders do not promise what they leave behind.
fn rescue(
    input: &[u8],
    format: Format,
    limits: &Limits,
    error: ImageError,
    picture: &mut Picture,
) -> Result<String, ImageError> {
    /// Offset of the interlace method in the header chunk.
    const INTERLACE: usize = 28;
    let end = match &error {
        ImageError::Truncated { .. } => "end early".to_owned(),
        ImageError::Damaged { what } => format!("are damaged ({what})"),
        _ => return Err(error),
    };
    if format != Format::Png || input.get(INTERLACE) != Some(&0) {
        return Err(error);
    }
    damage::wipe(picture);
    let _ = decoder(input, format, limits)?.read_image(picture.plane_mut(0));
    let (share, missing) = (damage::decoded_share(picture), damage::missing_rows(picture));
    if share < LEAST_SHARE {
        return Err(error);
    }
    if matches!(picture.layout, Layout::GrayAlpha | Layout::Rgba) {
        let bytes = missing * picture.width() as usize * picture.layout.channels();
        let pixels = picture.plane_mut(0);
        let start = pixels.len() - bytes;
        pixels[start..].fill(0);
    }
    Ok(format!("the PNG data {end}; {} % of the rows decoded", (share * 100.0).floor()))
}

fn profile<'a>(input: &'a [u8], format: Format, decoder: &mut impl ImageDecoder) -> Found<'a> {
    match format {
        Format::WebP => webp::profile(input),
        Format::Tiff => match decoder.original_color_type() {
            ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16 => None,
            _ => tiff::profile(input),
        },
        _ => {
            let held = decoder.icc_profile().ok().flatten().map(|bytes| Ok(Cow::Owned(bytes)));
            let lost = || Err("it is damaged or far too long".to_owned());
            held.or_else(|| (format == Format::Png && png_has_profile(input)).then(lost))
        }
    }
}

/// Whether a PNG has a profile before its pixels. The decoder skips one that it cannot inflate,
/// and does not tell.
fn png_has_profile(input: &[u8]) -> bool {
    let mut rest = input.get(8..).unwrap_or_default();
    while let Some((&[a, b, c, d, ref name @ ..], body)) = rest.split_first_chunk::<8>() {
        match name {
            b"iCCP" => return true,
            b"IDAT" => return false,
            _ => {}
        }
        // The body and its checksum.
        let length = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_add(4);
        rest = body.get(length..).unwrap_or_default();
    }
    false
}

/// What the PNG decoder may take for everything but pixels: one row, the other chunks (a buffer
/// that doubles, and a copy), and a profile, which a few KiB could else inflate to the whole bound.
fn png_bytes(input: &[u8], limits: &Limits) -> u64 {
    let known = 8 * u64::from(limits.max_side) + 3 * input.len() as u64;
    limits.max_profile_bytes.saturating_add(known)
}

/// Writes a packed picture, with a colour profile if the format has a place for it.
///
/// # Errors
/// A size the format cannot express, or memory over the bound.
pub fn encode(
    picture: Picture,
    format: Format,
    profile: Option<Vec<u8>>,
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
            let (effort, filter) = (CompressionType::Fast, FilterType::Adaptive);
            tagged(PngEncoder::new_with_quality(&mut out, effort, filter), profile)
                .write_image(pixels, width, height, colours)
        }
        Format::WebP => tagged(WebPEncoder::new_lossless(&mut out), profile)
            .write_image(pixels, width, height, colours),
        Format::Gif => GifEncoder::new(&mut out).encode(pixels, width, height, colours),
        Format::Tiff => tagged(TiffEncoder::new(Cursor::new(&mut out)), profile)
            .write_image(pixels, width, height, colours),
        Format::Bmp => BmpEncoder::new(&mut out).encode(pixels, width, height, colours),
        Format::Jpeg => return Err(ImageError::codec("JPEG has its own encoder")),
    }
    .map_err(failed)?;
    Ok((out, picture))
}

fn tagged<E: ImageEncoder>(mut encoder: E, profile: Option<Vec<u8>>) -> E {
    if let Some(profile) = profile {
        let set = encoder.set_icc_profile(profile);
        assert!(set.is_ok(), "an encoder that takes no profile was given one");
    }
    encoder
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
