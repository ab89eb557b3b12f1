//! What a recipe comes to for a picture of a given size: pure geometry, before any pixel.
//!
//! The plan is written in the coordinates of the picture as it is stored. Orientation, flips and
//! turns are composed and left to the end; gray is decided at the beginning. Both commute with
//! everything between (a resize is linear and symmetric), up to the rounding of one sample.

use crate::error::ImageError;
use crate::limits::Limits;
use crate::operation::{Crop, Filter, Fit, Operation, Threshold};
use crate::orientation::{Orientation, Window};
use crate::picture::Layout;

/// The steps between decoder and encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Whether only luma is needed.
    pub luma: bool,
    /// What to do to the pixels, in order.
    pub steps: Vec<Step>,
    /// What to do last.
    pub orientation: Orientation,
    /// The finished picture's size.
    pub size: (u32, u32),
}

/// One step, in stored coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Narrow the picture to a part that lies inside it.
    Crop(Crop),
    /// Resample a window of the picture.
    Resize {
        /// What is resampled.
        window: Window,
        /// Its new size.
        size: (u32, u32),
        /// How.
        filter: Filter,
    },
    /// Part luma into black and white.
    Threshold(Threshold),
}

impl Plan {
    /// Plans `operations` for a picture stored with `size` and shown after `orientation`.
    ///
    /// # Errors
    /// [`ImageError::CropOutside`] when a crop reaches over the edge at its point of the recipe;
    /// [`ImageError::TooLarge`] when a step's result is over the limits.
    pub fn new(
        size: (u32, u32),
        orientation: Orientation,
        operations: &[Operation],
        limits: &Limits,
    ) -> Result<Self, ImageError> {
        let mut plan = Self { luma: false, steps: Vec::new(), orientation, size };
        for operation in operations {
            match *operation {
                Operation::Gray => plan.luma = true,
                Operation::Threshold(threshold) => {
                    plan.luma = true;
                    plan.steps.push(Step::Threshold(threshold));
                }
                Operation::Flip(flip) => plan.orientation = plan.orientation.then(flip.into()),
                Operation::Rotate(rotation) => {
                    plan.orientation = plan.orientation.then(rotation.into());
                }
                Operation::Crop(crop) => plan.crop(crop)?,
                Operation::Resize { width, height, fit, filter } => {
                    plan.resize((width, height), fit, filter, limits)?;
                }
            }
        }
        // Until here `size` was the stored one.
        plan.size = plan.orientation.size(plan.size);
        Ok(plan)
    }

    fn crop(&mut self, crop: Crop) -> Result<(), ImageError> {
        let shown @ (width, height) = self.orientation.size(self.size);
        let inside = |offset: u32, part: u32, whole: u32| {
            part > 0 && offset.checked_add(part).is_some_and(|end| end <= whole)
        };
        if !inside(crop.x, crop.width, width) || !inside(crop.y, crop.height, height) {
            return Err(ImageError::CropOutside { crop: crop.to_string(), width, height });
        }
        let window = Window {
            x: f64::from(crop.x),
            y: f64::from(crop.y),
            width: f64::from(crop.width),
            height: f64::from(crop.height),
        };
        // Whole numbers far below 2^53: the way through f64 is exact.
        let Window { x, y, width, height } = self.orientation.undo(window, shown);
        let (x, y, width, height) = (x as u32, y as u32, width as u32, height as u32);
        self.steps.push(Step::Crop(Crop { width, height, x, y }));
        self.size = (width, height);
        Ok(())
    }

    fn resize(
        &mut self,
        target: (u32, u32),
        fit: Fit,
        filter: Filter,
        limits: &Limits,
    ) -> Result<(), ImageError> {
        let shown = self.orientation.size(self.size);
        let (window, result) = fitted(shown, target, fit);
        limits.check_size("the recipe makes", result.0, result.1)?;
        let window = self.orientation.undo(window, shown);
        let size = self.orientation.size(result);
        if size != self.size || window != Window::whole(size.0, size.1) {
            self.steps.push(Step::Resize { window, size, filter });
            self.size = size;
        }
        Ok(())
    }

    /// By how much a JPEG may be shrunk while it is decoded: 1, 2, 4 or 8. What is decoded stays
    /// at least twice as large as the first resize's target, in fast mode at least as large. Only
    /// a plan that begins with a resize qualifies, and not one that picks single pixels.
    pub fn decode_shrink(&self, fast: bool) -> u32 {
        let Some(Step::Resize { window, size, filter }) = self.steps.first() else { return 1 };
        if *filter == Filter::Nearest {
            return 1;
        }
        let margin = if fast { 1.0 } else { 2.0 };
        let across = window.width / f64::from(size.0);
        let down = window.height / f64::from(size.1);
        let most = across.min(down) / margin;
        [8, 4, 2].into_iter().find(|&shrink| f64::from(shrink) <= most).unwrap_or(1)
    }

    /// Whether the plan can run on luma and chroma planes of a `size` picture with this sampling,
    /// ending in 4:2:0, without ever cutting between two chroma samples.
    pub fn fits_planes(&self, size: (u32, u32), h: u32, v: u32) -> bool {
        let mut sampling = (h, v);
        let mut size = size;
        for step in &self.steps {
            match *step {
                Step::Resize { size: target, .. } => {
                    sampling = (2, 2);
                    size = target;
                }
                Step::Crop(crop) => {
                    if !crop.x.is_multiple_of(sampling.0) || !crop.y.is_multiple_of(sampling.1) {
                        return false;
                    }
                    size = (crop.width, crop.height);
                }
                Step::Threshold(_) => return false,
            }
        }
        // Mirroring an odd side would leave the lone last sample at the wrong end. Pictures of a
        // few pixels go the exact way too: there half a pixel of chroma is a lot.
        let even = size.0.is_multiple_of(2) && size.1.is_multiple_of(2);
        let large = size.0.min(size.1) >= 32;
        sampling == (2, 2) && (even || self.orientation == Orientation::UPRIGHT && large)
    }

