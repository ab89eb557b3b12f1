//! What must hold when the fire is out: every acknowledged job has exactly one committed result,
//! and the API and what the jobs' own programs wrote tell one story.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use futures::{StreamExt, stream};
use serde_json::Value;

use crate::fleet::Fleet;
use crate::load::Acknowledged;

/// Requests at once.
const REQUESTS: usize = 8;

/// What was counted.
#[derive(Debug, Default)]
pub struct Tally {
    pub jobs: u64,
    pub attempts: u64,
    /// Attempts that ended without a word of their worker.
    pub lost: u64,
    /// Programs that ran, as they say themselves.
    pub runs: u64,
}

/// The attempts of all jobs: whose each is, and which of them was committed.
#[derive(Default)]
struct Told {
    owner: HashMap<String, String>,
    committed: HashMap<String, String>,
    inputs: HashMap<String, String>,
    tally: Tally,
}

/// Judges every acknowledged batch by the API, and against the effects if their file is given. No
/// other batches may be there.
pub async fn judge(fleet: &Fleet, all: &[Acknowledged], effects: Option<&Path>) -> Tally {
    let tally = judge_some(fleet, all, effects).await;
    let listed = fleet.lines("/v1/jobs").await.len() as u64;
    assert_eq!(listed, tally.jobs, "nobody's jobs are there that were never acknowledged");
    tally
}

/// The same where others submit too, in other ways.
pub async fn judge_some(fleet: &Fleet, some: &[Acknowledged], effects: Option<&Path>) -> Tally {
    let mut told = Told::default();
    for acknowledged in some {
        judge_batch(fleet, acknowledged, &mut told).await;
    }
    if let Some(effects) = effects {
        told.tally.runs = judge_effects(&std::fs::read_to_string(effects).unwrap(), &told);
    }
    told.tally
}

/// All batches that the server shows, with the first of their inputs and the number of their jobs.
pub async fn batches(fleet: &Fleet) -> Vec<Acknowledged> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = fleet.get(&format!("/v1/batches?limit=1000{after}")).await;
        for batch in page["items"].as_array().unwrap() {
            let id = batch["id"].as_str().unwrap();
            after = format!("&after={id}");
            let rows = fleet.lines(&format!("/v1/jobs?filter=batch%3D{id}")).await;
            let input = rows[0]["input"]["text"].as_str().unwrap();
            let first = input["grain-".len()..].parse().unwrap();
            found.push(Acknowledged { batch: id.to_owned(), first, jobs: rows.len() as u64 });
        }
        if page["has_more"] != true {
            return found;
        }
    }
}

async fn judge_batch(fleet: &Fleet, acknowledged: &Acknowledged, told: &mut Told) {
    let Acknowledged { batch, first, jobs } = acknowledged;
    let found = fleet.get(&format!("/v1/batches/{batch}")).await;
    assert_eq!(found["jobs"], *jobs, "every job that was acknowledged is there: {found:#}");
    assert_eq!(found["counts"]["succeeded"], *jobs, "and has succeeded: {found:#}");

    let rows = fleet.lines(&format!("/v1/jobs?filter=batch%3D{batch}")).await;
    let expected: HashSet<String> = (*first..first + jobs).map(|n| format!("grain-{n}")).collect();
    let inputs: HashSet<String> =
        rows.iter().map(|job| job["input"]["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(rows.len() as u64, *jobs, "each job once");
    assert_eq!(inputs, expected, "no input is missing");
    let mut histories = stream::iter(rows.into_iter().map(async |job| {
        let id = job["id"].as_str().unwrap().to_owned();
        let attempts = fleet.get(&format!("/v1/jobs/{id}/attempts")).await;
        (job, attempts["items"].as_array().unwrap().clone())
    }))
    .buffer_unordered(REQUESTS);
    while let Some((job, attempts)) = histories.next().await {
        judge_job(&job, &attempts, told);
    }
}

fn judge_job(job: &Value, attempts: &[Value], told: &mut Told) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (id, input) = (text(&job["id"]), text(&job["input"]["text"]));
    for (number, attempt) in (1..).zip(attempts) {
        assert_eq!(attempt["number"], number, "{id}: numbered without a gap: {attempts:#?}");
        let other = told.owner.insert(text(&attempt["id"]), id.clone());
        assert_eq!(other, None, "{} is used twice", attempt["id"]);
    }
    let ids: Vec<u64> = attempts.iter().map(|a| text(&a["id"])[1..].parse().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{id}: later attempts are newer: {ids:?}");
    let ended = |state: &str| attempts.iter().filter(|a| a["state"] == state).count();
    assert_eq!(ended("succeeded"), 1, "{id} is committed once: {attempts:#?}");
    let last = attempts.last().unwrap();
    assert_eq!(last["state"], "succeeded", "{id}: nothing follows: {attempts:#?}");
    let committed = text(&last["id"]);
    let result = &job["result"]["text"];
    assert_eq!(*result, format!("{input} by {committed}"), "{id} has the committed result");
    told.tally.jobs += 1;
    told.tally.attempts += attempts.len() as u64;
    told.tally.lost += ended("lost") as u64;
    told.committed.insert(id.clone(), committed);
    told.inputs.insert(id, input);
}

/// What the programs wrote: each line is an input, a job and an attempt. Returns how many ran.
fn judge_effects(lines: &str, told: &Told) -> u64 {
    let mut ran = HashSet::new();
    for line in lines.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [input, job, attempt] = words[..] else { panic!("not a line of ours: {line}") };
        assert!(ran.insert(attempt), "{attempt} ran twice");
        assert_eq!(told.owner.get(attempt).map(String::as_str), Some(job), "{attempt}'s job");
        assert_eq!(told.inputs[job], input, "{job} worked on its own input");
    }
    for (job, attempt) in &told.committed {
        assert!(ran.contains(attempt.as_str()), "{job} is committed by {attempt}, which ran");
    }
    ran.len() as u64
}
