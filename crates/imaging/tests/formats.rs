//! Every format in and out, and the kinds of pixels each of them may hold.

mod support;

use gristmill_imaging::{
    Format, Limits, Operation, Recipe, Size, Workspace, process as process_in,
};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, Rgba};
use support::{done, encode, open, photo, png, process, psnr};

const CODECS: [(Format, ImageFormat); 6] = [
    (Format::Jpeg, ImageFormat::Jpeg),
    (Format::Png, ImageFormat::Png),
    (Format::WebP, ImageFormat::WebP),
    (Format::Gif, ImageFormat::Gif),
    (Format::Tiff, ImageFormat::Tiff),
    (Format::Bmp, ImageFormat::Bmp),
];

#[test]
fn every_format_becomes_every_other() {
    let picture = DynamicImage::from(photo(40, 30));
    for (from, codec) in CODECS {
        let input = encode(&picture, codec);
        assert_eq!(Format::from_content(&input), Some(from));
        for to in Format::ALL {
            let out = done(&input, &[], to);
            assert_eq!(Format::from_content(&out.bytes), Some(to));
            assert_eq!((out.format, out.source_format), (to, from));
            assert_eq!((out.width, out.height), (40, 30));
            assert_eq!(out.warnings, [""; 0]);
            let ratio = psnr(&open(&out.bytes), &picture);
            assert!(ratio > 27.0, "{from} to {to}: {ratio} dB");
        }
    }
}

#[test]
fn without_a_format_the_source_keeps_its_own() {
    for (format, codec) in CODECS {
        let input = encode(&DynamicImage::from(photo(16, 16)), codec);
        let operations = vec![Operation::Gray, Operation::resize(Size { width: 9, height: 7 })];
        let out = process(&input, &Recipe { operations, ..Recipe::default() }).unwrap();
        assert_eq!(out.format, format);
        let picture = open(&out.bytes).to_rgb8();
        assert_eq!(picture.dimensions(), (9, 7));
        assert!(picture.pixels().all(|p| p[0].abs_diff(p[1]) <= 1 && p[1].abs_diff(p[2]) <= 1));
    }
}

#[test]
fn deep_samples_are_rounded() {
    let deep = vec![0u16, 128, 129, 385, 386, 65_535];
    let gray = ImageBuffer::<Luma<u16>, _>::from_vec(6, 1, deep.clone()).unwrap();
    let colour = ImageBuffer::<Rgb<u16>, _>::from_vec(2, 1, deep).unwrap();
    for codec in [ImageFormat::Png, ImageFormat::Tiff] {
        for input in [gray.clone().into(), DynamicImage::from(colour.clone())] {
            let out = open(&done(&encode(&input, codec), &[], Format::Png).bytes);
            assert_eq!(out.into_bytes(), [0, 0, 1, 1, 2, 255]);
        }
    }
}

#[test]
fn transparency_is_kept_where_it_can_be_and_laid_over_white_elsewhere() {
    let pixels = vec![200, 0, 0, 255, 0, 200, 0, 0, 0, 0, 200, 128, 9, 9, 9, 255];
    let picture = ImageBuffer::<Rgba<u8>, _>::from_vec(2, 2, pixels.clone()).unwrap();
    for to in [Format::Png, Format::WebP, Format::Tiff] {
        let out = open(&done(&png(picture.clone()), &[], to).bytes);
        assert_eq!(out.to_rgba8().into_raw(), pixels, "{to}");
    }
    let flat = open(&done(&png(picture.clone()), &[], Format::Bmp).bytes).to_rgb8();
    assert_eq!(flat.into_raw(), [200, 0, 0, 255, 255, 255, 127, 127, 227, 9, 9, 9]);
    let flat = open(
        &done(&png(picture), &[Operation::resize(Size { width: 64, height: 64 })], Format::Jpeg)
            .bytes,
    );
    assert!(flat.to_rgb8().get_pixel(63, 0).0.iter().all(|&sample| sample > 245));
}

#[test]
fn gray_with_alpha_works_everywhere() {
    let picture = ImageBuffer::<LumaA<u8>, _>::from_vec(2, 1, vec![50, 255, 50, 0]).unwrap();
    for to in Format::ALL {
        let out = open(&done(&png(picture.clone()), &[], to).bytes).to_rgba8();
        assert!(out.get_pixel(0, 0)[0].abs_diff(50) < 12, "{to}: {out:?}");
        if to.holds_alpha() {
            assert_eq!(out.get_pixel(1, 0)[3], 0, "{to}");
        } else {
            assert!(out.get_pixel(1, 0)[0] > 240, "{to}");
        }
    }
}

