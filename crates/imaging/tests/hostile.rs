//! Input that lies, and input that is noise: clear errors, no panic, no memory beyond the limit.

#![allow(clippy::unwrap_used, reason = "clippy takes only functions marked as tests for tests")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use gristmill_imaging::{
    Crop, Filter, Fit, Format, ImageError, Limits, Operation, Recipe, Size, Threshold, Workspace,
};
use image::{DynamicImage, ImageFormat};
use proptest::prelude::*;
use support::{Jpeg, encode, jpeg, photo, png, process, profile, tagged, with_orientation};

/// Refuses nothing, but remembers the largest single request: a decoder that trusted a header
/// would show up here (what libjpeg-turbo asks of C's allocator does not; its sizes are checked
/// against the header before).
struct Watched;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn remember(layout: Layout) {
    LARGEST.set(LARGEST.get().max(layout.size()));
}

// SAFETY: hands every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        remember(layout);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        remember(layout);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// The first bytes of a file of each format that declares 60000x60000 pixels.
fn bombs() -> Vec<(Format, Vec<u8>)> {
    let side = 60_000u16;
    let [high, low] = side.to_be_bytes();
    let mut jpeg = jpeg(&photo(16, 16));
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[high, low, high, low]);
    let mut png = png(photo(16, 16));
    png[16..24].copy_from_slice(&[0, 0, high, low, 0, 0, high, low]);
    let gif = [b"GIF89a", &[low, high, low, high, 0, 0, 0][..]].concat();
    let mut bmp = encode(&photo(16, 16).into(), ImageFormat::Bmp);
    bmp[18..26].copy_from_slice(&[low, high, 0, 0, low, high, 0, 0]);
    let entry = |tag: u8, value: u16| {
        let [high, low] = value.to_le_bytes();
        vec![tag, 1, 3, 0, 1, 0, 0, 0, high, low, 0, 0]
    };
    let tags = [entry(0, side), entry(1, side), entry(2, 8), entry(3, 1), entry(6, 1)];
    let strip = [entry(17, 8), entry(22, side), entry(23, 9)];
    let tiff = [&b"II*\0\x08\0\0\0\x08\0"[..], &tags.concat(), &strip.concat(), &[0; 32]].concat();
    // WebP's extended header can say 60000 a side; the simple ones end at 16384.
    let webp = b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x5f\xea\0\x5f\xea\0VP8L\0\0\0\0".to_vec();
    vec![
        (Format::Jpeg, jpeg),
        (Format::Png, png),
        (Format::Gif, gif),
        (Format::Bmp, bmp),
        (Format::Tiff, tiff),
        (Format::WebP, webp),
    ]
}

#[test]
fn a_bomb_is_refused_by_its_header_with_size_and_bound() {
    for (format, bomb) in bombs() {
        LARGEST.set(0);
        let error = process(&bomb, &Recipe::default()).unwrap_err();
        assert_eq!(error.code(), "image_too_large", "{format}: {error}");
        let text = error.to_string();
        assert!(text.contains("60000x60000") && text.contains("256000000"), "{format}: {text}");
        assert!(LARGEST.get() < 1 << 16, "{format} asked for {} bytes", LARGEST.get());
    }
}

#[test]
fn limits_are_named() {
    let input = png(photo(100, 50));
    let refused = |limits: &Limits, recipe: &Recipe| {
        let error = gristmill_imaging::process(&mut Workspace::new(), &input, recipe, limits);
        let error = error.unwrap_err();
        assert_eq!(error.code(), "image_too_large");
        error.to_string()
    };
    let all = Limits::default();
    let keep = Recipe::default();
    assert!(refused(&Limits { max_pixels: 4999, ..all }, &keep).contains("4999 pixels"));
    assert!(refused(&Limits { max_side: 99, ..all }, &keep).contains("99 pixels a side"));
    assert!(refused(&Limits { max_input_bytes: 99, ..all }, &keep).contains("99 bytes of input"));
    assert!(refused(&Limits { max_alloc_bytes: 9999, ..all }, &keep).contains("9999 bytes"));
    let operations = vec![Operation::resize(Size { width: 60_000, height: 60_000 })];
    assert!(refused(&all, &Recipe { operations, ..keep }).contains("60000x60000"));
}

