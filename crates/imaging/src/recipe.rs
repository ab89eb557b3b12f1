//! The recipe: what is to be done to an image, as data that travels inside a job.

use serde::{Deserialize, Serialize};

use crate::error::ImageError;
use crate::format::Format;
use crate::limits::Limits;
use crate::operation::Operation;

/// Most operations in one recipe: far beyond any sensible list, near enough to bound the work.
pub const MAX_OPERATIONS: usize = 64;

/// What to do to an image and how to write the result.
///
/// Its JSON is part of a job's stage and stable: names in snake_case, unknown fields refused,
/// every field optional.
///
/// ```
/// # use gristmill_imaging::*;
/// let recipe = Recipe {
///     operations: vec![Operation::resize(Size::parse("512x512")?), Operation::Gray],
///     ..Recipe::default()
/// };
/// assert_eq!(
///     serde_json::to_string(&recipe)?,
///     r#"{"operations":[{"resize":{"width":512,"height":512,"fit":"exact","filter":"bilinear"}},"gray"],"format":null,"quality":90,"fast":false}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// The operations, applied in this order.
    pub operations: Vec<Operation>,
    /// The format to write; none keeps the source's own.
    pub format: Option<Format>,
    /// JPEG quality, 1 to 100.
    pub quality: u8,
    /// Whether a JPEG that is shrunk may be decoded at a size just above the target's, instead of
    /// at least twice the target's: less work, a little less exact.
    pub fast: bool,
}

impl Default for Recipe {
    /// No operations, the source's own format, quality 90, not fast.
    fn default() -> Self {
        Self { operations: Vec::new(), format: None, quality: 90, fast: false }
    }
}

impl Recipe {
    /// Checks what can be judged without an image: the quality's range, the number of operations,
    /// sizes that are zero or over the limits.
    ///
    /// # Errors
    /// [`ImageError::RecipeInvalid`] or [`ImageError::TooLarge`].
    pub fn check(&self, limits: &Limits) -> Result<(), ImageError> {
        let invalid = |what: String| Err(ImageError::RecipeInvalid { what });
        if !(1..=100).contains(&self.quality) {
            return invalid(format!("quality {} is not between 1 and 100", self.quality));
        }
        if self.operations.len() > MAX_OPERATIONS {
            return invalid(format!(
                "{} operations; at most {MAX_OPERATIONS} are followed",
                self.operations.len()
            ));
        }
        for operation in &self.operations {
            match *operation {
                Operation::Resize { width, height, .. } => {
                    if width == 0 || height == 0 {
                        return invalid(format!("cannot resize to {width}x{height}"));
                    }
                    limits.check_size("the recipe asks for", width, height)?;
                }
                Operation::Crop(crop) if crop.width == 0 || crop.height == 0 => {
                    return invalid(format!("the crop {crop} is empty"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
