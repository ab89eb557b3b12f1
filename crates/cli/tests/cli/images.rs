//! `gristmill images` on this machine.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use crate::mill::{Done, bmp, file, finish, gristmill, photo, run, signal, until};

/// A folder `in` with some pictures, one of them damaged, one empty, and a text.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    file(at, "in/a.bmp", &bmp(40, 30, 1));
    file(at, "in/deep/er/b.bmp", &bmp(30, 40, 2));
    file(at, "in/photo.jpg", &photo("camera.jpg"));
    file(at, "in/README.txt", b"no picture");
    folder
}

fn images(folder: &Path, args: &[&str]) -> Done {
    run(gristmill(folder).args(["images", "in", "out"]).args(args))
}

/// Every result by its path below the folder.
fn results(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    // A run may be renaming and making folders while we look.
    for entry in walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok) {
        let name = entry.path().strip_prefix(folder).unwrap().display().to_string();
        if entry.file_type().is_file() && !name.starts_with(".gristmill") {
            found.extend(std::fs::read(entry.path()).ok().map(|bytes| (name, bytes)));
        }
    }
    found
}

#[test]
fn a_folder_goes_through_and_keeps_its_shape() {
    let folder = folder();
    let done = images(folder.path(), &["--resize", "16x16", "--gray", "--flip", "h"]).with_code(0);
    assert!(done.out.contains("3 done, 0 failed, 0 skipped"), "{}", done.out);
    assert!(done.out.contains("1 other file passed over"), "{}", done.out);
    let made = results(&folder.path().join("out"));
    let names: Vec<&str> = made.keys().map(String::as_str).collect();
    assert_eq!(names, ["a.bmp", "deep/er/b.bmp", "photo.jpg"]);
    // The width stands at byte 18 of a BMP.
    assert_eq!(made["a.bmp"][18..26], [16, 0, 0, 0, 16, 0, 0, 0]);
}

#[test]
fn failures_are_named_and_the_rest_is_done() {
    let folder = folder();
    let at = folder.path();
    file(at, "in/empty.jpg", b"");
    file(at, "in/torn.jpg", &photo("camera.jpg")[..300]);
    let done = images(at, &["--resize", "16x16", "--report", "report.json"]).with_code(1);
    assert!(done.out.contains("3 done, 2 failed"), "{}", done.out);
    done.says(&["failed: empty.jpg: the file is empty", "failed: torn.jpg: ", "2 pictures failed"]);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(at.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["summary"]["failed"], 2);
    let rows = report["images"].as_array().unwrap();
    assert_eq!(rows.len(), 5);
    let empty = rows.iter().find(|row| row["source"] == "empty.jpg").unwrap();
    assert_eq!((&empty["state"], &empty["code"]), (&"failed".into(), &"image_empty".into()));
    // Failed ones are tried again, and only they.
    file(at, "in/empty.jpg", &photo("camera.jpg"));
    let done = images(at, &["--resize", "16x16", "--report", "report.csv"]).with_code(1);
    assert!(done.out.contains("1 done, 1 failed, 3 skipped"), "{}", done.out);
    let csv = std::fs::read_to_string(at.join("report.csv")).unwrap();
    assert_eq!(csv.lines().count(), 6, "{csv}");
    assert!(csv.starts_with("source,output,state,code,message,"), "{csv}");
}

