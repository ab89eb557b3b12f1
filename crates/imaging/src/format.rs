//! The image file formats, told apart by their first bytes and never by a file's name.

use serde::{Deserialize, Serialize};

use crate::parse::ParseError;

/// A file format that can be read and written.
///
/// All six are written as what they are, with these narrowings: GIF and TIFF give their first
/// frame or page only; WebP is always written lossless (the encoder knows nothing else), so
/// `quality` counts for JPEG alone; JPEG and BMP hold no transparency, so it is laid over white;
/// and every sample is 8 bits wide, deeper ones are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JPEG (JFIF, EXIF), baseline and progressive, Huffman and arithmetic coding.
    Jpeg,
    /// Portable Network Graphics.
    Png,
    /// WebP; `webp` in JSON.
    #[serde(rename = "webp")]
    WebP,
    /// Graphics Interchange Format.
    Gif,
    /// Tagged Image File Format, both byte orders.
    Tiff,
    /// Windows bitmap.
    Bmp,
}

impl Format {
    /// Every format, in the order messages list them.
    pub const ALL: [Format; 6] =
        [Self::Jpeg, Self::Png, Self::WebP, Self::Gif, Self::Tiff, Self::Bmp];

    /// The format whose signature the bytes begin with.
    ///
    /// ```
    /// use gristmill_imaging::Format;
    /// assert_eq!(Format::from_content(b"GIF89a..."), Some(Format::Gif));
    /// assert_eq!(Format::from_content(b"hello"), None);
    /// ```
    pub fn from_content(bytes: &[u8]) -> Option<Format> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            // Classic TIFF (42) and BigTIFF (43).
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            [b'B', b'M', ..] => Some(Self::Bmp),
            _ => None,
        }
    }

    /// The usual file name extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Gif => "gif",
            Self::Tiff => "tiff",
            Self::Bmp => "bmp",
        }
    }

    /// Reads a format's name or extension, in any case: `jpeg`, `jpg`, `png`, `webp`, `gif`,
    /// `tiff`, `tif`, `bmp`.
    ///
    /// # Errors
    /// Names the text and the formats that exist.
    pub fn parse(text: &str) -> Result<Format, ParseError> {
        match text.to_ascii_lowercase().as_str() {
            "jpeg" | "jpg" => Ok(Self::Jpeg),
            "png" => Ok(Self::Png),
            "webp" => Ok(Self::WebP),
            "gif" => Ok(Self::Gif),
            "tiff" | "tif" => Ok(Self::Tiff),
            "bmp" => Ok(Self::Bmp),
            _ => Err(ParseError::new("format", text, "jpeg, png, webp, gif, tiff or bmp")),
        }
    }

    /// Whether pictures of this format can keep transparency when written here.
    pub fn holds_alpha(self) -> bool {
        !matches!(self, Self::Jpeg | Self::Bmp)
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
        })
    }
}
