//! Colour profiles: kept where they fit, dropped where they do not, and never in the way.

#![allow(clippy::unwrap_used, reason = "clippy takes only functions marked as tests for tests")]

mod support;

use std::io::Cursor;

use gristmill_imaging::{Format, Limits, Operation, Processed, Recipe, Rotation, Size, Workspace};
use image::codecs::tiff::TiffDecoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use support::{
    Jpeg, done, encode, jpeg, open, photo, png, process, profile, recipe, tagged, tagged_jpeg,
    with_orientation, with_part,
};
use turbojpeg::PixelFormat;

const HOLD: [(Format, ImageFormat); 4] = [
    (Format::Jpeg, ImageFormat::Jpeg),
    (Format::Png, ImageFormat::Png),
    (Format::WebP, ImageFormat::WebP),
    (Format::Tiff, ImageFormat::Tiff),
];

/// The profile in a result, read by decoders that are not under test.
fn kept(out: &Processed) -> Option<Vec<u8>> {
    let bytes = Cursor::new(&out.bytes);
    if out.format == Format::Tiff {
        // Under limits that decoder does not read a profile much longer than the pixels.
        return TiffDecoder::new(bytes).unwrap().icc_profile().unwrap();
    }
    let reader = ImageReader::new(bytes).with_guessed_format().unwrap();
    reader.into_decoder().unwrap().icc_profile().unwrap()
}

fn colour() -> DynamicImage {
    photo(40, 30).into()
}

fn gray() -> DynamicImage {
    DynamicImage::from(colour().to_luma8())
}

#[test]
fn every_format_keeps_it_from_every_other() {
    let profile = profile(b"RGB ", 700);
    let work = [
        vec![],
        vec![
            Operation::resize(Size { width: 16, height: 12 }),
            Operation::Rotate(Rotation::Quarter),
        ],
    ];
    for (from, codec) in HOLD {
        let input = tagged(&colour(), codec, &profile);
        let plain = encode(&colour(), codec);
        for (to, _) in HOLD {
            for operations in &work {
                let out = done(&input, operations, to);
                assert_eq!(out.warnings, [""; 0]);
                assert!(kept(&out).as_ref() == Some(&profile), "{from} to {to}");
                // The pixels are those of the same file without one.
                let bare = done(&plain, operations, to);
                assert_eq!(kept(&bare), None);
                assert_eq!(open(&out.bytes).into_bytes(), open(&bare.bytes).into_bytes());
            }
        }
    }
}

#[test]
fn formats_without_a_place_say_so() {
    let input = tagged(&colour(), ImageFormat::Png, &profile(b"RGB ", 700));
    for to in [Format::Gif, Format::Bmp] {
        let out = done(&input, &[], to);
        assert_eq!(out.warnings.len(), 1, "{to}");
        assert!(out.warnings[0].contains(&to.to_string()), "{}", out.warnings[0]);
    }
    let gray_profile = profile(b"GRAY", 300);
    let out = done(&tagged(&gray(), ImageFormat::Png, &gray_profile), &[], Format::WebP);
    assert_eq!((kept(&out), out.warnings.len()), (None, 1));
    let clear = DynamicImage::from(gray().to_luma_alpha8());
    let input = tagged(&clear, ImageFormat::Png, &gray_profile);
    let out = done(&input, &[], Format::Tiff);
    assert_eq!((kept(&out), out.warnings.len()), (None, 1));
    assert_eq!(kept(&done(&input, &[], Format::Png)), Some(gray_profile));
}

#[test]
fn large_ones_are_cut_into_parts_and_joined() {
    for length in [65_518, 65_519, 65_520, 131_038, 1_000_000] {
        let profile = profile(b"RGB ", length);
        for (_, codec) in HOLD {
            let out = done(&tagged(&colour(), codec, &profile), &[], Format::Jpeg);
            assert_eq!(out.warnings, [""; 0]);
            assert!(kept(&out).as_ref() == Some(&profile), "{length} bytes from {codec:?}");
            // Behind JFIF, which must come first.
            assert_eq!(
                (&out.bytes[2..4], &out.bytes[20..22]),
                (&[0xff, 0xe0][..], &[0xff, 0xe2][..])
            );
            let again = done(&out.bytes, &[], Format::Png);
            assert!(kept(&again).as_ref() == Some(&profile));
        }
    }
}

