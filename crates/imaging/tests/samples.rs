//! The repository's own photographs, where they are there: every one of them goes through.

mod support;

use std::fs;
use std::path::Path;

use gristmill_imaging::{Filter, Fit, Format, Operation, Size};
use support::{done, open, psnr};

#[test]
fn every_sample_is_processed_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/photos");
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("no photographs at {}; nothing to check", folder.display());
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let Ok(bytes) = fs::read(&path) else { continue };
        if Format::from_content(&bytes).is_none() {
            continue;
        }
        let resize = Operation::resize(Size { width: 512, height: 512 });
        let out = done(&bytes, &[resize], Format::Jpeg);
        assert_eq!((out.width, out.height), (512, 512));
        assert!(out.warnings.is_empty(), "{}: {:?}", path.display(), out.warnings);
        let small = Operation::Resize {
            width: 96,
            height: 96,
            fit: Fit::Contain,
            filter: Filter::Bilinear,
        };
        // Shrunk by the decoder where it can be, against the whole way in full.
        let full = done(&bytes, &[], Format::Png);
        let exact = done(&full.bytes, &[small], Format::Png);
        let quick = done(&bytes, &[small], Format::Png);
        let ratio = psnr(&open(&quick.bytes), &open(&exact.bytes));
        assert!(ratio >= 34.0, "{}: {ratio} dB", path.display());
    }
}
