//! From the command line to a recipe: the order of the operations is the order of the options.
//!
//! `--fit` and `--filter` say how to resize: they belong to the last `--resize` before them, or to
//! the first one where none stands before.

use clap::ArgMatches;
use gristmill_imaging::{
    Crop, Filter, Fit, Flip, Format, Limits, Operation, Recipe, Rotation, Size, Threshold,
};

use crate::error::{Error, Result};

/// What is done to each picture, in the order given
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Operations, applied in the order given")]
pub struct Operations {
    /// Change the size, for example 512x512
    #[arg(long, value_name = "WxH")]
    pub resize: Vec<Size>,
    /// For --resize: exact stretches, contain fits inside, cover fills and cuts [default: exact]
    #[arg(long, value_name = "HOW")]
    pub fit: Vec<Fit>,
    /// For --resize: nearest, bilinear, catmull-rom or lanczos3 [default: bilinear]
    #[arg(long, value_name = "NAME")]
    pub filter: Vec<Filter>,
    /// Keep the luma alone
    #[arg(long)]
    pub gray: bool,
    /// Black and white, split at a level from 0 to 255 or where Otsu's method finds it
    #[arg(long, value_name = "N|otsu")]
    pub threshold: Vec<Threshold>,
    /// Mirror: h swaps left and right, v top and bottom
    #[arg(long, value_name = "h|v", value_parser = flip)]
    pub flip: Vec<Flip>,
    /// Turn clockwise by 90, 180 or 270 degrees
    #[arg(long, value_name = "DEGREES")]
    pub rotate: Vec<Rotation>,
    /// Keep a part, for example 640x480+10+20
    #[arg(long, value_name = "WxH+X+Y")]
    pub crop: Vec<Crop>,
}

/// How the results are written
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Results")]
pub struct Encoding {
    /// jpeg, png, webp, gif, tiff or bmp [default: what the source is]
    #[arg(long, value_name = "NAME")]
    pub format: Option<Format>,
    /// JPEG quality, 1 to 100
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,
    /// Decode large JPEGs no larger than needed: quicker, a little less exact
    #[arg(long)]
    pub fast: bool,
}

fn flip(text: &str) -> std::result::Result<Flip, String> {
    match text {
        "h" | "horizontal" => Ok(Flip::Horizontal),
        "v" | "vertical" => Ok(Flip::Vertical),
        _ => Err("expected h or v".into()),
    }
}

/// Reads the recipe out of what clap has parsed, which also knows where each option stood.
pub fn from_matches(matches: &ArgMatches) -> Result<Recipe> {
    let mut steps: Vec<(usize, Operation)> = Vec::new();
    placed::<Size>(matches, "resize", |at, size| steps.push((at, Operation::resize(size))));
    steps.extend(flag(matches, "gray").map(|at| (at, Operation::Gray)));
    placed(matches, "threshold", |at, how| steps.push((at, Operation::Threshold(how))));
    placed(matches, "flip", |at, how| steps.push((at, Operation::Flip(how))));
    placed(matches, "rotate", |at, how| steps.push((at, Operation::Rotate(how))));
    placed(matches, "crop", |at, part| steps.push((at, Operation::Crop(part))));
    steps.sort_by_key(|(at, _)| *at);
    settle::<Fit>(matches, "fit", &mut steps, |resize, wanted| {
        if let Operation::Resize { fit, .. } = resize {
            *fit = wanted;
        }
    })?;
    settle::<Filter>(matches, "filter", &mut steps, |resize, wanted| {
        if let Operation::Resize { filter, .. } = resize {
            *filter = wanted;
        }
    })?;
    let recipe = Recipe {
        operations: steps.into_iter().map(|(_, operation)| operation).collect(),
        format: matches.get_one("format").copied(),
        quality: matches.get_one("quality").copied().unwrap_or(90),
        fast: matches.get_flag("fast"),
    };
    recipe.check(&Limits::default()).map_err(|error| Error::usage(error.to_string()))?;
    Ok(recipe)
}

/// Each value of an option with its place on the command line.
fn placed<T: Copy + Send + Sync + 'static>(
    matches: &ArgMatches,
    name: &str,
    mut take: impl FnMut(usize, T),
) {
    let places = matches.indices_of(name).into_iter().flatten();
    let values = matches.get_many::<T>(name).into_iter().flatten();
    places.zip(values).for_each(|(at, value)| take(at, *value));
}

fn flag(matches: &ArgMatches, name: &str) -> Option<usize> {
    matches.get_flag(name).then(|| matches.index_of(name)).flatten()
}

/// Gives each value of `--fit` or `--filter` to its resize.
fn settle<T: Copy + Send + Sync + 'static>(
    matches: &ArgMatches,
    name: &str,
    steps: &mut [(usize, Operation)],
    set: impl Fn(&mut Operation, T),
) -> Result<()> {
    let mut given: Vec<(usize, T)> = Vec::new();
    placed(matches, name, |at, value| given.push((at, value)));
    let mut taken = Vec::new();
    for (at, value) in given {
        let resizes = || {
            let all = steps.iter().enumerate();
            all.filter(|(_, (_, step))| matches!(step, Operation::Resize { .. }))
        };
        let before = resizes().rfind(|(_, (place, _))| *place < at);
        let Some((index, _)) = before.or_else(|| resizes().next()) else {
            return Err(Error::usage(format!(
                "--{name} says how to resize, and nothing is resized"
            ))
            .hint("add --resize WxH"));
        };
        if taken.contains(&index) {
            return Err(Error::usage(format!("--{name} is given twice for one --resize")));
        }
        taken.push(index);
        set(&mut steps[index].1, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command};

    fn recipe(line: &str) -> Result<Recipe> {
        let command = Encoding::augment_args(Operations::augment_args(Command::new("images")));
        let words = std::iter::once("images").chain(line.split_whitespace());
        from_matches(&command.try_get_matches_from(words).unwrap())
    }

    #[test]
    fn the_order_of_the_options_is_the_order_of_the_work() {
        let recipe = recipe("--flip h --resize 8x4 --gray --crop 2x2+1+1 --flip v").unwrap();
        let expected = [
            Operation::Flip(Flip::Horizontal),
            Operation::resize(Size { width: 8, height: 4 }),
            Operation::Gray,
            Operation::Crop(Crop { width: 2, height: 2, x: 1, y: 1 }),
            Operation::Flip(Flip::Vertical),
        ];
        assert_eq!(recipe.operations, expected);
    }

    #[test]
    fn a_fit_belongs_to_the_resize_before_it_or_to_the_first() {
        let fits = |line| -> Vec<Fit> {
            let fit = |step: &Operation| match step {
                Operation::Resize { fit, .. } => Some(*fit),
                _ => None,
            };
            recipe(line).unwrap().operations.iter().filter_map(fit).collect()
        };
        assert_eq!(fits("--fit cover --resize 8x4"), [Fit::Cover]);
        assert_eq!(
            fits("--resize 8x4 --fit contain --gray --resize 2x2 --fit cover"),
            [Fit::Contain, Fit::Cover]
        );
        assert_eq!(fits("--resize 8x4 --resize 2x2 --fit cover"), [Fit::Exact, Fit::Cover]);
        assert!(recipe("--fit cover").unwrap_err().hint.unwrap().contains("--resize"));
        assert!(recipe("--resize 8x4 --fit cover --fit exact").is_err());
    }
}
