//! Interleaved pixels, and planes that shrink a lot, through `fast_image_resize`: one direction at
//! a time.
//!
//! Given both directions at once, version 6.1.0 narrows its intermediate picture to what the first
//! and the last target column use, and reads beyond it when a column between uses more (a filter
//! whose outermost weight happens to be zero at the last column); our property tests found that.
//! With one direction it narrows nothing.

use fast_image_resize::images::{
    TypedCroppedImage, TypedCroppedImageMut, TypedImage, TypedImageRef,
};
use fast_image_resize::{FilterType, MulDiv, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::error::ImageError;
use crate::operation::Filter;
use crate::orientation::Window;
use crate::picture::{Picture, Plane};
use crate::pool::Pool;

/// Resamples a window of one plane into another, down and then across.
///
/// # Errors
/// [`ImageError::TooLarge`] when the picture between the two is over the memory bound.
pub fn resize_plane<P: PixelTrait>(
    (source, from): (&[u8], Plane),
    (target, to): (&mut [u8], Plane),
    window: Window,
    filter: Filter,
    resizer: &mut Resizer,
    pool: &mut Pool,
) -> Result<(), ImageError> {
    let stays =
        |start: f64, length: f64, target: u32| start.fract() == 0.0 && length == f64::from(target);
    let one_pass = filter == Filter::Nearest
        || stays(window.x, window.width, to.width)
        || stays(window.y, window.height, to.height);
    if one_pass {
        return pass::<P>((source, from), (target, to), window, filter, resizer);
    }
    let between = Plane::tight(from.width, to.height);
    let mut rows = pool.take(from.width as usize * to.height as usize * P::size())?;
    let down = Window { x: 0.0, width: f64::from(from.width), ..window };
    let across = Window { y: 0.0, height: f64::from(to.height), ..window };
    pass::<P>((source, from), (&mut rows, between), down, filter, resizer)?;
    pass::<P>((&rows, between), (target, to), across, filter, resizer)?;
    pool.give(rows);
    Ok(())
}

fn pass<P: PixelTrait>(
    (source, from): (&[u8], Plane),
    (target, to): (&mut [u8], Plane),
    window: Window,
    filter: Filter,
    resizer: &mut Resizer,
) -> Result<(), ImageError> {
    let source = view::<P>(source, from)?;
    let mut target = view_mut::<P>(target, to)?;
    let options = ResizeOptions::new().resize_alg(algorithm(filter)).use_alpha(false).crop(
        window.x,
        window.y,
        window.width,
        window.height,
    );
    resizer.resize_typed(&source, &mut target, &options).map_err(ImageError::codec)
}

/// A tight copy of a packed picture with its colours multiplied by its alpha, so that what cannot
/// be seen does not bleed into what can.
///
/// # Errors
/// [`ImageError::TooLarge`] when the copy is over the memory bound.
pub fn premultiplied<P: PixelTrait>(from: Picture, pool: &mut Pool) -> Result<Picture, ImageError> {
    let mut to = Picture::new(from.layout, from.width(), from.height(), pool)?;
    let plane = to.planes[0];
    let source = view::<P>(from.plane(0), from.planes[0])?;
    let mut target = view_mut::<P>(to.plane_mut(0), plane)?;
    MulDiv::new().multiply_alpha_typed(&source, &mut target).map_err(ImageError::codec)?;
    drop((source, target));
    pool.give(from.pixels);
    Ok(to)
}

/// Divides a packed picture's colours by its alpha again.
///
/// # Errors
/// None that a well-formed picture can cause.
pub fn divide_alpha<P: PixelTrait>(picture: &mut Picture) -> Result<(), ImageError> {
    let plane = picture.planes[0];
    let mut view = view_mut::<P>(picture.plane_mut(0), plane)?;
    MulDiv::new().divide_alpha_inplace_typed(&mut view).map_err(ImageError::codec)
}

fn view<P: PixelTrait>(
    bytes: &[u8],
    plane: Plane,
) -> Result<TypedCroppedImage<'_, TypedImageRef<'_, P>>, ImageError> {
    let whole =
        TypedImageRef::from_buffer(plane.full.0, plane.full.1, bytes).map_err(ImageError::codec)?;
    TypedCroppedImage::new(whole, plane.x, plane.y, plane.width, plane.height)
        .map_err(ImageError::codec)
}

fn view_mut<P: PixelTrait>(
    bytes: &mut [u8],
    plane: Plane,
) -> Result<TypedCroppedImageMut<'_, TypedImage<'_, P>>, ImageError> {
    let whole =
        TypedImage::from_buffer(plane.full.0, plane.full.1, bytes).map_err(ImageError::codec)?;
    TypedCroppedImageMut::new(whole, plane.x, plane.y, plane.width, plane.height)
        .map_err(ImageError::codec)
}

fn algorithm(filter: Filter) -> ResizeAlg {
    match filter {
        Filter::Nearest => ResizeAlg::Nearest,
        Filter::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
        Filter::CatmullRom => ResizeAlg::Convolution(FilterType::CatmullRom),
        Filter::Lanczos3 => ResizeAlg::Convolution(FilterType::Lanczos3),
    }
}
