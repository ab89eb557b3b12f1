//! `gristmill submit`: inputs of every kind, results in order, mistakes told at once.

use std::io::Write;
use std::process::Stdio;

use crate::mill::{Mill, file, finish, run};

#[test]
fn results_come_in_the_order_of_the_inputs() {
    let mill = Mill::new();
    mill.file("a.bin", b"aa");
    mill.file("b.bin", b"bb");
    let args = ["submit", "--wait", "--", "sha256sum", "{input}", ":::", "a.bin", "b.bin"];
    let done = mill.run(&args).with_code(0);
    let names: Vec<&str> = done.out.lines().map(|line| line.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["a.bin", "b.bin"]);
    assert!(
        done.out.starts_with("961b6dd3ede3cb8ecbaacbd68de040cd78eb2ed5889130cceb4c49268ea4d506")
    );

    // The first takes longest: what is done is held back until its turn has come.
    let sleep = "sleep \"$0\"; echo \"$0\"";
    let args = ["submit", "--wait", "--", "sh", "-c", sleep, "{input}", ":::", "0.5", "0", "0.1"];
    assert_eq!(mill.run(&args).with_code(0).out, "0.5\n0\n0.1\n");
}

#[test]
fn files_travel_as_bytes_when_asked_and_come_home() {
    let mill = Mill::new();
    mill.file("deep/a.txt", b"grain");
    let args = ["submit", "--wait", "--upload", "-o", "home", "--", "cp", "{input}", "{output}"];
    let done = mill.run(&[&args[..], &[":::", "deep/a.txt"]].concat()).with_code(0);
    let came = std::fs::read(mill.path().join(done.out.trim())).unwrap();
    assert_eq!(came, b"grain");

    let args = ["submit", "--wait", "--output", "made/{stem}-{index}.out", "--", "cp", "{input}"];
    let done = mill.run(&[&args[..], &["{output}", ":::", "deep/a.txt"]].concat()).with_code(0);
    assert!(done.out.trim().ends_with("made/a-0.out"), "{}", done.out);
    assert_eq!(std::fs::read(mill.path().join("made/a-0.out")).unwrap(), b"grain");

    let text =
        mill.run(&["submit", "--wait", "--text", "--", "echo", "{input}", ":::", "deep/a.txt"]);
    assert_eq!(text.with_code(0).out, "deep/a.txt\n");
}

#[test]
fn what_is_here_is_found_from_the_folder_of_an_attempt() {
    use std::os::unix::fs::PermissionsExt;
    let mill = Mill::new();
    // A folder that braces and templates would read something into.
    let user = mill.path().join("it's {input} {1..2},x");
    let script = file(&user, "process", b"#!/bin/sh\ncat \"$1\"\n");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    file(&user, "data/1.tar", b"one");
    file(&user, "data/2.tar", b"two");
    let submit = |words: &[&str]| {
        let words = [&["submit", "--wait"], words].concat();
        run(mill.command(&words).current_dir(&user))
    };
    let brace = ["--brace", "data/{1..2}.tar"];
    let run_it = ["--", "./process", "{input}"];
    assert_eq!(submit(&[&brace[..], &run_it].concat()).with_code(0).out, "one\ntwo\n");
    let shell = submit(&[&brace[..], &["--shell"], &run_it].concat());
    assert_eq!(shell.with_code(0).out, "one\ntwo\n");
    let given = submit(&[&run_it[..], &[":::", "data/2.tar"]].concat());
    assert_eq!(given.with_code(0).out, "two\n");

    let told = ["--brace", "data/{1..2}.tar", "--text", "--", "echo", "{input}"];
    assert_eq!(submit(&told).with_code(0).out, "data/1.tar\ndata/2.tar\n");
    let upload = submit(&["--upload", told[0], told[1], "--", "echo", "{input}"]);
    upload.with_code(0).says(&["warning: --brace", "--shared-disk"]);
    let gone = ["--brace", "data/{8..9}.tar", "--", "echo", "{input}"];
    assert_eq!(submit(&gone).with_code(0).out, "data/8.tar\ndata/9.tar\n");
    submit(&["--", "./gone"]).with_code(1).says(&["./gone", "own folder", "absolute path"]);
}

