//! Pictures made for tests, and measures of what came of them.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "clippy takes only functions marked as tests for tests")]

use std::io::Cursor;

use gristmill_imaging::{Format, ImageError, Limits, Operation, Processed, Recipe, Workspace};
use image::codecs::{png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder};
use image::{DynamicImage, ImageEncoder, ImageFormat, RgbImage};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

/// Processes with a fresh workspace and default limits.
pub fn process(input: &[u8], recipe: &Recipe) -> Result<Processed, ImageError> {
    gristmill_imaging::process(&mut Workspace::new(), input, recipe, &Limits::default())
}

/// Processes and expects a result.
pub fn done(input: &[u8], operations: &[Operation], format: Format) -> Processed {
    process(input, &recipe(operations, format)).unwrap()
}

pub fn recipe(operations: &[Operation], format: Format) -> Recipe {
    Recipe { operations: operations.to_vec(), format: Some(format), ..Recipe::default() }
}

/// A picture that varies as smoothly as a photo does: a few waves of each colour and faint grain.
pub fn photo(width: u32, height: u32) -> RgbImage {
    let mut state = 1u32;
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grain = f64::from(state >> 30);
        let light = 60.0 * (x / 61.0 + (y / 47.0).sin()).sin() + 30.0 * ((x + y) / 17.0).sin();
        let tint = 25.0 * (x / 83.0).cos() * (y / 71.0).sin();
        image::Rgb(
            [125.0 + light + tint, 120.0 + light, 115.0 + light - tint].map(|v| (v + grain) as u8),
        )
    })
}

pub fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

pub fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    encode(&image.into(), ImageFormat::Png)
}

/// Decodes a result by its own format, with decoders that are not under test for JPEG.
pub fn open(bytes: &[u8]) -> DynamicImage {
    image::load_from_memory(bytes).unwrap()
}

/// How to write a JPEG for a test.
#[derive(Clone, Copy)]
pub struct Jpeg {
    pub quality: i32,
    pub sampling: Subsamp,
    pub progressive: bool,
    pub arithmetic: bool,
}

impl Default for Jpeg {
    fn default() -> Self {
        Self { quality: 95, sampling: Subsamp::Sub2x2, progressive: false, arithmetic: false }
    }
}

impl Jpeg {
    pub fn encode(self, picture: &RgbImage) -> Vec<u8> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        self.pixels(picture.as_raw(), width, height, PixelFormat::RGB)
    }

    pub fn pixels(
        self,
        pixels: &[u8],
        width: usize,
        height: usize,
        format: PixelFormat,
    ) -> Vec<u8> {
        let mut compressor = Compressor::new().unwrap();
        compressor.set_quality(self.quality).unwrap();
        compressor.set_subsamp(self.sampling).unwrap();
        compressor.set_progressive(self.progressive).unwrap();
        compressor.set_arithmetic(self.arithmetic).unwrap();
        let pitch = width * format.size();
        compressor.compress_to_vec(Image { pixels, width, pitch, height, format }).unwrap()
    }
}

pub fn jpeg(picture: &RgbImage) -> Vec<u8> {
    Jpeg::default().encode(picture)
}

/// The JPEG with an EXIF block that declares this orientation.
pub fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    with_segment(jpeg, 0xe1, &exif)
}

/// The JPEG with one more segment after its first marker.
pub fn with_segment(jpeg: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, body, &jpeg[2..]].concat()
}

/// A profile's header for this kind of colours, and noise up to this length.
pub fn profile(space: &[u8; 4], length: usize) -> Vec<u8> {
    let mut state = 7u32;
    let mut bytes: Vec<u8> = (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    bytes[..4].copy_from_slice(&(length as u32).to_be_bytes());
    bytes[16..20].copy_from_slice(space);
    bytes[36..40].copy_from_slice(b"acsp");
    bytes
}

/// The picture with a profile, in a format whose encoder takes one.
pub fn tagged(picture: &DynamicImage, codec: ImageFormat, profile: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match codec {
        ImageFormat::Png => tag(PngEncoder::new(&mut out), picture, profile),
        ImageFormat::WebP => tag(WebPEncoder::new_lossless(&mut out), picture, profile),
        ImageFormat::Tiff => tag(TiffEncoder::new(Cursor::new(&mut out)), picture, profile),
        _ => out = tagged_jpeg(&encode(picture, codec), profile),
    }
    out
}

fn tag<E: ImageEncoder>(mut encoder: E, picture: &DynamicImage, profile: &[u8]) {
    encoder.set_icc_profile(profile.to_vec()).unwrap();
    let (width, height, colours) = (picture.width(), picture.height(), picture.color());
    encoder.write_image(picture.as_bytes(), width, height, colours.into()).unwrap();
}

/// The JPEG with a profile in as many parts as it needs.
pub fn tagged_jpeg(jpeg: &[u8], profile: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = profile.chunks(65_519).collect();
    let count = parts.len() as u8;
    // Each goes to the front.
    let numbered = (1..=count).zip(parts).rev();
    numbered.fold(jpeg.to_vec(), |jpeg, (number, part)| with_part(&jpeg, number, count, part))
}

/// The JPEG with one part of a profile before all others.
pub fn with_part(jpeg: &[u8], number: u8, count: u8, part: &[u8]) -> Vec<u8> {
    with_segment(jpeg, 0xe2, &[b"ICC_PROFILE\0", &[number, count][..], part].concat())
}

/// Peak signal to noise ratio in decibels.
pub fn psnr(one: &DynamicImage, other: &DynamicImage) -> f64 {
    let (one, other) = (one.to_rgb8(), other.to_rgb8());
    assert_eq!(one.dimensions(), other.dimensions());
    let squares: f64 =
        one.iter().zip(other.iter()).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    let mean = squares / one.as_raw().len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}
