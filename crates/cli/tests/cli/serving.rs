//! `gristmill serve` and `gristmill work`: starting, refusing to start, ending.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use crate::mill::{Mill, gristmill, run, signal, until};

#[test]
fn a_server_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    for verb in [&["jobs"][..], &["workers"], &["batch", "b1"], &["cancel", "j1"]] {
        let done = run(gristmill(folder.path()).args(verb).args(["--server", &url])).with_code(7);
        done.says(&[&url, "connection refused", "hint: start one"]);
    }
    let submit = ["submit", "--server", &url, "--", "true"];
    run(gristmill(folder.path()).args(submit)).with_code(7).says(&[&url]);
    let doctor = run(gristmill(folder.path()).args(["doctor", "--server", &url])).with_code(1);
    assert!(doctor.out.contains("BAD   server"), "{}", doctor.out);
    run(gristmill(folder.path()).args(["jobs", "--server", "mill"]))
        .with_code(2)
        .says(&["http://"]);
}

#[test]
fn a_port_or_a_folder_in_use_is_told() {
    let mill = Mill::server();
    let taken = mill.url.strip_prefix("http://").unwrap().to_owned();
    let done = mill.run(&["serve", "--bind", &taken, "--data", "other"]).with_code(9);
    done.says(&[&taken, "in use", "hint: "]);
    assert!(!done.err.contains("recovered"), "{}", done.err);
    let done = mill.run(&["serve", "--bind", "127.0.0.1:0", "--data", "data"]).with_code(10);
    done.says(&["in use by another gristmill (pid ", "--data"]);
    mill.run(&["serve", "--bind", "nonsense"]).with_code(2).says(&["nonsense", "hint: "]);
    mill.file("plain", b"x");
    mill.run(&["serve", "--bind", "127.0.0.1:0", "--data", "plain"]).with_code(10);
}

#[test]
fn a_signal_ends_a_server_in_order() {
    let mill = Mill::server();
    assert_eq!(mill.stop(), 0);
}

#[test]
fn a_server_beyond_loopback_shows_its_token_once() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut child = gristmill(folder.path())
            .args(["serve", "--bind", "127.0.0.1:0", "--data", "data", "--require-token", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        (child, told)
    };
    let (mut child, told) = start();
    let (url, token) = (told["url"].as_str().unwrap(), told["token"].as_str().unwrap());
    let jobs = |token: &str| {
        run(gristmill(folder.path()).args(["jobs", "--server", url]).env("GRISTMILL_TOKEN", token))
    };
    jobs(token).with_code(0);
    jobs("gm_wrong").with_code(6).says(&["hint: pass --token or GRISTMILL_TOKEN"]);
    let work = ["work", "--server", url, "--token", "gm_wrong"];
    run(gristmill(folder.path()).args(work)).with_code(6);
    signal(child.id(), libc::SIGTERM);
    child.wait().unwrap();
    let (mut child, told) = start();
    assert!(told["token"].is_null(), "shown once");
    signal(child.id(), libc::SIGTERM);
    child.wait().unwrap();
}

#[test]
fn a_worker_finishes_what_it_holds_and_leaves() {
    let mill = Mill::new();
    let gate = mill.path().join("gate");
    let line = format!("until [ -e {} ]; do sleep 0.05; done; echo done", gate.display());
    let batch = mill.run(&["submit", "--", "sh", "-c", &line]).with_code(0).out;
    let show = || mill.run(&["batch", batch.trim(), "--json"]).with_code(0).json();
    until("the job to run", || show()["counts"]["running"] == 1);
    signal(mill.worker_id(), libc::SIGTERM);
    let workers = || mill.run(&["workers", "--json"]).with_code(0).out;
    until("the worker to drain", || workers().contains("\"draining\""));
    mill.file("gate", b"");
    until("the worker to leave", || workers().is_empty());
    assert_eq!(show()["counts"]["succeeded"], 1);
}

#[test]
fn programs_of_another_machine_are_not_run_by_default() {
    let folder = tempfile::tempdir().unwrap();
    // An address for documentation, which nobody answers at (RFC 5737).
    let far = ["work", "--server", "http://192.0.2.1:7077"];
    let done = run(gristmill(folder.path()).args(far).args(["--handlers", "command"])).with_code(2);
    done.says(&["any program", "hint: add --allow-command"]);
    let done = run(gristmill(folder.path()).args(["work", "--handlers", "imges"])).with_code(2);
    done.says(&["unknown handler `imges`", "images"]);
}
