//! The operations a recipe is made of. Their text forms are read in `parse`.

use serde::{Deserialize, Serialize};

/// One step of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// Change the number of pixels.
    Resize {
        /// Target width in pixels.
        width: u32,
        /// Target height in pixels.
        height: u32,
        /// What to do about a different aspect ratio.
        #[serde(default)]
        fit: Fit,
        /// How new pixels come from old ones.
        #[serde(default)]
        filter: Filter,
    },
    /// Keep the luma alone: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, as JPEG has it).
    Gray,
    /// Turn gray, then to black and white.
    Threshold(Threshold),
    /// Mirror.
    Flip(Flip),
    /// Turn clockwise.
    Rotate(Rotation),
    /// Keep a part.
    Crop(Crop),
}

impl Operation {
    /// A resize to exactly this size with the default filter.
    pub fn resize(size: Size) -> Self {
        Self::Resize {
            width: size.width,
            height: size.height,
            fit: Fit::default(),
            filter: Filter::default(),
        }
    }
}

/// A width and a height in pixels, written `512x384`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
}

/// What a resize does about a different aspect ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Stretch to exactly the target.
    #[default]
    Exact,
    /// Keep the aspect ratio, as large as fits inside the target; one side may be shorter.
    Contain,
    /// Keep the aspect ratio, fill the target, cut what sticks out evenly on both sides.
    Cover,
}

/// How a resize makes new pixels. All but [`Filter::Nearest`] widen with the shrink factor, so
/// that every source pixel counts and nothing aliases; they are not OpenCV's fixed kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The nearest source pixel.
    Nearest,
    /// Triangle of radius 1.
    #[default]
    Bilinear,
    /// Cubic convolution of radius 2 with a = -0.5: sharper than bilinear.
    CatmullRom,
    /// Windowed sinc of radius 3: the sharpest here, with faint halos.
    Lanczos3,
}

/// Where the line between black and white lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// Luma above this level becomes white (255), all else black (0).
    Level(u8),
    /// The level that parts the picture's histogram best (N. Otsu, "A threshold selection method
    /// from gray-level histograms", 1979).
    Otsu,
}

/// The direction in which a picture is mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flip {
    /// Left becomes right.
    Horizontal,
    /// Top becomes bottom.
    Vertical,
}

/// A clockwise turn; 90, 180 or 270 in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum Rotation {
    /// 90 degrees: the left side comes to the top.
    Quarter,
    /// 180 degrees.
    Half,
    /// 270 degrees: the right side comes to the top.
    ThreeQuarters,
}

impl Rotation {
    /// The turn in degrees clockwise.
    pub fn degrees(self) -> u16 {
        match self {
            Self::Quarter => 90,
            Self::Half => 180,
            Self::ThreeQuarters => 270,
        }
    }
}

/// A part of a picture, written `WxH+X+Y`: its size and the offset of its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// Pixels left of the part.
    #[serde(default)]
    pub x: u32,
    /// Pixels above the part.
    #[serde(default)]
    pub y: u32,
}
