//! Image decode, operations and encode on the CPU.
//!
//! One call does one image: [`process`] takes the bytes of a picture, a [`Recipe`] and [`Limits`],
//! and gives back the bytes of another picture. It knows nothing of files, jobs or threads; a
//! worker thread owns one [`Workspace`], which keeps codecs and buffers warm between images.
//!
//! ```
//! use gristmill_imaging::{Format, Limits, Operation, Recipe, Workspace, process};
//!
//! let pixel = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\
//!     \0\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\0\0\0";
//! let recipe = Recipe {
//!     operations: vec![Operation::resize("8x8".parse()?)],
//!     format: Some(Format::Png),
//!     ..Recipe::default()
//! };
//! let done = process(&mut Workspace::new(), pixel, &recipe, &Limits::default())?;
//! assert_eq!((done.width, done.height, done.source_format), (8, 8, Format::Bmp));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What the result is
//!
//! The same input, recipe and limits give the same bytes, on any thread and whatever the workspace
//! did before. The picture is upright: an EXIF orientation is applied to the pixels, and the output
//! carries no EXIF at all, so nothing can turn it twice (and no camera position leaves the house).
//! A colour profile goes with the colours it is for: it is kept, byte for byte, where the output
//! has a place for it (JPEG, PNG, WebP, TIFF), and nothing is computed with it. A picture turned
//! gray does not keep a profile for colours, nor one turned from CMYK its own.
//!
//! Operations count in the order given. Where order does not change the result it is used for
//! speed: a recipe that turns gray anywhere decodes straight to luma, flips and turns wait until
//! the picture is small, and a large JPEG that is first of all shrunk is decoded at 1/2, 1/4 or
//! 1/8 of its size.

mod damage;
mod error;
mod exif;
mod format;
mod header;
mod icc;
mod jpeg;
mod limits;
mod operation;
mod orientation;
mod parse;
mod picture;
mod plan;
mod pool;
mod process;
mod raster;
mod recipe;
mod resize;
mod tiff;
mod tone;
mod webp;

pub use error::ImageError;
pub use format::Format;
pub use limits::Limits;
pub use operation::{Crop, Filter, Fit, Flip, Operation, Rotation, Size, Threshold};
pub use parse::ParseError;
pub use process::{Processed, Workspace, process};
pub use recipe::Recipe;
