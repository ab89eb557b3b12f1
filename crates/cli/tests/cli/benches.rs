//! `gristmill bench`: that it measures something. What, is nobody's business on a busy machine.

use crate::mill::{bmp, file, gristmill, run};

#[test]
fn the_queue_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let counts = ["--jobs", "2000", "--singles", "100", "--processes", "20", "--trips", "10"];
    let more = ["--shells", "3", "--live", "2000", "--durability", "system"];
    let mut command = gristmill(folder.path());
    let measure = command.args(["bench", "queue", "--json"]).args(counts).args(more);
    let done = run(measure).with_code(0);
    let figures: Vec<serde_json::Value> =
        done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(figures.len(), 19, "{}", done.out);
    // So few jobs weigh less than what a server's size sways by.
    let sways = |figure: &&serde_json::Value| figure["figure"] != "server: memory by waiting job";
    let is_measured = |figure: &serde_json::Value| figure["value"].as_f64().unwrap() > 0.0;
    assert!(figures.iter().filter(sways).all(is_measured), "{}", done.out);
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
