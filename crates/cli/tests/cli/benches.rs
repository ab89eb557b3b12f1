//! `gristmill bench`: that it measures something. What, is nobody's business on a busy machine.

use crate::mill::{bmp, file, gristmill, run};

#[test]
fn the_queue_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let counts = ["--jobs", "2000", "--singles", "100", "--processes", "20", "--trips", "10"];
    let mut command = gristmill(folder.path());
    let done = run(command.args(["bench", "queue", "--json"]).args(counts)).with_code(0);
    let figures: Vec<serde_json::Value> =
        done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(figures.len(), 9, "{}", done.out);
    assert!(figures.iter().all(|figure| figure["value"].as_f64().unwrap() > 0.0), "{}", done.out);
}

#[test]
fn images_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "in/a.bmp", &bmp(20, 20, 1));
    let args = ["bench", "images", "in", "--copies", "5", "--rounds", "1", "--", "--resize", "4x4"];
    let done = run(gristmill(folder.path()).args(args)).with_code(0);
    assert!(done.out.contains("sequential") && done.out.contains("all cores"), "{}", done.out);
    let none = ["bench", "images", "nothing"];
    run(gristmill(folder.path()).args(none)).with_code(3).says(&["no pictures in nothing"]);
}