/// A PNG of palette indices or gray with few bits, written by hand through the `png` layout.
fn small_png(
    bits: u8,
    colour: u8,
    chunks: &[(&[u8; 4], &[u8])],
    row: &[u8],
    width: u32,
) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8; 4], body: &[u8]| {
        file.extend((body.len() as u32).to_be_bytes());
        file.extend(name);
        file.extend(body);
        let sum = crc(&[name.as_slice(), body].concat());
        file.extend(sum.to_be_bytes());
    };
    let header = [&width.to_be_bytes()[..], &1u32.to_be_bytes(), &[bits, colour, 0, 0, 0]].concat();
    chunk(b"IHDR", &header);
    for (name, body) in chunks {
        chunk(name, body);
    }
    // A stored deflate block: filter type 0 and the row.
    let data = [&[0], row].concat();
    let length = data.len() as u16;
    let (mut a, mut b) = (1u32, 0u32);
    for &byte in &data {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let stored = [
        &[0x78, 1, 1],
        &length.to_le_bytes()[..],
        &(!length).to_le_bytes(),
        &data,
        &(b << 16 | a).to_be_bytes(),
    ];
    chunk(b"IDAT", &stored.concat());
    chunk(b"IEND", &[]);
    file
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum: u32, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| sum >> 1 ^ (0xedb8_8320 * (sum & 1)))
    })
}

#[test]
fn palettes_and_single_bits_come_out_as_their_colours() {
    let palette: (&[u8; 4], &[u8]) = (b"PLTE", &[255, 0, 0, 0, 255, 0, 0, 0, 255]);
    let clear: (&[u8; 4], &[u8]) = (b"tRNS", &[255, 0]);
    let input = small_png(8, 3, &[palette, clear], &[0, 1, 2], 3);
    let out = open(&done(&input, &[], Format::Png).bytes).to_rgba8();
    assert_eq!(out.into_raw(), [255, 0, 0, 255, 0, 255, 0, 0, 0, 0, 255, 255]);
    let flat = open(&done(&input, &[], Format::Bmp).bytes).to_rgb8();
    assert_eq!(flat.into_raw(), [255, 0, 0, 255, 255, 255, 0, 0, 255]);
    let bits = small_png(1, 0, &[], &[0b1010_0000], 4);
    assert_eq!(open(&done(&bits, &[], Format::Png).bytes).to_luma8().into_raw(), [255, 0, 255, 0]);
}

#[test]
fn a_png_that_breaks_off_is_a_picture_down_to_there() {
    let whole = DynamicImage::from(photo(200, 150));
    for picture in [whole.clone(), whole.to_luma8().into(), whole.to_rgba8().into()] {
        let input = png(picture.clone());
        let mut damaged = input.clone();
        let middle = input.len() / 2;
        damaged[middle..middle + 30].fill(0x55);
        for broken in [&input[..middle], &input[..input.len() - 20], &damaged] {
            let fresh = done(broken, &[], Format::Png);
            assert_eq!(fresh.warnings.len(), 1);
            let out = open(&fresh.bytes);
            assert_eq!(out.color(), picture.color());
            let upper = |image: &DynamicImage| image.crop_imm(0, 0, 200, 50).into_bytes();
            assert_eq!(upper(&out), upper(&picture), "{:?}", fresh.warnings);
            // No trace of what the workspace did before.
            let mut workspace = Workspace::new();
            let recipe = Recipe { format: Some(Format::Png), ..Recipe::default() };
            for input in [&png(photo(300, 200)), broken] {
                let out = process_in(&mut workspace, input, &recipe, &Limits::default()).unwrap();
                assert!(out.warnings.is_empty() || out == fresh);
            }
        }
        let error = process(&input[..input.len() / 20], &Recipe::default()).unwrap_err();
        assert_eq!(error.code(), "image_truncated");
    }
}

#[test]
fn what_is_missing_of_a_transparent_png_is_transparent() {
    let input = png(DynamicImage::from(photo(200, 150)).to_rgba8());
    let out = done(&input[..input.len() / 2], &[], Format::Png);
    assert!(out.warnings[0].starts_with("the PNG data end early; "), "{:?}", out.warnings);
    assert_eq!(open(&out.bytes).to_rgba8().get_pixel(7, 149).0, [0; 4]);
}
