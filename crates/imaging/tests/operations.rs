//! Each operation on pictures small enough to write the expected pixels down.

#![allow(clippy::unwrap_used, reason = "clippy takes only functions marked as tests for tests")]

mod support;

use gristmill_imaging::{Crop, Filter, Fit, Flip, Format, Operation, Rotation, Size, Threshold};
use image::{GrayImage, RgbaImage};
use support::{done, open, photo, png, process, psnr, recipe};

/// Applies operations to a gray picture of rows, losslessly.
fn gray(rows: &[&[u8]], operations: &[Operation]) -> Vec<Vec<u8>> {
    let picture = GrayImage::from_vec(rows[0].len() as u32, rows.len() as u32, rows.concat());
    let done = done(&png(picture.unwrap()), operations, Format::Png);
    let out = open(&done.bytes).to_luma8();
    assert_eq!(out.dimensions(), (done.width, done.height));
    out.as_raw().chunks(out.width() as usize).map(<[u8]>::to_vec).collect()
}

const ROWS: &[&[u8]] = &[&[1, 2, 3], &[4, 5, 6]];

#[test]
fn flips_and_turns() {
    let flip = |flip| gray(ROWS, &[Operation::Flip(flip)]);
    assert_eq!(flip(Flip::Horizontal), [[3, 2, 1], [6, 5, 4]]);
    assert_eq!(flip(Flip::Vertical), [[4, 5, 6], [1, 2, 3]]);
    let turn = |turn| gray(ROWS, &[Operation::Rotate(turn)]);
    assert_eq!(turn(Rotation::Quarter), [[4, 1], [5, 2], [6, 3]]);
    assert_eq!(turn(Rotation::Half), [[6, 5, 4], [3, 2, 1]]);
    assert_eq!(turn(Rotation::ThreeQuarters), [[3, 6], [2, 5], [1, 4]]);
}

#[test]
fn crops_count_from_the_picture_as_it_is_then() {
    let crop = Operation::Crop(Crop { width: 1, height: 2, x: 1, y: 0 });
    assert_eq!(gray(ROWS, &[crop]), [[2], [5]]);
    assert_eq!(gray(ROWS, &[Operation::Rotate(Rotation::Quarter), crop]), [[1], [2]]);
    let twice = Operation::Crop(Crop { width: 1, height: 1, x: 0, y: 1 });
    assert_eq!(gray(ROWS, &[crop, twice]), [[5]]);
    let flipped = [Operation::Flip(Flip::Horizontal), crop, Operation::Flip(Flip::Vertical)];
    assert_eq!(gray(ROWS, &flipped), [[5], [2]]);
}

#[test]
fn a_crop_over_the_edge_is_refused_with_both_sizes() {
    for text in ["4x1", "1x3", "1x1+3+0", "3x2+1+0", "1x1+4294967295+0"] {
        let crop = Operation::Crop(Crop::parse(text).unwrap());
        let picture = GrayImage::from_vec(3, 2, ROWS.concat()).unwrap();
        let error = process(&png(picture), &recipe(&[crop], Format::Png)).unwrap_err();
        assert_eq!(error.code(), "crop_outside");
        assert!(error.to_string().contains("3x2"), "{error}");
    }
}

#[test]
fn resizing_by_each_filter() {
    let to = |width, height, filter| Operation::Resize { width, height, fit: Fit::Exact, filter };
    let two: &[&[u8]] = &[&[0, 100]];
    assert_eq!(gray(two, &[to(4, 1, Filter::Nearest)]), [[0, 0, 100, 100]]);
    assert_eq!(gray(two, &[to(4, 1, Filter::Bilinear)]), [[0, 25, 75, 100]]);
    assert_eq!(gray(two, &[to(1, 1, Filter::Bilinear)]), [[50]]);
    let row: Vec<u8> = (0..40).map(|x| x * 6).collect();
    for filter in [Filter::Bilinear, Filter::CatmullRom, Filter::Lanczos3] {
        // A slope stays a slope, away from its ends.
        let half = gray(&[&row, &row], &[to(20, 2, filter)]);
        for (x, &value) in half[0].iter().enumerate().skip(3).take(14) {
            assert!(value.abs_diff(x as u8 * 12 + 3) <= 1, "{filter:?} at {x}: {value}");
        }
    }
}

