//! Clients: they submit batches under idempotency keys and remember what was acknowledged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fleet::{Fleet, PATIENCE};

/// Each job's program says in a file that it ran, as which attempt, in one short write that no
/// other can come between. Then it gives its result, which names the attempt too.
const PROGRAM: &str = "printf '%s %s %s\\n' \"$0\" \"$1\" \"$2\" >> \"$TMPDIR/effects\"; \
                       printf '%s by %s' \"$0\" \"$2\"";

/// A batch that a server has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    pub batch: String,
    /// Its inputs are `grain-FIRST` and so on.
    pub first: u64,
    pub jobs: u64,
}

/// Why there is no acknowledgement.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// Nobody answered.
    #[error("{0}")]
    Broken(reqwest::Error),
    /// The server said that it cannot.
    #[error("{0}: {1}")]
    Refused(StatusCode, Value),
}

/// One client.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Where batches are submitted.
    url: String,
    blobs: String,
    /// Labels of 500 bytes that each job carries, where much is to be written.
    ballast: usize,
}

impl Client {
    pub fn of(fleet: &Fleet) -> Client {
        let (url, blobs) = (fleet.url("/v1/batches"), fleet.url("/v1/blobs"));
        Client { http: fleet.http().clone(), url, blobs, ballast: 0 }
    }

    /// The same client, whose jobs carry so many labels.
    pub fn with_ballast(self, ballast: usize) -> Client {
        Client { ballast, ..self }
    }

    pub fn carries_ballast(&self) -> bool {
        self.ballast > 0
    }

    /// Submits jobs once.
    pub async fn try_submit(&self, first: u64, jobs: u64) -> Result<Acknowledged, Unheard> {
        let labels: BTreeMap<String, String> =
            (0..self.ballast).map(|n| (format!("{n:0250}"), "x".repeat(250))).collect();
        let inputs: Vec<_> = (first..first + jobs)
            .map(|n| json!({ "input": format!("grain-{n}"), "labels": labels }))
            .collect();
        let argv = ["sh", "-c", PROGRAM, "{input}", "{job}", "{attempt}"];
        let body = json!({
            "stages": [{ "name": "grind", "handler": { "command": { "argv": argv } } }],
            "jobs": inputs,
        });
        let request = self.http.post(&self.url).header("Idempotency-Key", format!("from {first}"));
        let answer = request.json(&body).send().await.map_err(Unheard::Broken)?;
        let status = answer.status();
        let said: Value = answer.json().await.map_err(Unheard::Broken)?;
        if !status.is_success() {
            return Err(Unheard::Refused(status, said));
        }
        Ok(Acknowledged { batch: said["batch"].as_str().unwrap().to_owned(), first, jobs })
    }

    /// Submits jobs under one key, again and again until they are acknowledged, and then once
    /// more, as a client does that never heard the answer.
    pub async fn submit(&self, first: u64, jobs: u64) -> Acknowledged {
        let heard = self.until_acknowledged(first, jobs).await;
        assert_eq!(self.until_acknowledged(first, jobs).await, heard, "one key, one batch");
        heard
    }

    /// Stores bytes on a server that is well.
    pub async fn store(&self, bytes: Vec<u8>) {
        let stored = self.http.post(&self.blobs).body(bytes).send().await.unwrap();
        assert!(stored.status().is_success(), "{}", stored.text().await.unwrap());
    }

    /// Waits until all jobs of a batch are final.
    pub async fn wait_for(&self, batch: &str, deadline: Instant) {
        loop {
            let request = self.http.get(format!("{}/{batch}?wait=2s", self.url));
            let found: Value = request.send().await.unwrap().json().await.unwrap();
            if found["finished"] == true {
                return;
            }
            assert!(Instant::now() < deadline, "not finished in time: {found:#}");
        }
    }

    async fn until_acknowledged(&self, first: u64, jobs: u64) -> Acknowledged {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.try_submit(first, jobs).await {
                Ok(heard) => return heard,
                Err(Unheard::Refused(status, said)) if status != 503 => {
                    panic!("refused: {status} {said}")
                }
                Err(why) => assert!(Instant::now() < deadline, "no answer: {why}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
