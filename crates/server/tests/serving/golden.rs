//! Data folders of servers of before are opened and answered as they were; see
//! `tests/golden/README.md`. What was answered must still be: a field may come, none may go.

use std::path::{Path, PathBuf};
use std::process::Command;

use gristmill_model::Span;
use gristmill_model::limits::Timing;
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::world::World;

/// Nothing is forgotten, and no worker that is away is given up meanwhile.
fn calm() -> Timing {
    let long = Span::seconds(36_500 * 24 * 3600);
    let grace = Span::seconds(600);
    Timing {
        keep_finished: long,
        lease: grace,
        disconnect_grace: grace,
        restart_grace: grace,
        ..Timing::default()
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A server on a copy of a folder.
fn opened(name: &str, without_tables: bool) -> World {
    let folder = TempDir::new().unwrap();
    let mut tar = Command::new("tar");
    tar.arg("xzf").arg(golden(name).join("data.tar.gz")).arg("--strip-components=1");
    assert!(tar.arg("-C").arg(folder.path()).status().unwrap().success());
    if without_tables {
        for file in ["read.db", "read.db-wal", "read.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(file));
        }
    }
    World::on(folder, calm())
}

/// What is missing in an answer, or other than it was; as a path into it. What a batch waits for is
/// told in the order in which it was submitted, and was in no order that meant anything.
fn differs(was: &Value, is: &Value, at: &str) -> Option<String> {
    match (was, is) {
        (Value::Array(was), Value::Array(is)) if at.ends_with(".after") => {
            let missing = was.iter().find(|was| !is.contains(was));
            missing.map(|missing| format!("{at}: lacks {missing}"))
        }
        (Value::Object(was), Value::Object(is)) => was.iter().find_map(|(key, was)| {
            let at = format!("{at}.{key}");
            differs(was, is.get(key).unwrap_or(&Value::Null), &at)
        }),
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            let pairs = was.iter().zip(is).enumerate();
            pairs.into_iter().find_map(|(n, (was, is))| differs(was, is, &format!("{at}[{n}]")))
        }
        // Of a batch that was forgotten the project was not told; now it is.
        (Value::Null, Value::String(_)) if at.ends_with(".project") => None,
        (was, is) if was == is => None,
        (was, is) => Some(format!("{at}: was {was}\n is {is}")),
    }
}

fn part<'a>(answers: &'a Value, name: &str) -> &'a Map<String, Value> {
    answers[name].as_object().unwrap()
}

async fn answers_as_before(name: &str, without_tables: bool) {
    let mut world = opened(name, without_tables);
    let text = std::fs::read_to_string(golden(name).join("answers.json")).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    let mut wrong: Vec<String> = Vec::new();
    let health = world.get("/healthz").await.ok(200).json();
    for field in ["jobs", "kept_after"] {
        wrong.extend(differs(&told["about"][field], &health[field], &format!("healthz.{field}")));
    }
    for (path, was) in part(&told, "answers") {
        let answer = world.get(path).await;
        wrong.extend(differs(was, &answer.json(), path));
    }
    for (path, was) in part(&told, "ids") {
        let page = world.get(path).await.ok(200);
        let lines = page.text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let items = match page.text.starts_with("{\"items\"") {
            true => page.json()["items"].as_array().unwrap().clone(),
            false => lines.collect(),
        };
        let ids: Value = items.iter().map(|item| item["id"].clone()).collect();
        wrong.extend(differs(&was["ids"], &ids, path));
    }
    for (job, was) in part(&told, "explained") {
        let is = world.get(&format!("/v1/jobs/{job}/explain")).await.ok(200).json();
        for field in ["state", "since", "ahead", "behind"] {
            wrong.extend(differs(&was[field], &is[field], &format!("explain {job} {field}")));
        }
    }
    for (path, was) in part(&told, "logs") {
        let request = world.request(Method::GET, path).header(ACCEPT, "application/x-ndjson");
        let lines = world.send(request).await.ok(200).text;
        let lines: Value =
            lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
        wrong.extend(differs(was, &lines, path));
    }
    world.stop().await;
    assert!(wrong.is_empty(), "{name}, {} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_format_2_is_answered_as_before() {
    answers_as_before("format2", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_format_3_is_answered_as_before() {
    answers_as_before("format3", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_format_3_that_was_killed_is_answered_as_before() {
    answers_as_before("format3-killed", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_format_3_alone_is_answered_as_its_folder() {
    answers_as_before("format3", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_converted_that_know_more_than_their_log() {
    answers_as_before("format3-compacted", false).await;
}
