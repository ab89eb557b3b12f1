//! Images: made beside each other's threads, refused with a cause, never half there.

use std::fs;
use std::path::Path;

use gristmill_model::attempt::FailureKind;
use gristmill_model::digest::Digest;
use gristmill_model::payload::{Artifact, Payload, Place};
use gristmill_model::pipeline::{Handler, ImagesSpec};
use gristmill_model::wire::Assignment;

use crate::mill::{Mill, assignment};

const RECIPE: &str = r#"{"operations":[{"resize":{"width":4,"height":4}}],"format":"png"}"#;

/// A bitmap of one red pixel.
fn pixel() -> Vec<u8> {
    let mut bytes =
        b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0".to_vec();
    bytes.extend([0; 4]);
    bytes.extend([4, 0, 0, 0]);
    bytes.extend([0; 16]);
    bytes.extend([0, 0, 0xff, 0]);
    bytes
}

fn image(input: Place, output: Option<&Path>) -> Assignment {
    let input = Payload::File(Artifact { name: "grain.bmp".into(), size: 0, place: input });
    let output = output.map(|path| path.to_string_lossy().into_owned());
    let handler = Handler::Images(ImagesSpec { recipe: RECIPE.into() });
    Assignment { input, output, ..assignment(handler) }
}

fn path(path: &Path) -> Place {
    Place::Path(path.to_string_lossy().into_owned())
}

#[tokio::test]
async fn an_image_goes_from_path_to_path() {
    let mut mill = Mill::start().await;
    let (source, target) = (mill.shared("grain.bmp"), mill.shared("out/sub/flour.png"));
    fs::write(&source, pixel()).unwrap();
    let success = mill.succeeds(image(path(&source), Some(&target))).await;
    let bytes = fs::read(&target).unwrap();
    assert!(bytes.starts_with(b"\x89PNG"));
    let size = bytes.len() as u64;
    let artifact = Artifact { name: "flour.png".into(), size, place: path(&target) };
    assert_eq!(success.output, Payload::File(artifact));
    assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn an_image_goes_from_blob_to_blob() {
    let mut mill = Mill::start().await;
    let digest = Digest(*blake3::hash(&pixel()).as_bytes());
    fs::write(mill.blob(&digest), pixel()).unwrap();
    let success = mill.succeeds(image(Place::Blob(digest), None)).await;
    let Payload::File(file) = success.output else { panic!("no file") };
    assert_eq!(file.name, "grain.png");
    let Place::Blob(made) = file.place else { panic!("not a blob") };
    assert!(fs::read(mill.blob(&made)).unwrap().starts_with(b"\x89PNG"));
    assert!(mill.scratch().is_empty());
}

#[tokio::test]
async fn bad_images_are_refused_with_their_cause() {
    let mut mill = Mill::start().await;
    let (source, target) = (mill.shared("bad"), mill.shared("out.png"));
    let cut = &pixel()[..30];
    for (bytes, code) in [
        (&b""[..], "image_empty"),
        (b"not an image at all", "image_unknown_format"),
        (cut, "image_truncated"),
    ] {
        fs::write(&source, bytes).unwrap();
        let failure = mill.fails(image(path(&source), Some(&target))).await;
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Invalid, code));
        assert!(failure.message.contains("/bad: "), "{}", failure.message);
    }
    assert!(!target.exists());
}

#[tokio::test]
async fn what_cannot_be_read_or_written_is_told_apart() {
    let mut mill = Mill::start().await;
    let (source, target) = (mill.shared("grain.bmp"), mill.shared("out.png"));
    let failure = mill.fails(image(path(&source), Some(&target))).await;
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Invalid, "input_unreadable"));
    fs::write(&source, pixel()).unwrap();

    let in_the_way = mill.shared("file");
    fs::write(&in_the_way, "").unwrap();
    let failure = mill.fails(image(path(&source), Some(&in_the_way.join("out.png")))).await;
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Failed, "output_unwritable"));

    let failure = mill.fails(image(path(Path::new("/etc/hostname")), Some(&target))).await;
    assert_eq!(failure.code, "path_not_shared");
    let missing = Digest([7; 32]);
    let failure = mill.fails(image(Place::Blob(missing), None)).await;
    assert_eq!(failure.code, "blob_missing");
}

#[tokio::test]
async fn a_full_disk_leaves_no_part_behind() {
    let mut mill = Mill::start().await;
    let source = mill.shared("grain.bmp");
    fs::write(&source, pixel()).unwrap();
    let folder = mill.shared("locked");
    fs::create_dir(&folder).unwrap();
    // The part file is there already, as a link to the device that is always full.
    let part = folder.join(".out.png.gristmill-a1.part");
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let failure = mill.fails(image(path(&source), Some(&folder.join("out.png")))).await;
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Failed, "disk_full"));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn a_recipe_that_cannot_be_followed_is_refused() {
    let mut mill = Mill::start().await;
    let source = mill.shared("grain.bmp");
    fs::write(&source, pixel()).unwrap();
    let handler = Handler::Images(ImagesSpec { recipe: r#"{"grind":1}"#.into() });
    let failure = mill.fails(Assignment { handler, ..image(path(&source), None) }).await;
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Invalid, "recipe_invalid"));
}
