//! `gristmill images --server`: the same pictures, made by a server's workers.

use std::collections::BTreeMap;
use std::path::Path;

use crate::mill::{Mill, bmp, photo};

fn results(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let found = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let files = found.filter(|entry| entry.file_type().is_file());
    let named = files.map(|entry| {
        let name = entry.path().strip_prefix(folder).unwrap().display().to_string();
        (name, std::fs::read(entry.path()).unwrap())
    });
    named.filter(|(name, _)| !name.starts_with(".gristmill")).collect()
}

#[test]
fn workers_write_what_this_machine_writes() {
    let mill = Mill::new();
    mill.file("in/photo.jpg", &photo("camera.jpg"));
    mill.file("in/torn.jpg", &photo("camera.jpg")[..300]);
    for n in 0..40 {
        mill.file(&format!("in/deep/{n}.bmp"), &bmp(50 + n, 40, n));
    }
    let images = |out: &str, more: &[&str]| {
        let args = ["images", "in", out, "--resize", "24x24", "--format", "jpeg"];
        mill.run(&[&args[..], more].concat()).with_code(1)
    };
    images("here", &[]);
    let modes =
        [("shared", &["--server", &mill.url][..]), ("sent", &["--server", &mill.url, "--upload"])];
    for (out, mode) in modes {
        let done = images(out, mode);
        assert!(done.out.contains("41 done, 1 failed, 0 skipped"), "{}", done.out);
        done.says(&["failed: torn.jpg: "]);
        assert_eq!(results(&mill.path().join(out)), results(&mill.path().join("here")));
        std::fs::remove_file(mill.path().join(out).join("deep/7.jpg")).unwrap();
        let done = images(out, mode);
        assert!(done.out.contains("1 done, 1 failed, 40 skipped"), "{}", done.out);
        assert_eq!(results(&mill.path().join(out)), results(&mill.path().join("here")));
    }
}
