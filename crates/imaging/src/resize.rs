//! Resampling, plane by plane, by the `fast_image_resize` crate.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::error::ImageError;
use crate::operation::Filter;
use crate::orientation::Window;
use crate::picture::{Layout, Picture};
use crate::pool::Pool;

/// The resizer's own scratch above this is freed after its image, as in the pool.
const KEEP_BYTES: usize = 64 << 20;

/// Resamples `window` of `from` to `size`. Planes come out as 4:2:0, whatever they were: that is
/// what the encoder writes, and the chroma is resampled anyway.
///
/// # Errors
/// [`ImageError::TooLarge`] when source, result and scratch together are over the memory bound.
pub fn resize(
    from: Picture,
    window: Window,
    size: (u32, u32),
    filter: Filter,
    resizer: &mut Resizer,
    pool: &mut Pool,
) -> Result<Picture, ImageError> {
    let (layout, h, v) = match from.layout {
        Layout::Yuv { h, v } => (Layout::Yuv { h: 2, v: 2 }, f64::from(h), f64::from(v)),
        packed => (packed, 1.0, 1.0),
    };
    let mut to = Picture::new(layout, size.0, size.1, pool)?;
    // The resizer's scratch: one pass done in one direction, and a premultiplied copy.
    let scratch = from.width() as usize * size.1 as usize
        + if layout.has_alpha() { from.width() as usize * from.height() as usize } else { 0 };
    pool.check(scratch.saturating_mul(layout.channels()))?;
    for index in 0..from.planes().len() {
        let window = if index == 0 { window } else { window.divided(h, v) };
        match layout.channels() {
            1 => resize_plane::<U8>(&from, &mut to, index, window, filter, resizer)?,
            2 => resize_plane::<U8x2>(&from, &mut to, index, window, filter, resizer)?,
            3 => resize_plane::<U8x3>(&from, &mut to, index, window, filter, resizer)?,
            _ => resize_plane::<U8x4>(&from, &mut to, index, window, filter, resizer)?,
        }
    }
    if resizer.size_of_internal_buffers() > KEEP_BYTES {
        resizer.reset_internal_buffers();
    }
    pool.give(from.pixels);
    Ok(to)
}

fn resize_plane<P: PixelTrait>(
    from: &Picture,
    to: &mut Picture,
    index: usize,
    window: Window,
    filter: Filter,
    resizer: &mut Resizer,
) -> Result<(), ImageError> {
    let plane = from.planes[index];
    let source = TypedImageRef::<P>::from_buffer(plane.full.0, plane.full.1, from.plane(index))
        .map_err(ImageError::codec)?;
    let source = TypedCroppedImage::new(source, plane.x, plane.y, plane.width, plane.height)
        .map_err(ImageError::codec)?;
    let (width, height) = to.planes[index].full;
    let mut target = TypedImage::<P>::from_buffer(width, height, to.plane_mut(index))
        .map_err(ImageError::codec)?;
    // Turning and dividing a window rounds: keep its far edge inside.
    let x = window.x.max(0.0);
    let y = window.y.max(0.0);
    let options = ResizeOptions::new().resize_alg(algorithm(filter)).crop(
        x,
        y,
        window.width.min(f64::from(plane.width) - x),
        window.height.min(f64::from(plane.height) - y),
    );
    resizer.resize_typed(&source, &mut target, &options).map_err(ImageError::codec)
}

fn algorithm(filter: Filter) -> ResizeAlg {
    match filter {
        Filter::Nearest => ResizeAlg::Nearest,
        Filter::Box => ResizeAlg::Convolution(FilterType::Box),
        Filter::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
        Filter::CatmullRom => ResizeAlg::Convolution(FilterType::CatmullRom),
        Filter::Lanczos3 => ResizeAlg::Convolution(FilterType::Lanczos3),
    }
}
