//! The table of problem codes in the documentation is made from the code, and is current.
//! `UPDATE_DOCS=1` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fmt::Write;

use gristmill_model::problem::Code;

#[test]
fn the_documented_table_is_current() {
    let mut text = String::from(
        "# Problem codes\n\n\
         Every error of the API is `application/problem+json` (RFC 9457) with a stable `code`.\n\
         The command line prints the sentence and the way out, and ends with the exit code\n\
         ([all exit codes](exit-codes.md)). Made from `crates/model/src/problem.rs`.\n\n\
         | code | HTTP | exit | what happened | the way out |\n|---|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let (name, status, exit) = (code.as_str(), code.status(), code.exit());
        writeln!(text, "| `{name}` | {status} | {exit} | {} | {} |", code.title(), code.advice())
            .unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/problems.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "run with UPDATE_DOCS=1");
}
