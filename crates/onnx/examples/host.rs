//! The host as a program of its own, for tests until `gristmill host onnx` calls it:
//! `host describe MODEL` and `host run`, with `--runtime PATH` before either.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gristmill_onnx::{Options, Runtime, describe, inherited_socket, serve};

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let mut runtime = Runtime::default();
    if words.first().is_some_and(|word| word == "--runtime") && words.len() > 1 {
        runtime.library = Some(PathBuf::from(words.remove(1)));
        words.remove(0);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["describe", model] => describe(Path::new(model), &runtime)
            .map(|described| println!("{}", serde_json::to_string(&described).expect("is JSON"))),
        ["run"] => {
            inherited_socket().and_then(|socket| serve(socket, &Options { runtime, threads: None }))
        }
        _ => {
            eprintln!("host [--runtime PATH] describe MODEL | run");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", error.code());
            ExitCode::FAILURE
        }
    }
}