    /// What a decoder that can choose should deliver.
    pub fn wants(&self, colour: Layout) -> Layout {
        if self.luma { Layout::Gray } else { colour }
    }
}

/// The window of a `size` picture that is resampled to reach `target`, and the size reached.
fn fitted(size: (u32, u32), target: (u32, u32), fit: Fit) -> (Window, (u32, u32)) {
    let whole = Window::whole(size.0, size.1);
    let across = f64::from(target.0) / whole.width;
    let down = f64::from(target.1) / whole.height;
    match fit {
        Fit::Exact => (whole, target),
        Fit::Contain => {
            let scale = across.min(down);
            let side = |length: f64, most: u32| ((length * scale).round() as u32).clamp(1, most);
            (whole, (side(whole.width, target.0), side(whole.height, target.1)))
        }
        Fit::Cover => {
            let scale = across.max(down);
            let width = (f64::from(target.0) / scale).min(whole.width);
            let height = (f64::from(target.1) / scale).min(whole.height);
            let (x, y) = ((whole.width - width) / 2.0, (whole.height - height) / 2.0);
            (Window { x, y, width, height }, target)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::operation::{Flip, Rotation};

    fn operation() -> impl Strategy<Value = Operation> {
        let side = || prop_oneof![4 => 1..300_u32, 1 => 1..40_000_u32];
        let fit = prop_oneof![Just(Fit::Exact), Just(Fit::Contain), Just(Fit::Cover)];
        let filter = Filter::Bilinear;
        prop_oneof![
            3 => (side(), side(), fit).prop_map(move |(width, height, fit)| {
                Operation::Resize { width, height, fit, filter }
            }),
            3 => (side(), side(), 0..200_u32, 0..200_u32)
                .prop_map(|(width, height, x, y)| Operation::Crop(Crop { width, height, x, y })),
            1 => Just(Operation::Flip(Flip::Horizontal)),
            1 => Just(Operation::Flip(Flip::Vertical)),
            1 => Just(Operation::Rotate(Rotation::Quarter)),
            1 => Just(Operation::Rotate(Rotation::ThreeQuarters)),
            1 => Just(Operation::Gray),
        ]
    }

    /// The size of what is shown after an operation, as a person would say it; nothing where the
    /// part lies outside. Of a picture that keeps its aspect the sides are within a pixel.
    fn shown((width, height): (u32, u32), operation: &Operation) -> Option<(f64, f64)> {
        let (w, h) = (f64::from(width), f64::from(height));
        match *operation {
            Operation::Rotate(Rotation::Quarter | Rotation::ThreeQuarters) => Some((h, w)),
            Operation::Crop(Crop { width: cw, height: ch, x, y }) => {
                let inside = x + cw <= width && y + ch <= height;
                inside.then_some((f64::from(cw), f64::from(ch)))
            }
            Operation::Resize { width, height, fit: Fit::Contain, .. } => {
                let scale = (f64::from(width) / w).min(f64::from(height) / h);
                Some(((w * scale).max(1.0), (h * scale).max(1.0)))
            }
            Operation::Resize { width, height, .. } => Some((f64::from(width), f64::from(height))),
            _ => Some((w, h)),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn every_step_lies_inside_and_the_size_is_what_a_person_expects(
            size in (1..5_000_u32, 1..5_000_u32),
            exif in 0..10_u16,
            operations in vec(operation(), 0..6),
        ) {
            let (limits, orientation) = (Limits::default(), Orientation::from_exif(exif));
            let mut expected = orientation.size(size);
            for (count, operation) in (1..).zip(&operations) {
                let plan = Plan::new(size, orientation, &operations[..count], &limits);
                let wanted = shown(expected, operation);
                match (plan, wanted) {
                    (Ok(plan), Some((width, height))) => {
                        let off = |side: u32, wanted: f64| (f64::from(side) - wanted).abs();
                        prop_assert!(off(plan.size.0, width) <= 0.51);
                        prop_assert!(off(plan.size.1, height) <= 0.51);
                        expected = plan.size;
                    }
                    (Err(ImageError::CropOutside { .. }), None) => return Ok(()),
                    (Err(ImageError::TooLarge { .. }), Some((width, height))) => {
                        prop_assert!(width.max(height) > f64::from(limits.max_side)
                            || width * height > limits.max_pixels as f64);
                        return Ok(());
                    }
                    (plan, wanted) => prop_assert!(false, "{plan:?} for {wanted:?}"),
                }
            }
            let plan = Plan::new(size, orientation, &operations, &limits).unwrap();
            let mut at = size;
            for step in &plan.steps {
                match *step {
                    Step::Crop(crop) => {
                        prop_assert!(crop.x + crop.width <= at.0 && crop.y + crop.height <= at.1);
                        at = (crop.width, crop.height);
                    }
                    Step::Resize { window, size, .. } => {
                        let inside = |from: f64, part: f64, whole: u32| {
                            from >= -1e-6 && part > 0.0 && from + part <= f64::from(whole) + 1e-6
                        };
                        prop_assert!(inside(window.x, window.width, at.0), "{window:?}");
                        prop_assert!(inside(window.y, window.height, at.1), "{window:?}");
                        at = size;
                    }
                    Step::Threshold(_) => {}
                }
                prop_assert!(at.0 > 0 && at.1 > 0);
            }
            prop_assert_eq!(plan.orientation.size(at), plan.size);
        }
    }
}
