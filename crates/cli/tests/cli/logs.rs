//! `gristmill logs`: of one job, and of many together.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::Receiver;

use serde_json::Value;

use crate::mill::{Mill, PATIENCE, finish};

/// A command that goes on, and its lines as they come.
fn told(mill: &Mill, args: &[&str]) -> (Child, Receiver<String>) {
    let mut command = mill.command(args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (tells, told) = std::sync::mpsc::channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || out.lines().try_for_each(|line| tells.send(line.unwrap())));
    (child, told)
}

#[test]
fn the_lines_of_a_batch_come_as_they_are_printed() {
    let mill = Mill::new();
    let folder = mill.path().display();
    let line = format!(
        "echo {{input}} begins; until [ -e {folder}/{{input}} ]; do sleep 0.05; done; \
         echo {{input}} ends; echo {{input}} failed >&2; test {{input}} = b"
    );
    let args = ["submit", "--shell", "--retries", "1", "--backoff", "1ms", "--", &line];
    mill.run(&[&args[..], &[":::", "a", "b"]].concat()).with_code(0);
    let (child, lines) = told(&mill, &["logs", "--batch", "b1", "-f"]);
    let line = || lines.recv_timeout(PATIENCE).unwrap();
    let mut begun = [line(), line()];
    begun.sort();
    assert_eq!(begun, ["j1 w1 | a begins", "j2 w1 | b begins"]);
    mill.file("b", b"");
    let mut of_b = [line(), line()];
    of_b.sort();
    assert_eq!(of_b, ["j2 w1 | b ends", "j2 w1 | b failed"]);
    // It fails, and is tried again: that attempt is heard as well.
    mill.file("a", b"");
    let rest: Vec<String> = std::iter::from_fn(|| lines.recv_timeout(PATIENCE).ok()).collect();
    assert_eq!(rest.len(), 5, "{rest:?}");
    assert!(rest.iter().any(|line| line == "j1 w1 | a begins"), "{rest:?}");
    finish(child).with_code(0);

    let all = mill.run(&["logs", "--batch", "b1"]).with_code(0).out;
    assert_eq!(all.lines().count(), 9, "{all}");
    let errors = mill.run(&["logs", "--batch", "b1", "--stream", "err", "--json"]).with_code(0);
    let errors: Vec<Value> =
        errors.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(errors.len(), 3);
    assert!(errors.iter().all(|line| line["stream"] == "stderr" && line["worker"] == "w1"));
    assert_eq!(errors.iter().filter(|line| line["index"] == 0).count(), 2, "both attempts");
    let found = mill.run(&["logs", "--worker", "w1", "--grep", "b ends"]).with_code(0);
    assert_eq!(found.out, "j2 | b ends\n");
}

#[test]
fn where_a_session_failed_is_told_with_what_it_printed() {
    let mill = Mill::with_sessions();
    mill.run(&["submit", "a", "--wait", "--input", "do=raise"]).with_code(1);
    let shown = mill.run(&["logs", "j1"]).with_code(0).out;
    assert!(shown.ends_with("[traceback]\nFile \"app.py\", line 7\n"), "{shown}");
    let line = mill.run(&["logs", "j1", "--json", "--stream", "traceback"]).with_code(0).json();
    assert_eq!(
        (&line["stream"], &line["text"]),
        (&"traceback".into(), &"File \"app.py\", line 7".into())
    );
    // Of a batch of one job nobody asks whose line it is.
    let alone = mill.run(&["logs", "--batch", "b1", "--grep", "app.py"]).with_code(0).out;
    let attempts = mill.run(&["job", "j1", "--json"]).json()["attempts"].as_u64().unwrap();
    let line = "traceback | File \"app.py\", line 7\n";
    assert_eq!(alone, line.repeat(usize::try_from(attempts).unwrap()), "once for each attempt");
}

#[test]
fn what_is_to_be_shown_must_be_clear() {
    let mill = Mill::server();
    mill.run(&["logs"]).with_code(2).says(&["--batch"]);
    mill.run(&["logs", "j1", "--batch", "b1"]).with_code(2).says(&["--batch"]);
    mill.run(&["logs", "--batch", "b1", "--attempt", "a1"]).with_code(2).says(&["--attempt"]);
    mill.run(&["logs", "--batch", "b1", "--stream", "both"]).with_code(2).says(&["traceback"]);
    mill.run(&["logs", "--batch", "b9"]).with_code(4).says(&["b9"]);
    mill.run(&["logs", "--worker", "w9"]).with_code(4).says(&["w9"]);
}
