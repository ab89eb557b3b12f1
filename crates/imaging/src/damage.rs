//! When a broken file still counts as a picture, and how much of it came out of the data.
//!
//! A decoder stops where the data break off and leaves the rest as it was. So a picture that failed
//! is decoded once more onto a clean sheet, and what the decoder reached is measured on it: nothing
//! of an earlier image is left, and only broken files pay for it.

use crate::picture::Picture;

/// The clean sheet: the gray that libjpeg leaves where data are missing (zero coefficients,
/// level-shifted).
pub const FILL: u8 = 128;

/// The least share of rows that must have been decoded for a broken file to count as a picture.
pub const LEAST_SHARE: f64 = 0.1;

/// Wipes a picture before it is decoded again.
pub fn wipe(picture: &mut Picture) {
    for index in 0..picture.planes().len() {
        picture.plane_mut(index).fill(FILL);
    }
}

/// The number of rows at the bottom that nothing was decoded into.
pub fn missing_rows(picture: &Picture) -> usize {
    let width = picture.planes[0].full.0 as usize * picture.layout.channels();
    let rows = picture.plane(0).chunks_exact(width).take(picture.height() as usize);
    rows.rev().take_while(|row| row.iter().all(|&sample| sample == FILL)).count()
}

/// The share of rows above those.
pub fn decoded_share(picture: &Picture) -> f64 {
    1.0 - missing_rows(picture) as f64 / f64::from(picture.height())
}
