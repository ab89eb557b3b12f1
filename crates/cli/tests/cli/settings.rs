//! Settings: flags, environment, file; and mistakes in them.

use crate::mill::{file, gristmill, run};

#[test]
fn flags_go_before_environment_before_file_before_default() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    file(at, ".config/gristmill/config.toml", b"server = \"http://file:1\"\n[work]\ncpus = 3\n");
    let server = |command: &mut std::process::Command| {
        let done = run(command.args(["config", "show", "--json"])).with_code(0);
        let line = done.out.lines().find(|line| line.contains("\"server\"")).unwrap().to_owned();
        let row: serde_json::Value = serde_json::from_str(&line).unwrap();
        format!("{} {}", row["value"].as_str().unwrap(), row["from"].as_str().unwrap())
    };
    assert!(server(&mut gristmill(at)).starts_with("http://file:1 "));
    let from_env = server(gristmill(at).env("GRISTMILL_SERVER", "http://env:2"));
    assert_eq!(from_env, "http://env:2 GRISTMILL_SERVER");
    let default = server(gristmill(at).args(["--config", "/dev/null"]));
    assert_eq!(default, "http://127.0.0.1:7077 default");
    let flag = run(gristmill(at).args(["jobs", "--server", "http://127.0.0.1:9"])).with_code(7);
    flag.says(&["http://127.0.0.1:9"]);
}

#[test]
fn a_token_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = gristmill(folder.path());
    let done =
        run(command.env("GRISTMILL_TOKEN", "gm_secret").args(["config", "show"])).with_code(0);
    assert!(done.out.contains("(hidden)") && !done.out.contains("gm_secret"), "{}", done.out);
}

#[test]
fn mistakes_are_told_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let told = |text: &str| {
        file(at, "c.toml", text.as_bytes());
        run(gristmill(at).args(["--config", "c.toml", "config", "show"])).with_code(2)
    };
    told("serve.bnd = \"x\"").says(&["unknown setting `serve.bnd`", "did you mean `serve.bind`?"]);
    told("[work]\ncpus = \"many\"").says(&["work.cpus", "a whole number"]);
    told("server = ").says(&["c.toml is not TOML", "line 1"]);
    run(gristmill(at).args(["--config", "gone.toml", "jobs"])).with_code(2).says(&["gone.toml"]);
    run(gristmill(at).env("GRISTMILL_WORK_CPUS", "0").arg("jobs"))
        .with_code(2)
        .says(&["WORK_CPUS"]);
    run(gristmill(at).args(["jbos"])).with_code(2).says(&["jobs"]);
}

#[test]
fn completions_and_help_are_there_for_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let done = run(gristmill(folder.path()).args(["completions", shell])).with_code(0);
        assert!(done.out.contains("submit") && done.out.contains("explain"), "{shell}");
    }
    let help = run(gristmill(folder.path()).arg("--help")).with_code(0).out;
    for verb in [
        "images",
        "serve",
        "work",
        "submit",
        "jobs",
        "batch",
        "logs",
        "results",
        "cancel",
        "retry",
        "explain",
        "workers",
        "backup",
        "devices",
        "doctor",
        "config",
        "completions",
        "bench",
    ] {
        assert!(help.contains(verb), "{verb}");
        let args: &[&str] = &[verb, "--help"];
        run(gristmill(folder.path()).args(args)).with_code(0);
    }
}

#[test]
fn colour_is_never_needed_and_easily_off() {
    let folder = tempfile::tempdir().unwrap();
    let done = run(gristmill(folder.path()).args(["doctor"]));
    assert!(!done.out.contains('\x1b') && !done.err.contains('\x1b'));
    run(gristmill(folder.path()).args(["--color", "red", "doctor"])).with_code(2).says(&["auto"]);
}
