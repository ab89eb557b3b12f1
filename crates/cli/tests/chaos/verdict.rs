//! What must hold when the fire is out.

use std::collections::BTreeSet;

use crate::fleet::Fleet;

pub async fn nothing_lost_nothing_doubled(fleet: &Fleet, batch: &str, jobs: u64) {
    let found = fleet.get(&format!("/v1/batches/{batch}")).await;
    assert_eq!(found["jobs"], jobs, "every job that was acknowledged is there: {found:#}");
    assert_eq!(found["counts"]["succeeded"], jobs, "and has succeeded: {found:#}");

    let page = fleet.get(&format!("/v1/jobs?filter=batch%3D{batch}&limit=1000")).await;
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len() as u64, jobs);
    let mut seen = BTreeSet::new();
    let (mut tries, mut lost) = (0, 0);
    for item in items {
        let id = item["id"].as_str().unwrap();
        let input = item["input"]["text"].as_str().unwrap();
        assert!(seen.insert(input.to_owned()), "{input} is one job");
        assert_eq!(item["result"]["text"], format!("flour of {input}"), "{id} has its own result");

        let attempts = fleet.get(&format!("/v1/jobs/{id}/attempts")).await;
        let attempts = attempts["items"].as_array().unwrap();
        let ended = |state: &str| attempts.iter().filter(|a| a["state"] == state).count();
        assert_eq!(ended("succeeded"), 1, "{id} is committed once: {attempts:#?}");
        assert_eq!(ended("running"), 0, "{id} has no attempt left over");
        tries += attempts.len();
        lost += ended("lost");
    }
    println!("{jobs} jobs, {tries} attempts, {lost} of them lost to kills");
}