#[test]
fn fits() {
    let resize = |fit| {
        let filter = Filter::Nearest;
        [Operation::Resize { width: 4, height: 4, fit, filter }]
    };
    let wide: &[&[u8]] = &[&[10, 20, 30, 40, 50, 60, 70, 80], &[10, 20, 30, 40, 50, 60, 70, 80]];
    assert_eq!(gray(wide, &resize(Fit::Exact)).len(), 4);
    assert_eq!(gray(wide, &resize(Fit::Contain)), [[20, 40, 60, 80]]);
    assert_eq!(gray(wide, &resize(Fit::Cover)), [[40, 40, 50, 50]; 4]);
    // A side never vanishes.
    let line: &[&[u8]] = &[&[9; 100]];
    assert_eq!(gray(line, &resize(Fit::Contain)), [[9; 4]]);
}

#[test]
fn gray_is_luma_and_keeps_transparency() {
    let picture = RgbaImage::from_vec(2, 1, vec![255, 0, 0, 255, 0, 0, 255, 10]).unwrap();
    let done = done(&png(picture), &[Operation::Gray], Format::Png);
    assert_eq!(open(&done.bytes).to_luma_alpha8().into_raw(), [76, 255, 29, 10]);
}

#[test]
fn threshold_by_level_and_by_otsu() {
    let rows: &[&[u8]] = &[&[0, 99, 100, 101, 255]];
    let level = Operation::Threshold(Threshold::Level(100));
    assert_eq!(gray(rows, &[level]), [[0, 0, 0, 255, 255]]);
    let hills: &[&[u8]] = &[&[10, 12, 11, 200, 210, 11]];
    let otsu = Operation::Threshold(Threshold::Otsu);
    assert_eq!(gray(hills, &[otsu]), [[0, 0, 0, 255, 255, 0]]);
    // Only what a crop left counts.
    let crop = Operation::Crop(Crop { width: 3, height: 1, x: 0, y: 0 });
    assert_eq!(gray(&[&[10, 12, 20, 200, 250, 250]], &[crop, otsu]), [[0, 0, 255]]);
}

#[test]
fn the_order_of_threshold_and_resize_counts() {
    let resize = Operation::resize(Size { width: 1, height: 1 });
    let threshold = Operation::Threshold(Threshold::Level(100));
    let rows: &[&[u8]] = &[&[0, 90, 150, 90]];
    assert_eq!(gray(rows, &[resize, threshold]), [[0]]);
    // One white pixel of four, an inner one: 7/24 of the triangle laid over them.
    assert_eq!(gray(rows, &[threshold, resize]), [[74]]);
}

#[test]
fn gray_before_and_after_a_resize_are_the_same_bytes() {
    let resize = Operation::resize(Size { width: 90, height: 70 });
    for input in [support::jpeg(&photo(200, 150)), png(photo(200, 150))] {
        let before = done(&input, &[Operation::Gray, resize], Format::Jpeg);
        let after = done(&input, &[resize, Operation::Gray], Format::Jpeg);
        assert_eq!(before, after);
        // And what they are is the gray of the colour result.
        let colour = open(&done(&input, &[resize], Format::Png).bytes);
        let gray = open(&done(&input, &[resize, Operation::Gray], Format::Png).bytes);
        assert!(psnr(&colour.grayscale(), &gray) > 42.0);
    }
}

#[test]
fn transparent_colour_does_not_bleed_into_a_resize() {
    let pixels = vec![255, 0, 0, 255, 0, 255, 0, 0];
    let picture = RgbaImage::from_vec(2, 1, pixels).unwrap();
    let resize = Operation::resize(Size { width: 1, height: 1 });
    let out = open(&done(&png(picture), &[resize], Format::Png).bytes).to_rgba8();
    assert_eq!(out.into_raw(), [255, 0, 0, 128]);
}
