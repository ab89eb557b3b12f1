//! Terms, ranges, holding, pausing, limits, and verbs for many jobs, from the shell.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use crate::mill::{Mill, finish, until};

impl Mill {
    pub fn submit(&self, args: &[&str]) -> String {
        self.run(&[&["submit"], args].concat()).with_code(0).out.trim().to_owned()
    }

    fn why(&self, job: &str) -> serde_json::Value {
        self.run(&["explain", job, "--json"]).with_code(0).json()
    }

    pub fn batch(&self, batch: &str) -> serde_json::Value {
        self.run(&["batch", batch, "--json"]).with_code(0).json()
    }
}

#[test]
fn a_million_jobs_are_submitted_as_one_record() {
    let mill = Mill::server();
    let pattern = "data/file_{000000..999999}.tar";
    let args = ["submit", "--json", "--brace", pattern, "--", "./process", "{input}"];
    let accepted = mill.run(&args).with_code(0).json();
    assert_eq!(accepted["jobs"], 1_000_000);
    assert_eq!(mill.why("b1/999999")["job"], "j1000000");
    mill.run(&["cancel", "b1/3"]).with_code(0).says(&["j4 is cancelled"]);
    mill.run(&["hold", "b1/4"]).with_code(0).says(&["j5 is blocked"]);
    mill.run(&["job", "b1/1000000"]).with_code(4).says(&["0 to 999999"]);

    let words = ["--", "echo", "{input}"];
    let jobs = |args: &[&str]| {
        let args = [&["submit", "--json"], args, &words].concat();
        mill.run(&args).with_code(0).json()["jobs"].clone()
    };
    assert_eq!(jobs(&["--range", "0..100..5"]), 21);
    assert_eq!(jobs(&["--range", "3..-3"]), 7);
    assert_eq!(jobs(&["--array", "7"]), 7);
    let bad = mill.run(&[&["submit", "--brace", "{1..99999999999999999999}"], &words[..]].concat());
    bad.with_code(3).says(&["column 1", "hint: write it like --brace"]);
    let bad = mill.run(&[&["submit", "--range", "1..9..-1"], &words[..]].concat());
    bad.with_code(3).says(&["leads away from 9", "hint: write it like --range"]);
    let bad = |option: &str, value: &str| mill.run(&["submit", option, value, "--", "true"]);
    bad("--callback", "mill.lan/done").with_code(2).says(&["http://127.0.0.1:8080/done"]);
    bad("--project", "a b").with_code(2).says(&["--project", "letters, digits"]);
    mill.run(&["submit", "--range", "1-9", "--", "echo"]).with_code(2).says(&["FIRST..LAST"]);
    let both =
        mill.run(&["submit", "--array", "3", "--output", "o{index}", "--", "cp", "{output}"]);
    both.with_code(2).says(&["--output names a place for each job"]);
}

