//! Programs: what they are given, what they leave, and how their end is understood.

use std::fs;

use gristmill_model::attempt::{FailureKind, Outcome};
use gristmill_model::payload::{Artifact, Payload, Place};
use gristmill_model::pipeline::Handler;
use gristmill_model::wire::{Assignment, Stream};
use gristmill_model::{AttemptId, Span, limits};

use crate::mill::{Mill, command, shell};

fn text(success: &gristmill_model::attempt::Success) -> &str {
    match &success.output {
        Payload::Text(text) => text,
        other => panic!("expected text, got {other:?}"),
    }
}

fn with_input(input: &str, assignment: Assignment) -> Assignment {
    Assignment { input: Payload::Text(input.into()), ..assignment }
}

#[tokio::test]
async fn standard_output_is_the_result_and_the_log() {
    let mut mill = Mill::start().await;
    let success = mill.succeeds(with_input("grist", command(&["echo", "{input}", "{job}"]))).await;
    assert_eq!(text(&success), "grist j2");
    assert_eq!(mill.log(Stream::Stdout), "grist j2\n");
    assert!(success.warnings.is_empty() && success.artifacts.is_empty());
    assert!(mill.scratch().is_empty(), "its folder is gone");
}

#[tokio::test]
async fn what_it_took_is_measured() {
    let mut mill = Mill::start().await;
    mill.run(shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")).await;
    let usage = mill.ended().await.usage;
    assert!(usage.cpu > Span::ZERO && usage.wall >= Span::millis(1), "{usage:?}");
}

#[tokio::test]
async fn a_shell_gets_nasty_input_as_one_word() {
    let mut mill = Mill::start().await;
    for nasty in ["it's", "$(echo x)", "`id`; rm -rf .", "a\nb", "\"\\ *", "-n", ""] {
        let success = mill.succeeds(with_input(nasty, shell("printf '%s|' {input} end"))).await;
        assert_eq!(text(&success), format!("{nasty}|end|"));
    }
}

#[tokio::test]
async fn without_a_shell_words_stay_words() {
    let mut mill = Mill::start().await;
    let success =
        mill.succeeds(with_input("a b; $HOME", command(&["printf", "%s", "{input}"]))).await;
    assert_eq!(text(&success), "a b; $HOME");
}

#[tokio::test]
async fn the_environment_is_clean_and_says_who_the_attempt_is() {
    let mut mill = Mill::start().await;
    let mut assignment = command(&["env"]);
    if let Handler::Command(spec) = &mut assignment.handler {
        spec.env.insert("MILLSTONE".into(), "granite".into());
        spec.env.insert("GRISTMILL_JOB".into(), "forged".into());
    }
    let success = mill.succeeds(assignment).await;
    let mut names: Vec<&str> =
        text(&success).lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    let expected = [
        "GRISTMILL_ARTIFACTS",
        "GRISTMILL_ATTEMPT",
        "GRISTMILL_BATCH",
        "GRISTMILL_CPUS",
        "GRISTMILL_JOB",
        "GRISTMILL_STAGE",
        "GRISTMILL_WORKER",
        "HOME",
        "LANG",
        "MILLSTONE",
        "OMP_NUM_THREADS",
        "PATH",
        "PWD",
        "TMPDIR",
        "TZ",
        "USER",
    ];
    assert!(names.iter().all(|name| expected.contains(name)), "{names:?}");
    let said = [
        "MILLSTONE=granite",
        "GRISTMILL_JOB=j2",
        "GRISTMILL_BATCH=b3",
        "GRISTMILL_STAGE=work",
        "GRISTMILL_CPUS=1",
        "OMP_NUM_THREADS=1",
    ];
    for line in said {
        assert!(text(&success).lines().any(|found| found == line), "{line}");
    }
}

#[tokio::test]
async fn an_exit_status_fails_with_the_last_words() {
    let mut mill = Mill::start().await;
    let failure = mill.fails(shell("echo one >&2; echo 'no flour left' >&2; exit 3")).await;
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Failed, "exit_status"));
    assert_eq!(failure.exit_code, Some(3));
    assert!(failure.message.ends_with("ended with status 3: no flour left"), "{}", failure.message);
    assert_eq!(mill.log(Stream::Stderr), "one\nno flour left\n");
}

#[tokio::test]
async fn ends_that_are_no_exit_are_told_apart() {
    let mut mill = Mill::start().await;
    let failure = mill.fails(shell("kill -SEGV $$")).await;
    assert_eq!((failure.code.as_str(), failure.exit_code), ("killed_by_signal", None));
    assert!(failure.message.contains("SIGSEGV"), "{}", failure.message);
    let failure = mill.fails(command(&["no-such-program"])).await;
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Invalid, "program_not_found"));
    let failure = mill.fails(with_input("a\0b", command(&["echo", "{input}"]))).await;
    assert_eq!(failure.code, "bad_argument");
    let failure = mill.fails(command(&["echo", "{inptu}"])).await;
    assert_eq!(failure.code, "unknown_placeholder");
}

