//! One image, from bytes to bytes: inspect, plan, decode, do the steps, turn, encode.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::ImageError;
use crate::format::Format;
use crate::header;
use crate::icc::Profile;
use crate::jpeg::{self, Compressor, Decompressor, Markers};
use crate::limits::Limits;
use crate::picture::Picture;
use crate::plan::{Plan, Step};
use crate::pool::Pool;
use crate::raster;
use crate::recipe::Recipe;
use crate::resize::{self, Scratch};
use crate::tone;

/// Codecs and buffers that one thread reuses from image to image.
///
/// What it did before never shows in a result; after an error it is as good as new. It keeps at
/// most about 250 MiB: three pixel buffers of at most 64 MiB each, and what resizing needs.
#[derive(Default)]
pub struct Workspace {
    decompressor: Option<Decompressor>,
    compressor: Option<Compressor>,
    scratch: Scratch,
    pool: Pool,
}

impl Workspace {
    /// An empty workspace; codecs and buffers are made when first needed.
    pub fn new() -> Self {
        Self::default()
    }
}

/// A finished picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processed {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// Its format.
    pub format: Format,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// The format the source really had, whatever its name said.
    pub source_format: Format,
    /// The source's width in pixels as it is looked at, its orientation applied.
    pub source_width: u32,
    /// The source's height in pixels as it is looked at, its orientation applied.
    pub source_height: u32,
    /// What was wrong with the source although a picture could be made; usually empty.
    pub warnings: Vec<String>,
}

/// Follows a recipe for one image.
///
/// # Errors
/// See [`ImageError`]: the input is no image, damaged, over a limit or of an unsupported kind, or
/// the recipe cannot be followed for it.
pub fn process(
    workspace: &mut Workspace,
    input: &[u8],
    recipe: &Recipe,
    limits: &Limits,
) -> Result<Processed, ImageError> {
    workspace.pool.begin(limits.max_alloc_bytes);
    // A bug of ours or of a decoder must not cost a worker its thread: one image fails, loudly,
    // and the workspace starts afresh, so nothing half-done is seen again.
    let result = catch_unwind(AssertUnwindSafe(|| follow(workspace, input, recipe, limits)));
    let Ok(result) = result else {
        *workspace = Workspace::new();
        return Err(ImageError::codec("it panicked; this is a bug, please report the image"));
    };
    workspace.pool.end();
    result
}

fn follow(
    workspace: &mut Workspace,
    input: &[u8],
    recipe: &Recipe,
    limits: &Limits,
) -> Result<Processed, ImageError> {
    recipe.check(limits)?;
    let source_format = header::inspect(input, limits)?;
    let format = recipe.format.unwrap_or(source_format);
    let mut warnings = Vec::new();
    let source = match source_format {
        Format::Jpeg => open_jpeg(workspace, input, recipe, format, limits, &mut warnings)?,
        other => open_raster(workspace, input, recipe, (other, format), limits, &mut warnings)?,
    };
    let picture = source
        .plan
        .steps
        .iter()
        .try_fold(source.picture, |picture, step| apply(workspace, picture, step))?;
    let picture = picture.oriented(source.plan.orientation, &mut workspace.pool)?;
    let (width, height) = source.plan.size;
    assert_eq!((picture.width(), picture.height()), (width, height), "the plan was not kept");
    let profile = source.profile;
    let profile = profile.and_then(|kept| kept.fitting(picture.layout, format, &mut warnings));
    let bytes = encode(workspace, picture, recipe.quality, format, profile)?;
    let (source_width, source_height) = source.size;
    Ok(Processed {
        bytes,
        format,
        width,
        height,
        source_format,
        source_width,
        source_height,
        warnings,
    })
}

/// A decoded source, and what is left to do with it.
struct Source {
    picture: Picture,
    plan: Plan,
    profile: Option<Profile>,
    /// As it is looked at.
    size: (u32, u32),
}

fn open_jpeg(
    workspace: &mut Workspace,
    input: &[u8],
    recipe: &Recipe,
    format: Format,
    limits: &Limits,
    warnings: &mut Vec<String>,
) -> Result<Source, ImageError> {
    let markers = Markers::read(input)?;
    let mut plan = Plan::new(markers.size, markers.orientation, &recipe.operations, limits)?;
    let decompressor = match &mut workspace.decompressor {
        Some(ready) => ready,
        empty => empty.insert(Decompressor::new().ok_or_else(no_memory)?),
    };
    let picture = jpeg::decode(
        decompressor,
        input,
        &markers,
        &mut plan,
        (format == Format::Jpeg, recipe.fast),
        &mut workspace.pool,
        warnings,
    )?;
    let profile = Profile::read(jpeg::profile(input, &markers, limits), limits, warnings);
    Ok(Source { picture, plan, profile, size: markers.orientation.size(markers.size) })
}

fn open_raster(
    workspace: &mut Workspace,
    input: &[u8],
    recipe: &Recipe,
    (source_format, format): (Format, Format),
    limits: &Limits,
    warnings: &mut Vec<String>,
) -> Result<Source, ImageError> {
    let pool = &mut workspace.pool;
    let raster::Decoded { mut picture, orientation, profile } =
        raster::decode(input, source_format, limits, pool, warnings)?;
    let profile = Profile::read(profile, limits, warnings);
    let stored = (picture.width(), picture.height());
    let plan = Plan::new(stored, orientation, &recipe.operations, limits)?;
    if !format.holds_alpha() {
        picture = tone::flatten(picture, pool)?;
    }
    if plan.luma {
        picture = tone::gray(picture, pool)?;
    }
    Ok(Source { picture, plan, profile, size: orientation.size(stored) })
}

fn apply(
    workspace: &mut Workspace,
    mut picture: Picture,
    step: &Step,
) -> Result<Picture, ImageError> {
    match *step {
        Step::Crop(crop) => picture.crop(crop.x, crop.y, crop.width, crop.height),
        Step::Threshold(threshold) => tone::threshold(&mut picture, threshold),
        Step::Resize { window, size, filter } => {
            let Workspace { scratch, pool, .. } = workspace;
            return resize::resize(picture, window, size, filter, scratch, pool);
        }
    }
    Ok(picture)
}

fn encode(
    workspace: &mut Workspace,
    picture: Picture,
    quality: u8,
    format: Format,
    profile: Option<Vec<u8>>,
) -> Result<Vec<u8>, ImageError> {
    let pool = &mut workspace.pool;
    let (bytes, picture) = if format == Format::Jpeg {
        let compressor = match &mut workspace.compressor {
            Some(ready) => ready,
            empty => empty.insert(Compressor::new().ok_or_else(no_memory)?),
        };
        (jpeg::encode(compressor, &picture, quality, profile.as_deref(), pool)?, picture)
    } else {
        raster::encode(picture, format, profile, pool)?
    };
    pool.give(picture.pixels);
    Ok(bytes)
}

fn no_memory() -> ImageError {
    ImageError::codec("no memory for a JPEG codec")
}
