//! JPEG: orientation, colour models, shrinking decode, damage.

mod support;

use gristmill_imaging::{Crop, Filter, Fit, Flip, Format, Operation, Recipe, Rotation, Size};
use image::{DynamicImage, imageops};
use support::{
    Jpeg, done, jpeg, open, photo, png, process, psnr, recipe, with_orientation, with_segment,
};
use turbojpeg::{PixelFormat, Subsamp};

fn resize(width: u32, height: u32) -> Operation {
    Operation::resize(Size { width, height })
}

#[test]
fn every_orientation_comes_out_upright_and_says_so_no_more() {
    // Sides that are even, odd, and not a multiple of a block.
    for (width, height) in [(64, 48), (37, 51)] {
        let picture = DynamicImage::from(photo(width, height));
        let stored = jpeg(&picture.to_rgb8());
        let shown = open(&stored);
        for value in 1..=8u8 {
            let expected = match value {
                2 => shown.fliph(),
                3 => shown.rotate180(),
                4 => shown.flipv(),
                5 => shown.rotate90().fliph(),
                6 => shown.rotate90(),
                7 => shown.rotate270().fliph(),
                8 => shown.rotate270(),
                _ => shown.clone(),
            };
            let input = with_orientation(&stored, value);
            for format in [Format::Png, Format::Jpeg] {
                let out = done(&input, &[], format);
                let size = (expected.width(), expected.height());
                assert_eq!((out.width, out.height), size);
                assert_eq!((out.source_width, out.source_height), size);
                let ratio = psnr(&open(&out.bytes), &expected);
                assert!(ratio > 36.0, "orientation {value} to {format}: {ratio} dB");
                assert!(!out.bytes.windows(4).any(|four| four == b"Exif"));
            }
        }
    }
}

#[test]
fn operations_see_the_picture_upright() {
    let picture = photo(60, 40);
    let upright = jpeg(&imageops::rotate90(&picture));
    let turned = with_orientation(&jpeg(&picture), 6);
    let operations = [
        vec![Operation::Crop(Crop { width: 20, height: 30, x: 11, y: 7 })],
        vec![resize(50, 100)],
        vec![Operation::Resize {
            width: 30,
            height: 30,
            fit: Fit::Cover,
            filter: Filter::Lanczos3,
        }],
        vec![Operation::Flip(Flip::Vertical), resize(33, 17), Operation::Rotate(Rotation::Quarter)],
    ];
    for operations in operations {
        let one = done(&turned, &operations, Format::Png);
        let other = done(&upright, &operations, Format::Png);
        assert_eq!((one.width, one.height), (other.width, other.height));
        assert!(psnr(&open(&one.bytes), &open(&other.bytes)) > 34.0, "{operations:?}");
    }
}

#[test]
fn samplings_and_scans_of_all_kinds_are_read() {
    let picture = photo(123, 77);
    let samplings = [
        Subsamp::None,
        Subsamp::Sub2x1,
        Subsamp::Sub2x2,
        Subsamp::Sub1x2,
        Subsamp::Sub4x1,
        Subsamp::Sub1x4,
    ];
    for sampling in samplings {
        for (progressive, arithmetic) in [(false, false), (true, false), (false, true)] {
            let input = Jpeg { sampling, progressive, arithmetic, ..Jpeg::default() };
            let out = done(&input.encode(&picture), &[resize(200, 100)], Format::Jpeg);
            let exact = imageops::resize(&picture, 200, 100, imageops::FilterType::Triangle);
            let ratio = psnr(&open(&out.bytes), &exact.into());
            assert!(ratio > 35.0, "{sampling:?} {progressive} {arithmetic}: {ratio} dB");
        }
    }
}

#[test]
fn planes_and_pixels_agree() {
    let input = jpeg(&photo(301, 203));
    for (width, height) in [(512, 512), (150, 101), (77, 61)] {
        let operations = [resize(width, height)];
        // To PNG there are no planes; the same picture then goes through JPEG once more.
        let pixels = done(&input, &operations, Format::Png);
        let reference = done(&pixels.bytes, &[], Format::Jpeg);
        let planes = done(&input, &operations, Format::Jpeg);
        let ratio = psnr(&open(&planes.bytes), &open(&reference.bytes));
        assert!(ratio > 38.0, "{width}x{height}: {ratio} dB");
    }
}

#[test]
fn decoding_smaller_loses_nothing_visible() {
    let picture = photo(1500, 1100);
    let input = jpeg(&picture);
    let exact = imageops::resize(&picture, 160, 120, imageops::FilterType::Triangle);
    let exact = DynamicImage::from(exact);
    let shrunk = |fast| {
        let recipe = Recipe { fast, ..recipe(&[resize(160, 120)], Format::Png) };
        psnr(&open(&process(&input, &recipe).unwrap().bytes), &exact)
    };
    let (full, fast) = (shrunk(false), shrunk(true));
    assert!(full >= 36.0, "{full} dB");
    assert!(fast >= 34.0, "{fast} dB");
}