#[test]
fn a_recipe_that_makes_no_sense_is_refused() {
    let keep = Recipe::default();
    let resize =
        Operation::Resize { width: 0, height: 9, fit: Fit::Exact, filter: Filter::Bilinear };
    let crop = Operation::Crop(Crop { width: 0, height: 1, x: 0, y: 0 });
    for recipe in [
        Recipe { quality: 0, ..keep.clone() },
        Recipe { quality: 101, ..keep.clone() },
        Recipe { operations: vec![resize], ..keep.clone() },
        Recipe { operations: vec![crop], ..keep.clone() },
        Recipe { operations: vec![Operation::Gray; 65], ..keep },
    ] {
        let error = process(&png(photo(8, 8)), &recipe).unwrap_err();
        assert_eq!(error.code(), "recipe_invalid", "{error}");
    }
}

#[test]
fn every_cut_of_every_format_gives_an_error_or_a_warned_picture() {
    for (format, input) in samples() {
        for end in 0..input.len() {
            match process(&input[..end], &Recipe::default()) {
                Ok(_) => {}
                Err(ImageError::Codec { what }) => panic!("{format} cut at {end}: {what}"),
                Err(_) => {}
            }
        }
    }
}

#[test]
fn a_chunk_that_declares_gigabytes_gets_none() {
    for name in [b"ICCP", b"EXIF"] {
        let mut input = tagged(&photo(9, 9).into(), ImageFormat::WebP, &profile(b"RGB ", 140));
        let first = input.windows(4).position(|four| four == b"ICCP").unwrap();
        input[first..first + 4].copy_from_slice(b"junk");
        input.extend([&name[..], &[0xf0, 0xff, 0xff, 0xff], b"more"].concat());
        let length = (input.len() as u32 - 8).to_le_bytes();
        input[4..8].copy_from_slice(&length);
        survives(&input, vec![], None);
        let warnings = process(&input, &Recipe::default()).unwrap().warnings;
        assert_eq!(warnings.len(), usize::from(name == b"ICCP"), "{warnings:?}");
    }
}

#[test]
fn a_png_profile_inflates_no_further_than_its_bound() {
    let mut zeros = profile(b"RGB ", 64 << 20);
    zeros[132..].fill(0);
    let input = tagged(&photo(9, 9).into(), ImageFormat::Png, &zeros);
    LARGEST.set(0);
    let out = process(&input, &Recipe::default()).unwrap();
    assert_eq!(out.warnings.len(), 1);
    // The decoder doubles its buffer until it is past the bound.
    assert!(LARGEST.get() < 9 << 20, "{} bytes at once", LARGEST.get());
}

const SAMPLES: usize = 13;

/// A small valid file of each format, and of some kinds within it.
fn samples() -> Vec<(Format, Vec<u8>)> {
    let picture = photo(24, 18);
    let image = DynamicImage::from(picture.clone());
    let deep = DynamicImage::from(image.to_rgba16());
    let tagged = |codec| tagged(&image, codec, &profile(b"RGB ", 140));
    vec![
        (Format::Jpeg, jpeg(&picture)),
        (Format::Jpeg, Jpeg { progressive: true, ..Jpeg::default() }.encode(&picture)),
        (Format::Png, png(image.clone())),
        (Format::Png, png(deep.clone())),
        (Format::WebP, encode(&image, ImageFormat::WebP)),
        (Format::Gif, encode(&image, ImageFormat::Gif)),
        (Format::Tiff, encode(&image, ImageFormat::Tiff)),
        (Format::Tiff, encode(&deep, ImageFormat::Tiff)),
        (Format::Bmp, encode(&image, ImageFormat::Bmp)),
        (Format::Jpeg, tagged(ImageFormat::Jpeg)),
        (Format::Png, tagged(ImageFormat::Png)),
        (Format::WebP, tagged(ImageFormat::WebP)),
        (Format::Tiff, tagged(ImageFormat::Tiff)),
    ]
}

