//! The text forms of operations, as they are typed on a command line.

use std::fmt;
use std::str::FromStr;

use crate::format::Format;
use crate::operation::{Crop, Filter, Fit, Flip, Rotation, Size, Threshold};

/// A text that does not say what it should: what was read, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {what}; expected {expected}")]
pub struct ParseError {
    /// What the text was read as, such as "size".
    pub what: &'static str,
    /// The text itself, cut to a readable length.
    pub text: String,
    /// The forms that would do.
    pub expected: &'static str,
}

impl ParseError {
    pub(crate) fn new(what: &'static str, text: &str, expected: &'static str) -> Self {
        Self { what, text: text.chars().take(40).collect(), expected }
    }
}

/// A number written in decimal digits alone: no sign, no space, at least 1 where `least` says so.
fn number(text: &str, least: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&value| digits && value >= least)
}

impl Size {
    /// Reads `512x384`.
    ///
    /// # Errors
    /// Names the text and the form expected.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let read = || {
            let (width, height) = text.split_once('x')?;
            Some(Self { width: number(width, 1)?, height: number(height, 1)? })
        };
        read()
            .ok_or_else(|| ParseError::new("size", text, "WIDTHxHEIGHT in pixels, such as 512x512"))
    }
}

impl Crop {
    /// Reads `640x480+10+20`, or `640x480` for the upper left corner.
    ///
    /// ```
    /// use gristmill_imaging::Crop;
    /// let crop = Crop::parse("640x480+10+20")?;
    /// assert_eq!((crop.width, crop.height, crop.x, crop.y), (640, 480, 10, 20));
    /// # Ok::<(), gristmill_imaging::ParseError>(())
    /// ```
    ///
    /// # Errors
    /// Names the text and the form expected.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let read = || {
            let (size, offset) = match text.split_once('+') {
                Some((size, offset)) => (size, offset.split_once('+')?),
                None => (text, ("0", "0")),
            };
            let Size { width, height } = Size::parse(size).ok()?;
            Some(Self { width, height, x: number(offset.0, 0)?, y: number(offset.1, 0)? })
        };
        read().ok_or_else(|| {
            ParseError::new("crop", text, "WIDTHxHEIGHT+X+Y in pixels, such as 640x480+10+20")
        })
    }
}

impl Threshold {
    /// Reads `otsu` or a level from 0 to 255.
    ///
    /// # Errors
    /// Names the text and the forms expected.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text == "otsu" {
            return Ok(Self::Otsu);
        }
        number(text, 0)
            .and_then(|level| u8::try_from(level).ok())
            .map(Self::Level)
            .ok_or_else(|| ParseError::new("threshold", text, "otsu or a level from 0 to 255"))
    }
}

impl Fit {
    /// Reads `exact`, `contain` or `cover`.
    ///
    /// # Errors
    /// Names the text and the forms expected.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        match text {
            "exact" => Ok(Self::Exact),
            "contain" => Ok(Self::Contain),
            "cover" => Ok(Self::Cover),
            _ => Err(ParseError::new("fit", text, "exact, contain or cover")),
        }
    }
}

impl Filter {
    /// Reads `nearest`, `bilinear`, `catmull-rom` (or `catmull_rom`) or `lanczos3`.
    ///
    /// # Errors
    /// Names the text and the forms expected.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        match text {
            "nearest" => Ok(Self::Nearest),
            "bilinear" => Ok(Self::Bilinear),
            "catmull-rom" | "catmull_rom" => Ok(Self::CatmullRom),
            "lanczos3" => Ok(Self::Lanczos3),
            _ => Err(ParseError::new("filter", text, "nearest, bilinear, catmull-rom or lanczos3")),
        }
    }
}

impl Flip {
    /// Reads `horizontal` or `vertical`.
    ///
    /// # Errors
    /// Names the text and the forms expected.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        match text {
            "horizontal" => Ok(Self::Horizontal),
            "vertical" => Ok(Self::Vertical),
            _ => Err(ParseError::new("flip", text, "horizontal or vertical")),
        }
    }
}

impl Rotation {
    /// Reads `90`, `180` or `270`.
    ///
    /// # Errors
    /// Names the text and the forms expected.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        number(text, 0)
            .and_then(|degrees| Self::try_from(u16::try_from(degrees).ok()?).ok())
            .ok_or_else(|| ParseError::new("rotation", text, "90, 180 or 270 degrees clockwise"))
    }
}

impl TryFrom<u16> for Rotation {
    type Error = ParseError;

    fn try_from(degrees: u16) -> Result<Self, ParseError> {
        match degrees {
            90 => Ok(Self::Quarter),
            180 => Ok(Self::Half),
            270 => Ok(Self::ThreeQuarters),
            _ => Err(ParseError::new("rotation", &degrees.to_string(), "90, 180 or 270")),
        }
    }
}

impl From<Rotation> for u16 {
    fn from(rotation: Rotation) -> u16 {
        rotation.degrees()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}x{}", self.width, self.height)
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}x{}+{}+{}", self.width, self.height, self.x, self.y)
    }
}

/// `str::parse` for each type, by its own `parse`.
macro_rules! from_str {
    ($($name:ty),*) => {$(
        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                Self::parse(text)
            }
        }
    )*};
}

from_str!(Size, Crop, Threshold, Fit, Filter, Flip, Rotation, Format);
