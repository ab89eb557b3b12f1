//! Looking at jobs and steering them.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::mill::{Mill, PATIENCE, finish, until};

impl Mill {
    /// Submits a shell line and gives the job's id.
    fn job(&self, line: &str) -> String {
        let batch = self.run(&["submit", "--", "sh", "-c", line]).with_code(0).out;
        let done = self.run(&["jobs", "--batch", batch.trim(), "--json"]).with_code(0);
        done.json()["id"].as_str().unwrap().to_owned()
    }

    fn state(&self, job: &str) -> String {
        let done = self.run(&["job", job, "--json"]).with_code(0);
        done.json()["state"].as_str().unwrap().to_owned()
    }
}

#[test]
fn output_is_followed_while_it_is_written() {
    let mill = Mill::new();
    let gate = mill.path().join("gate");
    let job = mill.job(&format!(
        "echo first; until [ -e {} ]; do sleep 0.05; done; echo last",
        gate.display()
    ));
    let mut command = mill.command(&["logs", "-f", &job]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (tells, told) = std::sync::mpsc::channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || out.lines().try_for_each(|line| tells.send(line.unwrap())));
    let line = || told.recv_timeout(PATIENCE).ok();
    assert_eq!(line().as_deref(), Some("first"), "told while the job runs");
    assert_eq!(mill.state(&job), "running");
    mill.file("gate", b"");
    assert_eq!(line().as_deref(), Some("last"));
    finish(child).with_code(0);
    assert_eq!(line(), None);
    assert_eq!(mill.run(&["logs", &job]).with_code(0).out, "first\nlast\n");
}

#[test]
fn what_each_attempt_took_and_printed_is_shown() {
    let mill = Mill::new();
    let line = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo $GRISTMILL_ATTEMPT; \
                echo why >&2; exit 3";
    let policy = ["--retries", "1", "--backoff", "1ms", "--wait"];
    mill.run(&[&["submit"], &policy[..], &["--", "sh", "-c", line]].concat()).with_code(1);
    let whole = mill.run(&["job", "j1", "--json"]).with_code(0).json();
    assert_eq!((&whole["attempts"], &whole["attempt_list"][1]["id"]), (&2.into(), &"a2".into()));
    let shown = mill.run(&["job", "j1"]).with_code(0).out;
    let heading = shown.lines().find(|line| line.starts_with("ATTEMPT")).unwrap();
    assert!(heading.contains("CPU") && heading.contains("MEMORY"), "{shown}");
    let took = whole["attempt_list"][0]["usage"]["cpu"].as_str().unwrap();
    assert!(took != "0s" && shown.lines().any(|line| line.starts_with("a1 ")), "{shown}");

    assert_eq!(mill.run(&["logs", "j1"]).with_code(0).out, "a2\nwhy\n");
    assert_eq!(mill.run(&["logs", "j1", "--attempt", "a1"]).with_code(0).out, "a1\nwhy\n");
    mill.run(&["logs", "j1", "--attempt", "a9"]).with_code(4).says(&["a9", "gristmill job"]);
    let lines = |more: &[&str]| {
        let done = mill.run(&[&["logs", "j1", "--json"], more].concat()).with_code(0);
        let lines = done.out.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<serde_json::Value>>()
    };
    for more in [&["--attempt", "a1"][..], &["--attempt", "a1", "-f"]] {
        let said = lines(more);
        let told = |stream: &str, text: &str| {
            said.iter().any(|line| {
                line["attempt"] == "a1" && line["stream"] == stream && line["text"] == text
            })
        };
        assert!(told("stdout", "a1") && told("stderr", "why"), "{said:?}");
        assert!(said.iter().all(|line| line["job"] == "j1" && line["at"].is_string()), "{said:?}");
    }
}

#[test]
fn what_runs_is_cancelled_and_queued_again() {
    let mill = Mill::new();
    let job = mill.job("echo $$ > pid; exec sleep 600");
    until("the job to run", || mill.state(&job) == "running");
    mill.run(&["retry", &job]).with_code(5).says(&["hint: "]);
    mill.run(&["cancel", &job]).with_code(0);
    until("the job to end", || mill.state(&job) == "cancelled");
    mill.run(&["retry", &job]).with_code(0);
    until("the job to run again", || mill.state(&job) == "running");
    let batch = mill.run(&["job", &job, "--json"]).json()["batch"].as_str().unwrap().to_owned();
    mill.run(&["cancel", &batch]).with_code(0).says(&["1 job"]);
    until("the job to end", || mill.state(&job) == "cancelled");
    let done = mill.run(&["job", &job]).with_code(0);
    assert!(done.out.contains("a2"), "both attempts are shown: {}", done.out);
}

#[test]
fn a_job_that_waits_says_why() {
    let mill = Mill::server();
    let job = mill.job("true");
    let done = mill.run(&["explain", &job]).with_code(0);
    assert!(done.out.contains("queued") && done.out.contains("worker"), "{}", done.out);
    let json = mill.run(&["explain", &job, "--json"]).with_code(0).json();
    assert_eq!(json["state"], "queued");
}

#[test]
fn lists_are_filtered_and_cut() {
    let mill = Mill::server();
    mill.run(&["jobs", "--limit", "0"]).with_code(2).says(&["1 or more"]);
    for _ in 0..3 {
        mill.job("true");
    }
    let done = mill.run(&["jobs", "--state", "queued", "--limit", "2"]).with_code(0);
    assert_eq!(done.out.lines().count(), 3, "a heading and two rows: {}", done.out);
    done.says(&["There are more"]);
    assert_eq!(mill.run(&["jobs", "--filter", "id>j2", "--json"]).out.lines().count(), 1);
    assert_eq!(mill.run(&["batch", "--json"]).with_code(0).out.lines().count(), 3);
    mill.run(&["jobs", "--filter", "colour=red"]).with_code(2).says(&["unknown field `colour`"]);
    mill.run(&["jobs", "--state", "done"]).with_code(2).says(&["expected one of scheduled"]);
}

#[test]
fn what_is_not_there_is_named() {
    let mill = Mill::server();
    mill.run(&["job", "j99"]).with_code(4).says(&["j99", "hint: "]);
    mill.run(&["batch", "b99"]).with_code(4).says(&["b99"]);
    mill.run(&["cancel", "j99"]).with_code(4);
    mill.run(&["explain", "b1"]).with_code(2).says(&["`b1` is not a job id"]);
    mill.run(&["cancel", "17"]).with_code(2).says(&["like j17"]);
}