#[test]
fn parts_are_ordered_by_number_and_must_all_be_there_once() {
    let profile = profile(b"RGB ", 900);
    let (bare, parts) = (jpeg(&photo(40, 30)), profile.chunks(300).collect::<Vec<_>>());
    let file = |order: &[(u8, u8)]| {
        let rest = order.iter().rev();
        rest.fold(bare.clone(), |file, &(number, count)| {
            let part = parts[usize::from(number.clamp(1, 3)) - 1];
            with_part(&file, number, count, part)
        })
    };
    for order in [[(1, 3), (2, 3), (3, 3)], [(3, 3), (1, 3), (2, 3)], [(2, 3), (3, 3), (1, 3)]] {
        let out = done(&file(&order), &[], Format::Jpeg);
        assert_eq!(out.warnings, [""; 0]);
        assert_eq!(kept(&out).as_ref(), Some(&profile), "{order:?}");
    }
    let broken: [&[(u8, u8)]; 8] = [
        &[(1, 3), (3, 3)],
        &[(1, 3)],
        &[(2, 3), (3, 3)],
        &[(1, 3), (2, 3), (2, 3), (3, 3)],
        &[(1, 3), (2, 4), (3, 3)],
        &[(0, 3), (1, 3), (2, 3), (3, 3)],
        &[(4, 3), (1, 3), (2, 3), (3, 3)],
        &[(1, 0)],
    ];
    for order in broken {
        let out = done(&file(order), &[], Format::Jpeg);
        assert_eq!((kept(&out), out.warnings.len()), (None, 1), "{order:?}");
        assert!(out.warnings[0].starts_with("the colour profile was dropped: "));
    }
    let cut = support::with_segment(&bare, 0xe2, b"ICC_PROFILE\0\x01");
    assert_eq!(done(&cut, &[], Format::Jpeg).warnings.len(), 1);
}

#[test]
fn what_is_too_long_is_dropped() {
    let limits = Limits { max_profile_bytes: 1000, ..Limits::default() };
    for (_, codec) in HOLD {
        for (length, fits) in [(1000, true), (1001, false), (100_000, false)] {
            let input = tagged(&colour(), codec, &profile(b"RGB ", length));
            let recipe = recipe(&[], Format::Png);
            let mut workspace = Workspace::new();
            let out = gristmill_imaging::process(&mut workspace, &input, &recipe, &limits).unwrap();
            assert_eq!(kept(&out).is_some(), fits, "{length} bytes in {codec:?}");
            assert_eq!(out.warnings.is_empty(), fits);
        }
    }
}

#[test]
fn gray_keeps_a_gray_one_and_no_other() {
    for (_, codec) in HOLD {
        let input = tagged(&colour(), codec, &profile(b"RGB ", 400));
        for (to, _) in HOLD {
            let out = done(&input, &[Operation::Gray], to);
            assert_eq!((kept(&out), out.warnings.len()), (None, 0), "{codec:?} to {to}");
        }
    }
    for codec in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Tiff] {
        let profile = profile(b"GRAY", 400);
        let input = tagged(&gray(), codec, &profile);
        for to in [Format::Jpeg, Format::Png, Format::Tiff] {
            for operations in [vec![], vec![Operation::Gray]] {
                let out = done(&input, &operations, to);
                assert_eq!(out.warnings, [""; 0]);
                assert!(kept(&out).as_ref() == Some(&profile), "{codec:?} to {to}");
            }
        }
    }
    // One for gray on a picture in colours says nothing about them.
    let input = tagged(&colour(), ImageFormat::Png, &profile(b"GRAY", 400));
    assert_eq!(kept(&done(&input, &[], Format::Png)), None);
}

#[test]
fn cmyk_loses_its_own() {
    for space in [b"CMYK", b"RGB "] {
        let bare = Jpeg::default().pixels(&[90; 16 * 16 * 4], 16, 16, PixelFormat::CMYK);
        let out = done(&tagged_jpeg(&bare, &profile(space, 400)), &[], Format::Jpeg);
        assert_eq!((kept(&out), out.warnings.len()), (None, 0));
    }
    // A profile for inks on a picture without any is a mistake worth a word.
    let input = tagged(&colour(), ImageFormat::Tiff, &profile(b"CMYK", 400));
    let out = done(&input, &[], Format::Tiff);
    assert_eq!((kept(&out), out.warnings.len()), (None, 1));
    assert!(out.warnings[0].contains("CMYK"));
}

#[test]
fn orientation_and_profile_travel_together() {
    let profile = profile(b"RGB ", 400);
    let stored = jpeg(&photo(40, 30));
    for input in [
        tagged_jpeg(&with_orientation(&stored, 6), &profile),
        with_orientation(&tagged_jpeg(&stored, &profile), 6),
    ] {
        let out = done(&input, &[], Format::Jpeg);
        assert_eq!((out.width, out.height), (30, 40));
        assert_eq!(kept(&out).as_ref(), Some(&profile));
    }
}

#[test]
fn damage_costs_the_profile_alone() {
    let length = 400;
    for (_, codec) in HOLD {
        let mut broken = profile(b"RGB ", length);
        broken[36] = b'x';
        let out = process(&tagged(&colour(), codec, &broken), &Recipe::default()).unwrap();
        assert_eq!((kept(&out), out.warnings.len()), (None, 1), "{codec:?}");
    }
    // A byte of the packed profile of a PNG, whose checksum then is wrong.
    let mut input = tagged(&colour(), ImageFormat::Png, &profile(b"RGB ", length));
    let at = input.windows(4).position(|name| name == b"iCCP").unwrap();
    input[at + 40] ^= 1;
    let out = done(&input, &[], Format::Png);
    assert_eq!((kept(&out), out.warnings.len()), (None, 1));
    assert_eq!(open(&out.bytes).into_bytes(), open(&png(colour())).into_bytes());
}