#[test]
fn one_at_a_time_and_many_at_once_write_the_same_bytes() {
    let folder = folder();
    let at = folder.path();
    for n in 0..20 {
        file(at, &format!("in/more/{n}.bmp"), &bmp(64 + n, 48, n));
    }
    let mut all = Vec::new();
    for mode in
        [&["--sequential"][..], &["--workers", "1"], &["--workers", "3"], &["--workers", "16"]]
    {
        let out = at.join(format!("out-{}", mode.join("")));
        let args = ["--resize", "33x21", "--format", "jpeg", "--rotate", "90"];
        let done = run(gristmill(at).args(["images", "in"]).arg(&out).args(args).args(mode));
        done.with_code(0);
        all.push(results(&out));
    }
    assert_eq!(all[0].len(), 23);
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_second_run_makes_only_what_is_missing_or_changed() {
    let folder = folder();
    let at = folder.path();
    let again = || images(at, &["--resize", "16x16"]).with_code(0).out;
    assert!(again().contains("3 done"));
    assert!(again().contains("0 done, 0 failed, 3 skipped"));
    let before = results(&at.join("out"));
    std::fs::remove_file(at.join("out/photo.jpg")).unwrap();
    file(at, "out/a.bmp", b"cut");
    assert!(again().contains("2 done, 0 failed, 1 skipped"));
    assert_eq!(results(&at.join("out")), before);
    file(at, "in/a.bmp", &bmp(41, 30, 9));
    assert!(again().contains("1 done, 0 failed, 2 skipped"));
    let forced = images(at, &["--resize", "16x16", "--force"]).with_code(0).out;
    assert!(forced.contains("3 done, 0 failed, 0 skipped"), "{forced}");
    assert!(images(at, &["--resize", "8x8"]).with_code(0).out.contains("3 done"), "another recipe");
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let picture = photo("astronaut.jpg");
    for n in 0..300 {
        file(at, &format!("in/{n:03}.jpg"), &picture);
    }
    let args =
        ["images", "in", "out", "--resize", "700x700", "--filter", "lanczos3", "--workers", "2"];
    let count = || results(&at.join("out")).keys().filter(|name| !name.contains(".part")).count();
    for (kill, enough) in [(libc::SIGKILL, 10), (libc::SIGKILL, 40), (libc::SIGINT, 80)] {
        let mut child = gristmill(at)
            .args(args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        until("some results", || count() >= enough || child.try_wait().unwrap().is_some());
        signal(child.id(), kill);
        let done = finish(child);
        assert!(count() < 300, "the run ended before it was killed");
        if kill == libc::SIGINT {
            done.says(&["Finishing what is running", "Run the same command again"]);
            done.with_code(130);
        }
    }
    let before = count() as u64;
    let done = run(gristmill(at).args(args).arg("--json")).with_code(0).json();
    let (made, skipped) = (&done["summary"]["done"], &done["summary"]["skipped"]);
    assert_eq!(made.as_u64().unwrap() + skipped.as_u64().unwrap(), 300);
    // What ran at a kill may have been placed and not recorded: two workers, two kills.
    assert!(skipped.as_u64().unwrap() + 4 >= before && skipped.as_u64().unwrap() >= 80, "{done}");
    let made = results(&at.join("out"));
    assert_eq!(made.len(), 300, "nothing half-written is left behind");
    assert!(made.values().all(|bytes| *bytes == made["000.jpg"]));
}

#[test]
fn two_sources_of_one_result_are_refused_by_name() {
    let folder = folder();
    file(folder.path(), "in/photo.bmp", &bmp(4, 4, 4));
    let done = images(folder.path(), &["--format", "jpeg"]).with_code(3);
    done.says(&["photo.bmp and photo.jpg would both become photo.jpg", "hint: ", "--exclude"]);
    assert!(results(&folder.path().join("out")).is_empty(), "nothing was started");
    images(folder.path(), &["--format", "jpeg", "--exclude", "*.bmp"]).with_code(0);
}

#[test]
fn a_name_that_lies_gets_its_true_ending() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "in/really-a-bmp.jpg", &bmp(9, 9, 3));
    images(folder.path(), &["--flip", "v"]).with_code(0);
    let made = results(&folder.path().join("out"));
    assert!(made["really-a-bmp.bmp"].starts_with(b"BM"));
}

#[test]
fn mistakes_are_told_before_anything_is_done() {
    let folder = folder();
    let at = folder.path();
    images(at, &["--resize", "512"]).with_code(2).says(&["512x512"]);
    images(at, &["--resise", "8x8"]).with_code(2).says(&["--resize"]);
    images(at, &["--fit", "cover"]).with_code(2).says(&["hint: add --resize"]);
    images(at, &["--flip", "x"]).with_code(2).says(&["expected h or v"]);
    images(at, &["--report", "report.xml"]).with_code(2).says(&["hint: ", ".csv"]);
    images(at, &["--include", "*.nef"]).with_code(3).says(&["no pictures", "--include"]);
    images(at, &["--workers", "2", "--sequential"]).with_code(2);
    run(gristmill(at).args(["images", "nowhere", "out"]))
        .with_code(3)
        .says(&["nowhere", "no such"]);
    run(gristmill(at).args(["images", "in", "in"])).with_code(2).says(&["both SRC and DST"]);
}

#[test]
fn two_runs_on_one_folder_do_not_meet() {
    let folder = folder();
    let at = folder.path();
    std::fs::create_dir_all(at.join("out/.gristmill")).unwrap();
    let lock = std::fs::File::create(at.join("out/.gristmill/lock")).unwrap();
    lock.lock().unwrap();
    for args in [&[][..], &["--force"]] {
        let done = images(at, args).with_code(10);
        done.says(&["in use", "hint: another `gristmill images`"]);
    }
}
