//! What one image may cost, declared before it is decoded.

use crate::error::ImageError;

/// Bounds on one call of [`process`](crate::process). Each is checked before the memory it guards
/// is asked for, against the image's own header and against the recipe's output sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels of the source, and of the picture after any operation.
    pub max_pixels: u64,
    /// Longest side in pixels, of the source and after any operation.
    pub max_side: u32,
    /// Longest input in bytes.
    pub max_input_bytes: u64,
    /// Most memory in bytes held at one time for pixels, decoder tables and output. What codecs
    /// hold for a few rows and for a colour profile comes on top (a few MiB).
    pub max_alloc_bytes: u64,
    /// Longest colour profile in bytes; a longer one is dropped with a warning.
    pub max_profile_bytes: u64,
}

impl Default for Limits {
    /// 256 megapixels (the largest phone sensors make 200), sides of 65,535 (the most JPEG can
    /// say), 256 MiB of input, 1 GiB of memory and 4 MiB of colour profile (the large ones, of
    /// printers, have 2).
    fn default() -> Self {
        Self {
            max_pixels: 256_000_000,
            max_side: 65_535,
            max_input_bytes: 256 << 20,
            max_alloc_bytes: 1 << 30,
            max_profile_bytes: 4 << 20,
        }
    }
}

impl Limits {
    /// Refuses a picture whose size is over the bounds; `what` names it ("the image declares").
    pub(crate) fn check_size(&self, what: &str, width: u32, height: u32) -> Result<(), ImageError> {
        let pixels = u64::from(width) * u64::from(height);
        if width.max(height) > self.max_side {
            return Err(ImageError::TooLarge {
                what: format!("{what} {width}x{height}, whose longer side"),
                bound: format!("{} pixels a side", self.max_side),
            });
        }
        if pixels > self.max_pixels {
            return Err(ImageError::TooLarge {
                what: format!("{what} {width}x{height}: {pixels} pixels, which"),
                bound: format!("{} pixels", self.max_pixels),
            });
        }
        Ok(())
    }

    /// Says what is wrong with a colour profile that is over the bound.
    pub(crate) fn check_profile(&self, bytes: usize) -> Result<(), String> {
        if bytes as u64 > self.max_profile_bytes {
            let bound = self.max_profile_bytes;
            return Err(format!("it has {bytes} bytes; at most {bound} are kept"));
        }
        Ok(())
    }

    pub(crate) fn check_input(&self, bytes: usize) -> Result<(), ImageError> {
        if bytes as u64 > self.max_input_bytes {
            return Err(ImageError::TooLarge {
                what: format!("the file of {bytes} bytes"),
                bound: format!("{} bytes of input", self.max_input_bytes),
            });
        }
        Ok(())
    }
}