#[test]
fn lines_values_and_lists_are_inputs() {
    let mill = Mill::new();
    mill.file("list.json", br#"["one", {"two": 2}]"#);
    mill.file("values.ndjson", b"{\"a\":[1]}\n\n\"text\"\n");
    let echo = ["--", "echo", "{input}"];
    let run = |source: &[&str]| {
        mill.run(&[&["submit", "--wait"], source, &echo].concat()).with_code(0).out
    };
    assert_eq!(run(&["--json-list", "list.json"]), "one\n{\"two\":2}\n");
    assert_eq!(run(&["--ndjson", "values.ndjson"]), "{\"a\":[1]}\ntext\n");

    let mut command =
        mill.command(&["submit", "--wait", "--json", "--lines", "-", "--", "echo", "{input}"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for n in 0..500 {
        writeln!(stdin, "line {n}").unwrap();
    }
    drop(stdin);
    let done = finish(child).with_code(0);
    let results: Vec<String> = done
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|job| job["result"]["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(results, (0..500).map(|n| format!("line {n}")).collect::<Vec<_>>());
}

#[test]
fn failures_are_told_and_retries_are_made() {
    let mill = Mill::new();
    let done = mill.run(&["submit", "--wait", "--", "sh", "-c", "exit 7"]).with_code(1);
    done.says(&["failed", "status 7", "1 of 1 job failed"]);
    let policy = ["--retries", "2", "--backoff", "1ms", "--retry-on", "failed"];
    let tries = "echo x >> tries; test $(wc -l < tries) -ge 3 && echo third"
        .replace("tries", mill.path().join("tries").to_str().unwrap());
    let words = ["--", "sh", "-c", &tries];
    let done = mill.run(&[&["submit", "--wait"], &policy[..], &words].concat()).with_code(0);
    assert_eq!(done.out, "third\n");
    let done = mill.run(&["submit", "--wait", "--timeout", "200ms", "--", "sleep", "60"]);
    done.with_code(1).says(&["failed"]);
}

#[test]
fn the_command_line_is_judged_before_anything_is_sent() {
    let mill = Mill::server();
    mill.run(&["submit"]).with_code(2).says(&["nothing to run", "hint: "]);
    mill.run(&["submit", "--", "cat", "{input}"]).with_code(2).says(&["no inputs", ":::"]);
    mill.run(&["submit", "--", "cat", "{inptu}"]).with_code(3).says(&["{inptu}", "{input}"]);
    mill.run(&["submit", "--", "echo", ":::"]).with_code(2).says(&["followed by nothing"]);
    mill.run(&["submit", "--lines", "gone", "--", "echo", "{input}"]).with_code(3).says(&["gone"]);
    mill.file("bad.ndjson", b"1\n{\n");
    let done = mill.run(&["submit", "--ndjson", "bad.ndjson", "--", "echo", "{input}"]);
    done.with_code(3).says(&["line 2 of bad.ndjson is not JSON"]);
    let jobs = mill.run(&["jobs", "--state", "queued,running", "--json"]).with_code(0);
    assert_eq!(jobs.out, "", "nothing of it is left in the queue");
}

#[test]
fn a_pipeline_is_defined_shown_and_run() {
    let mill = Mill::new();
    mill.run(&["pipelines"]).with_code(0).says(&["gristmill pipelines define FILE"]);
    let stage = |name: &str, word: &str| {
        let argv = serde_json::json!(["echo", word, "{input}"]);
        serde_json::json!({ "name": name, "handler": { "command": { "argv": argv } } })
    };
    let spec = serde_json::json!({ "name": "twice", "stages": [stage("a", "1"), stage("b", "2")] });
    mill.file("twice.json", spec.to_string().as_bytes());
    let defined = mill.run(&["pipelines", "define", "twice.json"]).with_code(0);
    defined.says(&["twice is version 1: 2 stages"]);
    let same = mill.run(&["pipelines", "define", "twice.json", "--json"]).with_code(0).json();
    assert_eq!((&same["version"], &same["spec"]["name"]), (&1.into(), &"twice".into()));
    assert!(mill.run(&["pipelines"]).with_code(0).out.contains("a, b"));
    assert!(mill.run(&["pipelines", "show", "twice"]).with_code(0).out.contains("echo 2 {input}"));
    assert_eq!(mill.run(&["pipelines", "--json"]).with_code(0).json()["spec"]["name"], "twice");
    mill.run(&["pipelines", "show", "gone"]).with_code(4).says(&["gone", "pipelines define"]);
    mill.file("bad.json", br#"{ "stages": [] }"#);
    mill.run(&["pipelines", "define", "bad.json"]).with_code(3).says(&["bad.json", "`name`"]);

    let twice = ["submit", "--wait", "--pipeline", "twice"];
    let submit = |words: &[&str]| mill.run(&[&twice[..], words].concat());
    for words in [&[":::", "x", "y"][..], &["--", ":::", "x", "y"], &[":::", "x", "y", "--text"]] {
        let done = submit(words).with_code(0);
        assert_eq!(done.out.split_whitespace().collect::<Vec<_>>(), ["2", "1", "x", "2", "1", "y"]);
    }
    let lab = ["--project", "lab"];
    let of_lab = |words: &[&str]| mill.run(&[words, &lab[..]].concat());
    let shared = of_lab(&["submit", "--wait", ":::", "x", "--pipeline", "twice"]).with_code(0);
    assert_eq!(shared.out.trim(), "2 1 x", "what a project has not is the default project's");
    let spec = serde_json::json!({ "name": "twice", "stages": [stage("a", "own")] });
    mill.file("own.json", spec.to_string().as_bytes());
    of_lab(&["pipelines", "define", "own.json"]).with_code(0);
    assert_eq!(submit(&[&lab[..], &[":::", "x"]].concat()).with_code(0).out.trim(), "own x");
    assert_eq!(submit(&[":::", "x"]).with_code(0).out.trim(), "2 1 x");
    let theirs = spec.to_string().replace("twice", "theirs");
    mill.file("theirs.json", theirs.as_bytes());
    of_lab(&["pipelines", "define", "theirs.json"]).with_code(0);
    let elsewhere = mill.run(&["submit", "--pipeline", "theirs", ":::", "x"]).with_code(4);
    elsewhere.says(&["no pipeline `theirs`"]);
    let shown = mill.run(&[&["pipelines", "--json"], &lab[..]].concat()).with_code(0);
    assert!(shown.out.contains("theirs"), "{}", shown.out);

    let own = mill.run(&["submit", "twice", "--wait", "--vram", "8GiB", ":::", "x"]).with_code(2);
    own.says(&["--vram", "`twice`", "gristmill pipelines define", "gristmill work"]);
    submit(&["--retries", "3", ":::", "x"]).with_code(2).says(&["--retries", "`twice`"]);
    submit(&["--", "echo"]).with_code(2).says(&["`twice`", "leave one of them out"]);
    submit(&[":::", "x", "--", ":::", "y"]).with_code(2).says(&["given twice"]);
    mill.run(&["submit", "echo", "x"]).with_code(2).says(&["unexpected argument `x`", "`--`"]);
    let before = ["submit", "--wait", ":::", "x", "--", "echo", "{input}"];
    assert_eq!(mill.run(&before).with_code(0).out, "x\n");
}

#[test]
fn one_key_makes_one_batch() {
    let mill = Mill::server();
    let args = ["submit", "--key", "once", "--label", "user=ada", "--", "true"];
    let first = mill.run(&args).with_code(0);
    let second = mill.run(&args).with_code(0);
    assert_eq!(first.out, second.out);
    second.says(&["known by its key"]);
    let done = mill.run(&["jobs", "--filter", "label.user=ada", "--json"]).with_code(0);
    assert_eq!(done.out.lines().count(), 1);
    mill.run(&["submit", "--key", "once", "--", "false"]).with_code(5).says(&["once"]);
}

#[test]
fn a_pipeline_takes_named_inputs_and_says_at_once_what_is_wrong_with_them() {
    let mill = Mill::server();
    let signature = r#"{"input":{"type":"object","properties":{"prompt":{"type":"string"},
        "steps":{"type":"integer","default":20},"start":{"x-gristmill":"image"}},
        "required":["prompt"],"additionalProperties":false},"output":{}}"#;
    let session = serde_json::json!({ "name": "draw", "signature": signature });
    let stages = serde_json::json!([{ "name": "draw", "handler": { "session": session } }]);
    let spec = serde_json::json!({ "name": "draw", "stages": stages });
    mill.file("draw.json", spec.to_string().as_bytes());
    mill.file("rye.png", b"grain");
    mill.run(&["pipelines", "define", "draw.json"]).with_code(0);

    let named = ["submit", "draw", "--input", "prompt=5", "--input", "steps=7"];
    let done = mill.run(&[&named[..], &["--input", "start=@rye.png"]].concat()).with_code(0);
    let job = mill.run(&["job", &format!("{}/0", done.out.trim()), "--json"]).with_code(0).json();
    let input: serde_json::Value =
        serde_json::from_str(job["input"]["json"].as_str().unwrap()).unwrap();
    assert_eq!((&input["prompt"], &input["steps"]), (&"5".into(), &7.into()));
    assert_eq!(input["start"]["$blob"]["name"], "rye.png");
    assert_eq!(input["start"]["$blob"]["size"], 5);

    mill.run(&["submit", "draw", "--input", "promt=x"]).with_code(3).says(&["`promt`", "`prompt`"]);
    mill.run(&["submit", "draw", "--input", "steps=many"]).with_code(3).says(&["steps=many"]);
    mill.run(&["submit", "dram", "--input", "a=b"]).with_code(4).says(&["dram"]);
    let twice = ["submit", "draw", "--input", "prompt=a", "--input", "prompt=b"];
    mill.run(&twice).with_code(2).says(&["twice"]);
    mill.run(&["submit", "--input", "a=b", "--", "true"]).with_code(2).says(&["pipeline"]);
    mill.run(&["submit", "draw", "--input", "prompt=a", ":::", "b"]).with_code(2);
    mill.run(&["submit", "draw", "--", "true"]).with_code(2).says(&["draw", "command"]);
    mill.run(&["submit", "draw", ":::", "a mill", "a field"]).with_code(0);
    mill.run(&["sessions"]).with_code(0).says(&["No sessions"]);
}

#[test]
fn gpus_are_booked_and_missing_ones_are_told() {
    let mill = Mill::server();
    let args = ["submit", "--gpu", "0.5", "--vram", "8GiB", "--or", "gpu=1", "--", "true"];
    let batch = mill.run(&args).with_code(0).out;
    let why = mill.run(&["explain", &format!("{}/0", batch.trim())]).with_code(0);
    assert!(why.out.contains("gpu"), "{}", why.out);
    mill.run(&["submit", "--gpu", "1.5", "--", "true"]).with_code(2).says(&["0.5"]);
}
