//! Why a picture was not made: one enum, each case with a stable code.
//!
//! Messages are lower-case fragments that name the cause; the caller knows which file it was and
//! puts its name in front.

use thiserror::Error;

/// Why an image could not be processed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The input has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The first bytes belong to none of the formats read here.
    #[error("not a known image format; it begins with {begins}")]
    UnknownFormat {
        /// The first bytes in hexadecimal.
        begins: String,
    },
    /// The data end before there is a picture to show.
    #[error("the image is cut short: {what}")]
    Truncated {
        /// What is missing.
        what: String,
    },
    /// The data contradict their format.
    #[error("the image is damaged: {what}")]
    Damaged {
        /// The decoder's words.
        what: String,
    },
    /// A size, declared or needed, is over its bound.
    #[error("{what} is over the limit of {bound}")]
    TooLarge {
        /// The size, with its unit.
        what: String,
        /// The bound, with its unit.
        bound: String,
    },
    /// A valid image (or a wanted output) of a kind this program does not do.
    #[error("not supported: {what}")]
    Unsupported {
        /// The kind.
        what: String,
    },
    /// A crop reaches outside the picture as it is at that point of the recipe.
    #[error("the crop {crop} does not lie inside the {width}x{height} picture")]
    CropOutside {
        /// The crop as `WxH+X+Y`.
        crop: String,
        /// Width of the picture at that point, in pixels.
        width: u32,
        /// Height of the picture at that point, in pixels.
        height: u32,
    },
    /// The recipe itself cannot be followed, whatever the image.
    #[error("the recipe is not valid: {what}")]
    RecipeInvalid {
        /// What is wrong and what was expected.
        what: String,
    },
    /// A codec failed in a way that says nothing about the image: out of memory, or a bug.
    #[error("the codec failed: {what}")]
    Codec {
        /// The codec's words.
        what: String,
    },
}

impl ImageError {
    /// The error's stable name, for programs: it never changes between versions.
    ///
    /// ```
    /// assert_eq!(gristmill_imaging::ImageError::Empty.code(), "image_empty");
    /// ```
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "image_empty",
            Self::UnknownFormat { .. } => "image_unknown_format",
            Self::Truncated { .. } => "image_truncated",
            Self::Damaged { .. } => "image_damaged",
            Self::TooLarge { .. } => "image_too_large",
            Self::Unsupported { .. } => "image_unsupported",
            Self::CropOutside { .. } => "crop_outside",
            Self::RecipeInvalid { .. } => "recipe_invalid",
            Self::Codec { .. } => "image_codec_failed",
        }
    }

    pub(crate) fn truncated(what: impl Into<String>) -> Self {
        Self::Truncated { what: what.into() }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    pub(crate) fn codec(what: impl ToString) -> Self {
        Self::Codec { what: what.to_string() }
    }
}