#[tokio::test]
async fn a_program_that_is_not_there_says_where_it_was_looked_for() {
    let mut mill = Mill::start().await;
    let flour = mill.shared("flour");
    fs::write(&flour, "no program").unwrap();
    let flour = flour.to_str().unwrap();
    let table = [
        ("no-such-program", "on this worker's PATH"),
        ("./process", "in the attempt's own folder"),
        ("/no/such/program", "on this worker's machine"),
        (flour, "make it executable"),
    ];
    for (program, place) in table {
        let failure = mill.fails(command(&[program])).await;
        assert_eq!(failure.code, "program_not_found");
        assert!(failure.message.contains(place), "{}", failure.message);
    }
}

#[tokio::test]
async fn long_output_is_cut_and_its_end_is_kept() {
    let mut mill = Mill::start().await;
    let line = "seq 1 400000; echo the end";
    let success = mill.succeeds(shell(line)).await;
    assert_eq!(text(&success).len(), limits::TEXT_OUTPUT_BYTES);
    assert!(success.warnings[0].contains("output cut"), "{:?}", success.warnings);
    let log = mill.log(Stream::Stdout);
    assert!(log.len() as u64 <= limits::LOG_BYTES + limits::LOG_TAIL_BYTES as u64);
    assert!(log.starts_with("1\n2\n") && log.ends_with("\n400000\nthe end\n"));
    let said = mill.log(Stream::Worker);
    assert!(said.contains("bytes of output left out here"), "{said}");
}

#[tokio::test]
async fn output_is_passed_on_while_the_program_runs() {
    let mut mill = Mill::start().await;
    let gate = mill.shared("gate");
    let line = format!("echo begun; until [ -e {} ]; do sleep 0.01; done", gate.display());
    mill.run(shell(&line)).await;
    mill.logged("begun").await;
    fs::write(gate, "").unwrap();
    mill.ended().await;
}

#[tokio::test]
async fn an_output_file_is_moved_to_its_place() {
    let mut mill = Mill::start().await;
    let wanted = mill.shared("deep/er/flour.txt");
    let path = wanted.to_string_lossy().into_owned();
    let output = Some(path.clone());
    let success = mill.succeeds(Assignment { output, ..shell("echo flour > {output}") }).await;
    let place = Place::Path(path);
    let artifact = Artifact { name: "flour.txt".into(), size: 6, place };
    assert_eq!(success.output, Payload::File(artifact));
    assert_eq!(fs::read_to_string(&wanted).unwrap(), "flour\n");
    assert_eq!(fs::read_dir(wanted.parent().unwrap()).unwrap().count(), 1, "and nothing beside it");
}

#[tokio::test]
async fn files_travel_as_blobs_where_no_disk_is_shared() {
    let mut mill = Mill::start().await;
    let digest = gristmill_model::digest::Digest(*blake3::hash(b"grist").as_bytes());
    fs::write(mill.blob(&digest), "grist").unwrap();
    let place = Place::Blob(digest);
    let input = Payload::File(Artifact { name: "../../a.txt".into(), size: 5, place });
    let assignment = Assignment { input, ..shell("tr a-z A-Z < {input} > {output}") };
    let Payload::File(file) = mill.succeeds(assignment).await.output else { panic!("no file") };
    assert_eq!((file.name.as_str(), file.size), ("a.txt", 5));
    let Place::Blob(made) = file.place else { panic!("not a blob: {file:?}") };
    assert_eq!(fs::read(mill.blob(&made)).unwrap(), b"GRIST");
    assert!(mill.scratch().is_empty());
}

#[tokio::test]
async fn an_output_that_is_not_written_is_a_failure() {
    let mut mill = Mill::start().await;
    let failure = mill.fails(command(&["true", "{output}"])).await;
    assert_eq!((failure.code.as_str(), failure.exit_code), ("no_output", Some(0)));
    let elsewhere = Some("/etc/flour".into());
    let assignment = Assignment { output: elsewhere, ..shell("echo x > {output}") };
    assert_eq!(mill.fails(assignment).await.code, "path_not_shared");
}

#[tokio::test]
async fn every_attempt_finds_an_empty_folder_of_its_own() {
    let mut mill = Mill::start().await;
    let gate = mill.shared("gate");
    let line = format!("until [ -e {} ]; do sleep 0.01; done", gate.display());
    mill.run(shell(&line)).await;
    for attempt in 2..6 {
        let line =
            "ls -A; ls -A $GRISTMILL_ARTIFACTS; basename $PWD; [ {attempt} != a3 ] || touch x";
        mill.run(Assignment { attempt: AttemptId(attempt), ..shell(line) }).await;
        let ended = mill.ended().await;
        let Outcome::Succeeded(success) = ended.outcome else { panic!("{:?}", ended.outcome) };
        assert_eq!(text(&success), format!("artifacts\na{attempt}"));
    }
    fs::write(gate, "").unwrap();
    mill.ended().await;
    assert!(mill.scratch().is_empty(), "nothing is kept where nothing is to be done");
}

#[tokio::test]
async fn artifacts_are_collected() {
    let mut mill = Mill::start().await;
    let line = "cd $GRISTMILL_ARTIFACTS; echo b > b; echo a > a; mkdir c; ln -s /etc/passwd d";
    let success = mill.succeeds(shell(line)).await;
    let names: Vec<&str> = success.artifacts.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(success.warnings[0].contains("2 entries"), "{:?}", success.warnings);
    let Place::Blob(digest) = &success.artifacts[0].place else { panic!("not a blob") };
    assert_eq!(fs::read(mill.blob(digest)).unwrap(), b"a\n");
}
