//! Decoding a JPEG: in which form, at which size, and what to make of damaged data.

use crate::damage::{self, LEAST_SHARE};
use crate::error::ImageError;
use crate::jpeg::Decompressor;
use crate::jpeg::markers::Markers;
use crate::jpeg::turbo::{Colours, Complaint, Opened};
use crate::orientation::Window;
use crate::picture::{Layout, Picture};
use crate::plan::{Plan, Step};
use crate::pool::Pool;
use crate::tone;

/// Decodes for a plan, and fits the plan to what was decoded: a picture that was shrunk by the
/// decoder has a smaller window to resize. `planar` says that the output can take planes.
///
/// A JPEG that decodes with complaints is a picture, with a warning, if at least a tenth of its
/// rows came out of the data; the missing rest is gray, as viewers show it.
///
/// # Errors
/// Truncated or damaged beyond that; over the memory bound; samples wider than 8 bits.
pub fn decode(
    decompressor: &mut Decompressor,
    data: &[u8],
    markers: &Markers,
    plan: &mut Plan,
    (planar, fast): (bool, bool),
    pool: &mut Pool,
    warnings: &mut Vec<String>,
) -> Result<Picture, ImageError> {
    let mut opened =
        decompressor.open(data).map_err(|complaint| ImageError::damaged(complaint.message))?;
    let header = opened.header;
    if header.size != markers.size {
        return Err(ImageError::damaged("it declares two different sizes"));
    }
    if header.precision > 8 {
        return Err(ImageError::unsupported(format!(
            "JPEG with {} bits a sample",
            header.precision
        )));
    }
    let layout = match header.colours {
        Colours::Gray => Layout::Gray,
        Colours::Cmyk => Layout::Rgba,
        Colours::Yuv(Some((h, v))) if planar && plan.fits_planes(header.size, h, v) => {
            plan.wants(Layout::Yuv { h, v })
        }
        Colours::Yuv(_) | Colours::Rgb => plan.wants(Layout::Rgb),
    };
    let shrink = if header.lossless { 1 } else { plan.decode_shrink(fast) };
    let (width, height) = opened.size(shrink);
    let mut picture = Picture::new(layout, width, height, pool)?;
    if header.progressive {
        // Two bytes for each coefficient of up to three full planes, while decoding.
        let pixels = header.size.0 as usize * header.size.1 as usize;
        pool.check(pixels.saturating_mul(6))?;
    }
    fill_from(&mut opened, &mut picture, shrink, data, markers, pool, warnings)?;
    if shrink > 1 {
        shrink_first_window(plan, shrink);
    }
    if header.colours == Colours::Cmyk {
        picture = tone::cmyk(picture, markers.adobe, pool)?;
    }
    if plan.luma { tone::gray(picture, pool) } else { Ok(picture) }
}

fn shrink_first_window(plan: &mut Plan, shrink: u32) {
    if let Some(Step::Resize { window, .. }) = plan.steps.first_mut() {
        let by = f64::from(shrink);
        *window = Window::divided(*window, by, by);
    }
}

fn fill_from(
    opened: &mut Opened<'_>,
    picture: &mut Picture,
    shrink: u32,
    data: &[u8],
    markers: &Markers,
    pool: &Pool,
    warnings: &mut Vec<String>,
) -> Result<(), ImageError> {
    let megabytes = u32::try_from(pool.room() >> 20).unwrap_or(u32::MAX);
    let Err(complaint) = opened.decode(picture, shrink, megabytes) else { return Ok(()) };
    damage::wipe(picture);
    let _ = opened.decode(picture, shrink, megabytes);
    let share = damage::decoded_share(picture);
    // An image's end marker may be followed by anything, and its thumbnail has one too.
    let whole = data[markers.scan..].windows(2).any(|pair| pair == [0xff, 0xd9]);
    judge(&complaint, share, whole).map(|warning| warnings.push(warning))
}

/// The warning for a JPEG that decoded with a complaint, or the error.
fn judge(complaint: &Complaint, share: f64, whole: bool) -> Result<String, ImageError> {
    let message = &complaint.message;
    let percent = (share * 100.0).floor();
    if complaint.warning && whole {
        return Ok(format!("the JPEG data are damaged ({message}); decoded as far as possible"));
    }
    if share < LEAST_SHARE {
        return Err(match whole {
            true => ImageError::damaged(message),
            false => ImageError::truncated(format!("only {percent} % of its rows can be decoded")),
        });
    }
    Ok(match whole {
        true => format!("the JPEG data are damaged ({message}); {percent} % of the rows decoded"),
        false => format!("the JPEG data end early; {percent} % of the rows decoded"),
    })
}
