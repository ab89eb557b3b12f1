//! The diagram of a job's states in docs/explanation/states.md is drawn from the code. After a
//! change: `UPDATE_DOCS=1 cargo test -p gristmill-model --test states`.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use gristmill_model::job::{JobState, TRANSITIONS};

const BEGIN: &str = "<!-- drawn from the code: begin -->\n";
const END: &str = "<!-- drawn from the code: end -->\n";

fn diagram() -> String {
    let mut drawn = String::from("```mermaid\nstateDiagram-v2\n");
    for first in [JobState::Scheduled, JobState::Blocked, JobState::Queued] {
        writeln!(drawn, "    [*] --> {first}").unwrap();
    }
    for (from, to, why) in TRANSITIONS {
        writeln!(drawn, "    {from} --> {to}: {why}").unwrap();
    }
    for last in JobState::ALL.into_iter().filter(|state| state.is_final()) {
        writeln!(drawn, "    {last} --> [*]").unwrap();
    }
    drawn.push_str("```\n");
    drawn
}

#[test]
fn the_documented_diagram_is_current() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/explanation/states.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the page has its mark");
    let (_, after) = rest.split_once(END).expect("the page has its mark");
    let current = format!("{before}{BEGIN}{}{END}{after}", diagram());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&page, &current).unwrap();
    }
    assert_eq!(fs::read_to_string(&page).unwrap(), current, "run with UPDATE_DOCS=1");
}

#[test]
fn every_state_can_be_reached_and_left_or_is_final() {
    for state in JobState::ALL {
        let begins = matches!(state, JobState::Scheduled | JobState::Blocked | JobState::Queued);
        assert!(begins || TRANSITIONS.iter().any(|(_, to, _)| *to == state), "{state} is reached");
        assert!(TRANSITIONS.iter().any(|(from, ..)| *from == state) || state.is_final());
        assert!(!state.may_become(state), "{state} cannot become what it is");
    }
    assert!(JobState::ALL.iter().all(|to| !JobState::Succeeded.may_become(*to)));
}
