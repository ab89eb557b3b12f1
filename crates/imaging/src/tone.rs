//! Operations on single pixels: gray, threshold, laying transparency over white, CMYK to RGB.

use crate::error::ImageError;
use crate::operation::Threshold;
use crate::picture::{Layout, Picture};
use crate::pool::Pool;

/// Luma by ITU-R BT.601 in 16-bit fixed point, the weights and rounding of JPEG's own conversion
/// (T.871), so that gray from RGB equals gray from a JPEG's luma plane.
fn luma(r: u8, g: u8, b: u8) -> u8 {
    ((19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + 32_768) >> 16) as u8
}

/// `value * part / 255`, rounded.
fn scaled(value: u8, part: u8) -> u8 {
    ((u32::from(value) * u32::from(part) + 127) / 255) as u8
}

/// A value of this opacity as it looks over white.
fn over_white(value: u8, alpha: u8) -> u8 {
    scaled(value, alpha) + (255 - alpha)
}

/// Turns a packed picture gray; its alpha stays. Gray pictures are given back as they are.
///
/// # Errors
/// [`ImageError::TooLarge`] when the result is over the memory bound.
pub fn gray(from: Picture, pool: &mut Pool) -> Result<Picture, ImageError> {
    match from.layout {
        Layout::Rgb => convert::<3, 1>(from, Layout::Gray, pool, |&[r, g, b]| [luma(r, g, b)]),
        Layout::Rgba => {
            convert::<4, 2>(from, Layout::GrayAlpha, pool, |&[r, g, b, a]| [luma(r, g, b), a])
        }
        Layout::Gray | Layout::GrayAlpha | Layout::Yuv { .. } => Ok(from),
    }
}

/// Lays a packed picture over white; without alpha it is given back as it is.
///
/// # Errors
/// [`ImageError::TooLarge`] when the result is over the memory bound.
pub fn flatten(from: Picture, pool: &mut Pool) -> Result<Picture, ImageError> {
    match from.layout {
        Layout::Rgba => convert::<4, 3>(from, Layout::Rgb, pool, |&[r, g, b, a]| {
            [over_white(r, a), over_white(g, a), over_white(b, a)]
        }),
        Layout::GrayAlpha => {
            convert::<2, 1>(from, Layout::Gray, pool, |&[y, a]| [over_white(y, a)])
        }
        Layout::Gray | Layout::Rgb | Layout::Yuv { .. } => Ok(from),
    }
}

/// Writes gray as RGB, for encoders that know no gray; other pictures are given back.
///
/// # Errors
/// [`ImageError::TooLarge`] when the result is over the memory bound.
pub fn colour(from: Picture, pool: &mut Pool) -> Result<Picture, ImageError> {
    match from.layout {
        Layout::Gray => convert::<1, 3>(from, Layout::Rgb, pool, |&[y]| [y; 3]),
        Layout::GrayAlpha => convert::<2, 4>(from, Layout::Rgba, pool, |&[y, a]| [y, y, y, a]),
        Layout::Rgb | Layout::Rgba | Layout::Yuv { .. } => Ok(from),
    }
}

/// Turns four inks, decoded into the layout of RGBA, into RGB. `inverted` says that 255 means no
/// ink, which is how Adobe's programs write CMYK and what their marker in the file announces.
/// Without a colour profile this is the plain reading that viewers share: each colour is what its
/// ink and black let through.
///
/// # Errors
/// [`ImageError::TooLarge`] when the result is over the memory bound.
pub fn cmyk(from: Picture, inverted: bool, pool: &mut Pool) -> Result<Picture, ImageError> {
    let flip = if inverted { 0 } else { 255 };
    convert::<4, 3>(from, Layout::Rgb, pool, |&[c, m, y, k]| {
        [c, m, y].map(|ink| scaled(ink ^ flip, k ^ flip))
    })
}

/// Parts a gray picture into black and white; a plane of alpha stays.
pub fn threshold(picture: &mut Picture, threshold: Threshold) {
    let level = match threshold {
        Threshold::Level(level) => level,
        Threshold::Otsu => otsu(&histogram(picture)),
    };
    let part = |luma: &mut u8| *luma = if *luma > level { 255 } else { 0 };
    // Pixels outside a crop are parted too: they are never read again.
    let step = picture.layout.channels();
    match step {
        1 => picture.plane_mut(0).iter_mut().for_each(part),
        _ => picture.plane_mut(0).iter_mut().step_by(step).for_each(part),
    }
}

fn histogram(picture: &Picture) -> [u64; 256] {
    let mut counts = [0; 256];
    for row in picture.rows(0) {
        for &luma in row.iter().step_by(picture.layout.channels()) {
            counts[usize::from(luma)] += 1;
        }
    }
    counts
}

/// The level with the largest variance between the two classes (Otsu 1979); the lowest of equals.
fn otsu(counts: &[u64; 256]) -> u8 {
    let total: u64 = counts.iter().sum();
    let sum: f64 = (0u32..).zip(counts).map(|(luma, &n)| f64::from(luma) * n as f64).sum();
    let (mut below, mut sum_below) = (0u64, 0.0);
    let (mut best, mut best_variance) = (0, -1.0);
    for (luma, &count) in (0u8..=255).zip(counts) {
        below += count;
        sum_below += f64::from(luma) * count as f64;
        let above = total - below;
        if below == 0 || above == 0 {
            continue;
        }
        let gap = sum_below / below as f64 - (sum - sum_below) / above as f64;
        let variance = below as f64 * above as f64 * gap * gap;
        if variance > best_variance {
            (best, best_variance) = (luma, variance);
        }
    }
    best
}

fn convert<const FROM: usize, const TO: usize>(
    from: Picture,
    layout: Layout,
    pool: &mut Pool,
    each: impl Fn(&[u8; FROM]) -> [u8; TO],
) -> Result<Picture, ImageError> {
    let mut to = Picture::new(layout, from.width(), from.height(), pool)?;
    let width = from.width() as usize * TO;
    for (source, target) in from.rows(0).zip(to.plane_mut(0).chunks_exact_mut(width)) {
        let (source, _) = source.as_chunks::<FROM>();
        let (target, _) = target.as_chunks_mut::<TO>();
        for (source, target) in source.iter().zip(target) {
            *target = each(source);
        }
    }
    pool.give(from.pixels);
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_and_black_keep_their_ends() {
        assert_eq!((luma(255, 255, 255), luma(0, 0, 0)), (255, 0));
        assert_eq!((luma(255, 0, 0), luma(0, 255, 0), luma(0, 0, 255)), (76, 150, 29));
        assert_eq!((over_white(10, 255), over_white(10, 0), over_white(0, 128)), (10, 255, 127));
    }

    #[test]
    fn otsu_parts_two_hills_and_survives_one_colour() {
        let mut counts = [0; 256];
        counts[40] = 100;
        counts[41] = 100;
        counts[200] = 50;
        assert_eq!(otsu(&counts), 41);
        let mut flat = [0; 256];
        flat[7] = 9;
        assert_eq!(otsu(&flat), 0);
    }
}
