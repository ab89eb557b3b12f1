//! Results as files: of sessions, of commands, of one job and of many, and fetched again.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::mill::Mill;

/// The example `fake_host`, which cargo has built beside the binary.
pub fn fake_host() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_gristmill"));
    let host = binary.with_file_name("examples").join("fake_host");
    assert!(host.is_file(), "`cargo build -p gristmill-worker --examples` makes {host:?}");
    host
}

impl Mill {
    /// With a worker whose sessions do as their inputs say.
    pub fn with_sessions() -> Mill {
        let mut mill = Mill::server();
        let mut worker = mill.command(&["work", "echo:a", "--name", "miller", "--host"]);
        worker.arg(fake_host());
        mill.join(worker);
        mill
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path))
            .unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    fn value(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path)).unwrap()
    }
}

#[test]
fn the_result_of_a_session_comes_home_as_files() {
    let mill = Mill::with_sessions();
    let submit = |what: &str, more: &[&str]| {
        let what = format!("do={what}");
        mill.run(&[&["submit", "a", "--wait", "--input", &what, "-o", "out"], more].concat())
    };
    let done = submit("files", &[]).with_code(0);
    assert_eq!(done.out, "out/bran.txt\n");
    assert_eq!(mill.text("out/bran.txt"), "bran");
    assert_eq!(
        mill.value("out/result.json"),
        serde_json::json!({ "first": "bran.txt", "second": 2 })
    );

    // What is there is not overwritten, and no work is done to find that out.
    let refused = submit("file", &[]).with_code(3);
    refused.says(&["out/result.json", "--force", "another folder"]);
    assert_eq!(mill.run(&["batch", "--json"]).out.lines().count(), 1);
    let done = submit("file", &["--force", "--json"]).with_code(0).json();
    assert_eq!(done["files"], serde_json::json!(["out/flour.txt", "out/result.json"]));
    assert_eq!(mill.text("out/flour.txt"), "flour");
    assert_eq!(mill.value("out/result.json"), "flour.txt");

    // A value that is too long to travel within a job is a value all the same.
    submit("long", &["--force"]).with_code(0);
    assert_eq!(mill.text("out/result.txt"), "x".repeat(100_000));
    assert_eq!(mill.value("out/result.json").as_str().unwrap().len(), 100_000);
}

#[test]
fn many_results_have_a_folder_each_and_can_be_fetched_again() {
    let mill = Mill::with_sessions();
    let inputs = b"{\"do\":\"file\"}\n{\"do\":\"raise\"}\n{\"do\":\"files\"}\n";
    mill.file("inputs.ndjson", inputs);
    let args = ["submit", "a", "--wait", "--ndjson", "inputs.ndjson", "-o", "out"];
    let done = mill.run(&args).with_code(1);
    assert_eq!(done.out, "out/0/flour.txt\nout/2/bran.txt\n");
    done.says(&["no such prompt", "1 of 3 jobs failed"]);
    assert!(!mill.path().join("out/1").exists());

    // Half of a fetch: the rest is fetched, what is there stays, and what is another is refused.
    let home = |more: &[&str]| mill.run(&[&["results", "b1", "-o", "out"], more].concat());
    std::fs::remove_dir_all(mill.path().join("out/2")).unwrap();
    let kept = std::fs::metadata(mill.path().join("out/0/flour.txt")).unwrap();
    assert_eq!(home(&[]).with_code(1).out, "out/0/flour.txt\nout/2/bran.txt\n");
    assert_eq!(mill.text("out/2/bran.txt"), "bran");
    let again = std::fs::metadata(mill.path().join("out/0/flour.txt")).unwrap();
    assert_eq!(kept.modified().unwrap(), again.modified().unwrap());
    mill.file("out/0/flour.txt", b"somebody's");
    home(&[]).with_code(3).says(&["out/0/flour.txt", "--force", "gristmill results b1 -o out"]);
    assert_eq!(mill.text("out/0/flour.txt"), "somebody's");
    home(&["--force"]).with_code(1);
    assert_eq!(mill.text("out/0/flour.txt"), "flour");

    // One of them alone, and as it is printed.
    assert_eq!(mill.run(&["results", "b1/2", "-o", "one"]).with_code(0).out, "one/bran.txt\n");
    let lines = mill.run(&["results", "b1", "--json"]).with_code(1).out;
    let places = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(places.map(|job| job["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    mill.run(&["results", "b9"]).with_code(4).says(&["b9"]);
}

#[test]
fn the_results_of_commands_are_fetched_in_the_same_way() {
    let mill = Mill::new();
    let made = "echo flour > \"$1\"; echo chaff > \"$GRISTMILL_ARTIFACTS/chaff.txt\"";
    let args = ["submit", "--wait", "-o", "one", "--upload", "--", "sh", "-c", made, "sh"];
    let done = mill.run(&[&args[..], &["{output}"]].concat()).with_code(0);
    let paths: Vec<&str> = done.out.lines().collect();
    assert_eq!(
        (paths.len(), mill.text(paths[0]), paths[1]),
        (2, "flour\n".into(), "one/chaff.txt")
    );
    assert_eq!(mill.text("one/chaff.txt"), "chaff\n");

    let args = ["submit", "--wait", "-o", "two", "--", "echo", "{input}", ":::", "a", "b"];
    assert_eq!(mill.run(&args).with_code(0).out, "two/0/result.txt\ntwo/1/result.txt\n");
    assert_eq!(mill.text("two/1/result.txt"), "b");
}

#[test]
fn results_that_are_not_there_yet_are_not_taken_for_all() {
    let mill = Mill::new();
    let gate = mill.path().join("gate");
    let wait = format!(
        "test {{input}} = quick || until [ -e {} ]; do sleep 0.05; done; echo {{input}}",
        gate.display()
    );
    let args = ["submit", "--shell", "--", &wait, ":::", "quick", "slow"];
    mill.run(&args).with_code(0);
    mill.run(&["results", "b1/0", "--wait"]).with_code(0);
    let early = mill.run(&["results", "b1"]).with_code(5);
    assert_eq!(early.out, "quick\n");
    early.says(&["1 job to go", "b1", "--wait"]);
    mill.file("gate", b"");
    let args = ["results", "b1", "--wait", "--no-progress"];
    assert_eq!(mill.run(&args).with_code(0).out, "quick\nslow\n");
}