/// Four inks as Adobe writes them: 255 means none.
#[test]
fn cmyk_is_read_with_adobes_inversion() {
    let inks: [([u8; 4], [u8; 3]); 6] = [
        ([255, 255, 255, 255], [255, 255, 255]),
        ([255, 0, 0, 255], [255, 0, 0]),
        ([0, 255, 0, 255], [0, 255, 0]),
        ([0, 0, 255, 255], [0, 0, 255]),
        ([255, 255, 255, 0], [0, 0, 0]),
        ([255, 128, 0, 128], [128, 64, 0]),
    ];
    for (ink, colour) in inks {
        let input = Jpeg { sampling: Subsamp::None, ..Jpeg::default() };
        let input = input.pixels(&ink.repeat(256), 16, 16, PixelFormat::CMYK);
        for operations in [vec![], vec![resize(8, 8)]] {
            let out = open(&done(&input, &operations, Format::Png).bytes).to_rgb8();
            let found = out.get_pixel(4, 4).0;
            let close = found.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 4);
            assert!(close, "{ink:?} became {found:?}, not {colour:?}");
        }
        let gray = open(&done(&input, &[Operation::Gray], Format::Jpeg).bytes);
        let [r, g, b] = colour.map(f64::from);
        let luma = (0.299 * r + 0.587 * g + 0.114 * b).round() as u8;
        assert!(gray.to_luma8()[(4, 4)].0[0].abs_diff(luma) <= 4);
    }
}

#[test]
fn gray_jpeg_stays_gray() {
    let luma = DynamicImage::from(photo(50, 40)).to_luma8();
    let input = Jpeg { sampling: Subsamp::Gray, ..Jpeg::default() };
    let input = input.pixels(luma.as_raw(), 50, 40, PixelFormat::GRAY);
    let out = done(&input, &[], Format::Jpeg);
    assert!(matches!(open(&out.bytes), DynamicImage::ImageLuma8(_)));
}

#[test]
fn what_follows_the_end_does_not_matter() {
    let whole = jpeg(&photo(100, 80));
    let more = [whole.as_slice(), &[0xff, 0xda, 1, 2, 3], &[0; 999]].concat();
    assert_eq!(done(&more, &[], Format::Jpeg), done(&whole, &[], Format::Jpeg));
}

#[test]
fn a_jpeg_that_ends_early_is_written_with_a_warning() {
    for progressive in [false, true] {
        let whole = Jpeg { progressive, ..Jpeg::default() }.encode(&photo(400, 300));
        let expected = open(&whole);
        for (percent, least) in [(30, 4.0), (60, 8.0), (99, 20.0)] {
            // A thumbnail's end marker is not the picture's.
            let input = with_segment(&whole, 0xe1, b"Exif\0\0.....\xff\xd9..");
            let cut = &input[..input.len() * percent / 100];
            for format in [Format::Jpeg, Format::Png] {
                let out = done(cut, &[], format);
                assert_eq!(out.warnings.len(), 1, "{:?}", out.warnings);
                assert!(out.warnings[0].contains("end early"), "{:?}", out.warnings);
                assert!(psnr(&open(&out.bytes), &expected) > least);
            }
        }
    }
}

#[test]
fn a_jpeg_with_too_little_left_is_refused() {
    let whole = jpeg(&photo(400, 300));
    let scan = whole.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    for end in [3, 20, scan - 3, scan + 1, scan + 14, scan + 16] {
        let error = process(&whole[..end], &Recipe::default()).unwrap_err();
        assert_eq!(error.code(), "image_truncated", "cut at {end}: {error}");
    }
}

#[test]
fn damage_in_the_middle_gives_a_warning_and_no_trace_of_other_images() {
    let mut damaged = jpeg(&photo(400, 300));
    let middle = damaged.len() / 2;
    damaged[middle..middle + 40].fill(0xff);
    damaged[middle + 20..middle + 40].fill(0x55);
    let fresh = process(&damaged, &recipe(&[], Format::Png)).unwrap();
    assert_eq!(fresh.warnings.len(), 1, "{:?}", fresh.warnings);
    let mut workspace = gristmill_imaging::Workspace::new();
    let limits = gristmill_imaging::Limits::default();
    for input in [jpeg(&photo(500, 500)), damaged.clone(), png(photo(444, 333)), damaged] {
        let out =
            gristmill_imaging::process(&mut workspace, &input, &recipe(&[], Format::Png), &limits);
        let out = out.unwrap();
        if !out.warnings.is_empty() {
            assert_eq!(out, fresh);
        }
    }
}

#[test]
fn the_wrong_name_does_not_matter_but_garbage_does() {
    // There is no name here at all: a PNG is a PNG whatever it was called.
    assert_eq!(done(&png(photo(8, 8)), &[], Format::Jpeg).source_format, Format::Png);
    for (input, code) in [
        (&b""[..], "image_empty"),
        (b"<html>not found</html>", "image_unknown_format"),
        (b"\xff\xd8\xff", "image_truncated"),
        (b"\x89PNG\r\n\x1a\n", "image_truncated"),
        (b"GIF89a", "image_truncated"),
        (b"BM", "image_truncated"),
        (b"RIFF\x08\0\0\0WEBP", "image_truncated"),
    ] {
        assert_eq!(process(input, &Recipe::default()).unwrap_err().code(), code, "{input:?}");
    }
}