const LIMIT: u64 = 8 << 20;
/// What a decoder's own accounting may miss: a length, a little padding.
const SLACK: u64 = 4096;

fn survives(input: &[u8], operations: Vec<Operation>, format: Option<Format>) {
    let limits = Limits { max_alloc_bytes: LIMIT, max_pixels: 1 << 20, ..Limits::default() };
    let recipe = Recipe { operations, format, ..Recipe::default() };
    LARGEST.set(0);
    let result = gristmill_imaging::process(&mut Workspace::new(), input, &recipe, &limits);
    let largest = LARGEST.get();
    assert!(largest as u64 <= LIMIT + SLACK, "{largest} bytes at once");
    if let Err(ImageError::Codec { what }) = result {
        panic!("{what}");
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let side = 1u32..70;
    let fit = prop_oneof![Just(Fit::Exact), Just(Fit::Contain), Just(Fit::Cover)];
    let filter = prop_oneof![
        Just(Filter::Nearest),
        Just(Filter::Bilinear),
        Just(Filter::CatmullRom),
        Just(Filter::Lanczos3)
    ];
    let texts = ["\"gray\"", r#"{"flip":"vertical"}"#, r#"{"flip":"horizontal"}"#];
    let turns = [r#"{"rotate":90}"#, r#"{"rotate":180}"#, r#"{"rotate":270}"#];
    let plain = texts.into_iter().chain(turns).map(|text| serde_json::from_str(text).unwrap());
    prop_oneof![
        (side.clone(), side.clone(), fit, filter).prop_map(|(width, height, fit, filter)| {
            Operation::Resize { width, height, fit, filter }
        }),
        (side.clone(), side, 0u32..9, 0u32..9)
            .prop_map(|(width, height, x, y)| { Operation::Crop(Crop { width, height, x, y }) }),
        prop::sample::select(plain.collect::<Vec<Operation>>()),
        any::<u8>().prop_map(|level| Operation::Threshold(Threshold::Level(level))),
        Just(Operation::Threshold(Threshold::Otsu)),
    ]
}

fn format() -> impl Strategy<Value = Option<Format>> {
    prop_oneof![Just(None), prop::sample::select(&Format::ALL[..]).prop_map(Some)]
}

proptest! {
    // Failures are shrunk and printed; the seed file would land beside the tests.
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn noise_never_panics(
        which in 0usize..SAMPLES,
        keep in 2usize..40,
        noise in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let (_, sample) = &samples()[which];
        survives(&[&sample[..keep.min(sample.len())], &noise].concat(), vec![], None);
        survives(&noise, vec![], None);
    }

    #[test]
    fn mutations_never_panic(
        which in 0usize..SAMPLES,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let (_, mut input) = samples().swap_remove(which);
        for (index, value) in changes {
            let at = index.index(input.len());
            input[at] = value;
        }
        if cut {
            input.truncate(end.index(input.len()));
        }
        survives(&input, vec![Operation::resize(Size { width: 20, height: 30 })], None);
    }

    #[test]
    fn any_recipe_is_followed_or_refused(
        which in 0usize..SAMPLES,
        (width, height) in (1u32..60, 1u32..60),
        orientation in 0u8..10,
        operations in prop::collection::vec(operation(), 0..6),
        format in format(),
    ) {
        let (source, _) = samples().swap_remove(which);
        let picture = photo(width, height);
        let input = match source {
            Format::Jpeg => with_orientation(&jpeg(&picture), orientation),
            _ => png(picture),
        };
        survives(&input, operations, format);
    }
}