#[test]
fn lines_become_one_list_and_are_worked_off_in_order() {
    let mill = Mill::new();
    let mut command = mill.command(&["submit", "--lines", "-", "--json", "--", "echo", "{input}"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    (0..50_000).for_each(|n| writeln!(stdin, "line {n}").unwrap());
    drop(stdin);
    assert_eq!(finish(child).with_code(0).json()["jobs"], 50_000);
    mill.run(&["cancel", "b1"]).with_code(0);
    mill.file("few.txt", b"one\r\n\ntwo words\n");
    let args = ["submit", "--wait", "--lines", "few.txt", "--", "echo", "{input}"];
    assert_eq!(mill.run(&args).with_code(0).out, "one\ntwo words\n");
    mill.file("empty.txt", b"\n\n");
    let none = mill.run(&["submit", "--lines", "empty.txt", "--", "echo", "{input}"]);
    none.with_code(3).says(&["no line that is an input"]);
}

#[test]
fn terms_are_kept_and_shown() {
    let mill = Mill::new();
    let first = mill.submit(&["--hold", "--project", "lab", "--", "true"]);
    let after = format!("{first}:finished");
    let args = ["--after", &after, "--deadline", "1h", "--limit-key", "user:ada", "--", "true"];
    let second = mill.submit(&args);
    let third =
        mill.submit(&["--delay", "1h", "--expires-in", "2030-01-01T00:00:00Z", "--", "true"]);
    let shown = mill.run(&["batch", &second]).with_code(0).out;
    for words in ["after     b1 has finished", "deadline  20", "(in 59 min", "limit key user:ada"] {
        assert!(shown.contains(words), "`{words}` is not in:\n{shown}");
    }
    let shown = mill.run(&["batch", &first]).with_code(0).out;
    assert!(shown.contains("state     held") && shown.contains("project   lab"), "{shown}");
    assert!(mill.run(&["batch", &third]).out.contains("expires   2030-01-01T"));
    assert_eq!(mill.why(&format!("{third}/0"))["state"], "scheduled");
    let why = mill.run(&["explain", &format!("{first}/0")]).with_code(0).out;
    assert!(why.contains("would help: gristmill release b1"), "{why}");

    mill.run(&["release", &first]).with_code(0).says(&["b1 is released"]);
    until("what waited for it", || mill.batch(&second)["finished"] == true);
    assert_eq!(mill.batch(&first)["counts"], json!({ "succeeded": 1 }));
    // Held while nothing can come of it any more.
    mill.run(&["hold", &first]);
    let shown = mill.run(&["batch", &first]).with_code(0).out;
    assert!(shown.contains("state     finished") && !shown.contains("until somebody"), "{shown}");
    mill.run(&["submit", "--after", "b99", "--", "true"]).with_code(4).says(&["b99"]);
    mill.run(&["submit", "--after", "b1:done", "--", "true"]).with_code(2).says(&["finished"]);
    mill.run(&["submit", "--delay", "soon", "--", "true"]).with_code(2).says(&["500ms"]);
}

#[test]
fn an_open_batch_takes_more_until_it_is_closed() {
    let mill = Mill::new();
    let batch = mill.submit(&["--open", "--", "echo", "{input}"]);
    assert_eq!(mill.batch(&batch)["jobs"], 0);
    mill.run(&["append", &batch, "a", "b"]).with_code(0).says(&["Added 2 jobs"]);
    mill.file("more.txt", b"c\nd\n");
    let last = mill.run(&["append", &batch, "--lines", "more.txt", "--close"]).with_code(0);
    last.says(&["Added 2 jobs to b1, which is closed now"]);
    until("all of it", || mill.batch(&batch)["finished"] == true);
    mill.run(&["append", &batch, "e"]).with_code(5).says(&["closed"]);
    mill.run(&["append", &batch]).with_code(2).says(&["gristmill close b1"]);
    let other = mill.submit(&["--open", "--", "true", ":::", "x"]);
    mill.run(&["close", &other]).with_code(0).says(&["closed with 1 job"]);
}

#[test]
fn work_is_paused_limited_and_shared_out() {
    let mill = Mill::new();
    mill.run(&["pause", "pipeline:inline"]).with_code(0).says(&["is paused"]);
    let batch = mill.submit(&["--", "true"]);
    assert_eq!(mill.why("b1/0")["waits_for"], json!(["pipeline:inline is paused"]));
    mill.run(&["limit", "key:api", "--rate", "100/1m"]).with_code(0);
    let shown = mill.run(&["limits"]).with_code(0).out;
    assert!(shown.contains("pipeline:inline  paused") && shown.contains("100/1m"), "{shown}");
    mill.run(&["resume", "pipeline:inline"]).with_code(0);
    until("the batch", || mill.batch(&batch)["finished"] == true);
    let none = mill.run(&["limit", "key:api", "--none"]).with_code(0);
    assert!(none.out.contains("no limit"), "{}", none.out);
    mill.run(&["limits"]).with_code(0).says(&["Nothing is limited"]);
    mill.run(&["projects", "mice", "--weight", "1"]).with_code(0);
    mill.run(&["pause", "project", "--project", "mice"]).with_code(0);
    let shown = mill.run(&["limits"]).with_code(0).out;
    assert!(shown.contains("mice     project  paused"), "{shown}");
    assert_eq!(mill.run(&["limits", "--json"]).with_code(0).json()["project"], "mice");
    mill.run(&["limits", "--project", "default"]).with_code(0).says(&["Nothing is limited"]);
    let none = ["limit", "project", "--concurrency", "0"];
    mill.run(&none).with_code(2).says(&["pause the scope instead"]);
    mill.run(&["pause", "thumbs"]).with_code(2).says(&["pipeline:NAME"]);
    mill.run(&["limit", "project", "--rate", "0/1s"]).with_code(2).says(&["pause the scope"]);

    mill.run(&["pause", "w1"]).with_code(0).says(&["miller"]);
    let state = || mill.run(&["workers", "--json"]).json()["state"].clone();
    assert_eq!(state(), "paused");
    mill.run(&["resume", "w1"]).with_code(0);
    assert_eq!(state(), "ready");

    mill.run(&["projects", "lab", "--weight", "3"]).with_code(0);
    let shown = mill.run(&["projects"]).with_code(0).out;
    assert!(shown.contains("default") && shown.contains("lab"), "{shown}");
    mill.run(&["projects", "nobody"]).with_code(4).says(&["nobody"]);
}

#[test]
fn workers_give_labels_and_named_resources() {
    let mut mill = Mill::server();
    let worker = ["work", "--cpus", "2", "--label", "gpu=a100", "--named", "licence=1.5"];
    mill.join(mill.command(&worker));
    let shown = mill.run(&["workers"]).with_code(0).out;
    assert!(shown.contains("gpu=a100 licence=1.5"), "{shown}");
    let wants = ["--require", "gpu=a100", "--named", "licence=1", "--prefer", "rack=3"];
    let done = mill.run(&[&["submit", "--wait"], &wants[..], &["--", "echo", "ran"]].concat());
    assert_eq!(done.with_code(0).out, "ran\n");
    let or = ["submit", "--wait", "--cpus", "64", "--or", "cpus=1,licence=0.5", "--", "echo", "or"];
    assert_eq!(mill.run(&or).with_code(0).out, "or\n");

    let greedy = ["submit", "--named", "licence=9", "--", "true"];
    mill.run(&greedy).with_code(0).says(&["warning: ", "licence"]);
    let shape = ["workers", "declare", "big-1", "--cpus", "32", "--named", "licence=4"];
    mill.run(&shape).with_code(0);
    mill.run(&greedy).with_code(3).says(&["licence", "declare a worker"]);
    assert!(mill.run(&["workers", "declared"]).with_code(0).out.contains("licence=4"));
    let forgotten = mill.run(&["workers", "forget", "big-1", "--json"]).with_code(0);
    assert_eq!(forgotten.json(), json!({ "forgotten": "big-1" }));
    let unknown = mill.run(&["workers", "forget", "big-1"]).with_code(4);
    unknown.says(&["big-1", "workers declared"]);
    mill.run(&["submit", "--or", "cpus", "--", "true"]).with_code(2).says(&["cpus=8,memory=4GiB"]);
}

#[test]
fn a_filter_names_a_project() {
    let mill = Mill::server();
    mill.submit(&["--project", "lab", "--array", "3", "--", "echo", "{input}"]);
    mill.submit(&["--project", "lab", "--", "true"]);
    mill.submit(&["--", "true"]);
    let count = |filter: &str| {
        mill.run(&["jobs", "--filter", filter, "--json"]).with_code(0).out.lines().count()
    };
    assert_eq!(
        [count("project=lab"), count("project!=lab"), count("project=lab,default")],
        [4, 1, 5]
    );
    let done = mill.run(&["cancel", "--filter", "project=lab state=queued", "--yes"]).with_code(0);
    done.says(&["Cancelled 4 jobs"]);
    assert_eq!([count("state=cancelled"), count("state=queued project=default")], [4, 1]);
    mill.run(&["jobs", "--filter", "project=nobody"]).with_code(4).says(&["nobody", "hint: "]);
}

#[test]
fn many_jobs_are_steered_by_a_filter() {
    let mill = Mill::server();
    let words = ["--label", "user=ada", "--", "echo", "{input}", ":::", "a", "b", "c"];
    mill.submit(&words);
    mill.submit(&["--", "true"]);
    let cancel = ["cancel", "--filter", "label.user=ada"];
    // Nobody is there to ask: nothing is done, and how many it would be is told.
    mill.run(&cancel).with_code(2).says(&["cancel 3 jobs?", "--yes"]);
    let yes = |verb: &str| mill.run(&[verb, "--filter", "label.user=ada", "--yes"]).with_code(0);
    yes("cancel").says(&["Cancelled 3 jobs"]);
    yes("cancel").says(&["Cancelled 0 jobs"]);
    yes("retry").says(&["Queued again: 3 jobs"]);
    assert_eq!(mill.why("j1")["state"], "queued");
    assert_eq!(mill.why("j4")["state"], "queued");
    let json = mill.run(&[&cancel[..], &["--yes", "--json"]].concat()).with_code(0).json();
    assert_eq!(json, json!({ "jobs": 3, "forgotten": 0 }));
    mill.run(&["cancel"]).with_code(2).says(&["--filter", "j17"]);
    mill.run(&["retry"]).with_code(2).says(&["--filter", "j17"]);
    mill.run(&["cancel", "j1", "--filter", "id>j0"]).with_code(2);
    mill.run(&["cancel", "--filter", "", "--yes"]).with_code(3).says(&["id>j0"]);
}

#[test]
fn what_came_of_a_call_is_shown() {
    let mill = Mill::new();
    let listens = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/done", listens.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::Read;
        let (mut caller, _) = listens.accept().unwrap();
        let _ = caller.read(&mut [0; 4096]);
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        caller.write_all(answer.as_bytes()).unwrap();
    });
    let batch = mill.submit(&["--callback", &url, "--", "true"]);
    until("the call", || !mill.batch(&batch)["called"].is_null());
    let shown = mill.run(&["batch", &batch]).with_code(0).out;
    assert!(shown.contains(&format!("callback  {url}")), "{shown}");
    assert!(shown.contains("called    delivered: "), "{shown}");
}
