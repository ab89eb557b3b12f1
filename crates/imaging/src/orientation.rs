//! The eight ways a picture can lie: flips, turns and EXIF orientations as one small group.
//!
//! Flips and turns are not carried out where a recipe names them: they are composed here, carried
//! past crops and resizes (which commute with them exactly, once their own coordinates are turned
//! back), and done in one pass on the finished, usually smaller picture.

use crate::operation::{Flip, Rotation};

/// Transpose (swap x and y) first, if set; then mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation {
    /// Rows become columns.
    pub transpose: bool,
    /// Left becomes right, after the transposition.
    pub mirror_x: bool,
    /// Top becomes bottom, after the transposition.
    pub mirror_y: bool,
}

/// A rectangle in pixels that may begin and end between pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Window {
    /// All of a picture.
    pub fn whole(width: u32, height: u32) -> Self {
        Self { x: 0.0, y: 0.0, width: f64::from(width), height: f64::from(height) }
    }

    /// The same window on a picture that is this many times smaller.
    pub fn divided(self, by_x: f64, by_y: f64) -> Self {
        Self {
            x: self.x / by_x,
            y: self.y / by_y,
            width: self.width / by_x,
            height: self.height / by_y,
        }
    }
}

impl Orientation {
    /// As it is.
    pub const UPRIGHT: Self = Self { transpose: false, mirror_x: false, mirror_y: false };

    const fn new(transpose: bool, mirror_x: bool, mirror_y: bool) -> Self {
        Self { transpose, mirror_x, mirror_y }
    }

    /// What an EXIF orientation (1 to 8) asks to be done; any other value asks for nothing.
    pub fn from_exif(value: u16) -> Self {
        match value {
            2 => Self::new(false, true, false),
            3 => Self::new(false, true, true),
            4 => Self::new(false, false, true),
            5 => Self::new(true, false, false),
            6 => Self::new(true, true, false),
            7 => Self::new(true, true, true),
            8 => Self::new(true, false, true),
            _ => Self::UPRIGHT,
        }
    }

    /// This, and then `next`.
    pub fn then(self, next: Self) -> Self {
        // A transposition that comes later swaps the mirrors that came before it.
        let (mirror_x, mirror_y) = match next.transpose {
            true => (self.mirror_y, self.mirror_x),
            false => (self.mirror_x, self.mirror_y),
        };
        Self {
            transpose: self.transpose != next.transpose,
            mirror_x: mirror_x != next.mirror_x,
            mirror_y: mirror_y != next.mirror_y,
        }
    }

    /// A size as it is after this orientation, and equally before it: the swap undoes itself.
    pub fn size(self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.transpose { (height, width) } else { (width, height) }
    }

    /// Where a window of the oriented picture, whose size is given, lies in the stored one.
    pub fn undo(self, window: Window, (width, height): (u32, u32)) -> Window {
        let mut found = window;
        if self.mirror_x {
            found.x = f64::from(width) - window.x - window.width;
        }
        if self.mirror_y {
            found.y = f64::from(height) - window.y - window.height;
        }
        if self.transpose {
            found = Window { x: found.y, y: found.x, width: found.height, height: found.width };
        }
        found
    }
}

impl From<Flip> for Orientation {
    fn from(flip: Flip) -> Self {
        match flip {
            Flip::Horizontal => Self::new(false, true, false),
            Flip::Vertical => Self::new(false, false, true),
        }
    }
}

impl From<Rotation> for Orientation {
    fn from(rotation: Rotation) -> Self {
        match rotation {
            Rotation::Quarter => Self::new(true, true, false),
            Rotation::Half => Self::new(false, true, true),
            Rotation::ThreeQuarters => Self::new(true, false, true),
        }
    }
}

/// Pixels on a side of the tiles a transposition walks: 32 of the widest pixel (4 bytes) keep
/// source and target tile together within the first-level cache.
const TILE: usize = 32;

/// Writes a plane of `N`-byte pixels as `orientation` asks. `from` has `from_stride` pixels a row,
/// of which `width` are the picture's; `to` is filled tightly.
pub fn orient<const N: usize>(
    orientation: Orientation,
    from: &[[u8; N]],
    from_stride: usize,
    (width, height): (usize, usize),
    to: &mut [[u8; N]],
) {
    let row = |y: usize| &from[y * from_stride..y * from_stride + width];
    if !orientation.transpose {
        for (y, target) in to.chunks_exact_mut(width).enumerate() {
            target.copy_from_slice(row(if orientation.mirror_y { height - 1 - y } else { y }));
            if orientation.mirror_x {
                target.reverse();
            }
        }
        return;
    }
    // The target is `height` wide and `width` high; its pixel (x, y) is the source's (y, x).
    let target_x = |y: usize| if orientation.mirror_x { height - 1 - y } else { y };
    let target_y = |x: usize| if orientation.mirror_y { width - 1 - x } else { x };
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            for y in top..(top + TILE).min(height) {
                let source = row(y);
                for (x, &pixel) in source.iter().enumerate().skip(left).take(TILE) {
                    to[target_y(x) * height + target_x(y)] = pixel;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [u16; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

    fn apply(orientation: Orientation, pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
        let (from, _) = pixels.as_chunks::<1>();
        let mut to = vec![[0]; pixels.len()];
        orient(orientation, from, width, (width, height), &mut to);
        to.concat()
    }

    #[test]
    fn each_exif_value_moves_pixels_as_the_standard_draws_it() {
        // 1 2 3
        // 4 5 6
        let stored = [1, 2, 3, 4, 5, 6];
        let drawn: [[u8; 6]; 8] = [
            [1, 2, 3, 4, 5, 6],
            [3, 2, 1, 6, 5, 4],
            [6, 5, 4, 3, 2, 1],
            [4, 5, 6, 1, 2, 3],
            [1, 4, 2, 5, 3, 6],
            [4, 1, 5, 2, 6, 3],
            [6, 3, 5, 2, 4, 1],
            [3, 6, 2, 5, 1, 4],
        ];
        for (value, expected) in ALL.into_iter().zip(drawn) {
            assert_eq!(apply(Orientation::from_exif(value), &stored, 3, 2), expected, "{value}");
        }
    }

    #[test]
    fn composing_is_the_same_as_doing_one_after_the_other() {
        let pixels: Vec<u8> = (0..35 * 41).map(|i| (i % 251) as u8).collect();
        for first in ALL.map(Orientation::from_exif) {
            let once = apply(first, &pixels, 35, 41);
            let (width, height) = first.size((35, 41));
            for second in ALL.map(Orientation::from_exif) {
                let twice = apply(second, &once, width as usize, height as usize);
                assert_eq!(apply(first.then(second), &pixels, 35, 41), twice);
            }
        }
    }

    #[test]
    fn a_window_is_found_again_in_the_stored_picture() {
        let pixels: Vec<u8> = (0..12).collect();
        for orientation in ALL.map(Orientation::from_exif) {
            let size @ (width, _) = orientation.size((4, 3));
            let shown = apply(orientation, &pixels, 4, 3);
            let corner = Window { x: 1.0, y: 2.0, width: 1.0, height: 1.0 };
            let found = orientation.undo(corner, size);
            let stored = pixels[found.y as usize * 4 + found.x as usize];
            assert_eq!(shown[2 * width as usize + 1], stored);
        }
    }
}
