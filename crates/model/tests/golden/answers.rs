//! One of each thing that HTTP shows.

use super::nouns::*;
use super::*;

pub(super) fn api_values() -> Vec<(&'static str, serde_json::Value)> {
    let value = |value: &dyn erased::Json| value.json();
    let accepted = api::Accepted {
        batch: BatchId(3),
        first_job: JobId(17),
        jobs: 2,
        known: vec![api::KnownJob { index: 1, job: JobId(9) }],
        replayed: false,
        warnings: vec![],
        links: api::Links {
            status: "/v1/batches/b3".into(),
            results: "/v1/batches/b3/results".into(),
            cancel: "/v1/batches/b3/cancel".into(),
            events: "/v1/events?filter=batch%3Db3".into(),
        },
    };
    let batch = api::Batch {
        id: BatchId(3),
        name: None,
        project: Some("default".into()),
        pipeline: "mill".into(),
        actor: "local".into(),
        priority: 0,
        labels: labels(),
        open: false,
        finished: true,
        jobs: 2,
        counts: BTreeMap::from([(JobState::Succeeded, 2)]),
        terms: None,
        unmet: vec![api::Unmet {
            on: Target::Batch(BatchId(2)),
            when: When::Succeeded,
            at: Time(1_795_250_000_000_000),
        }],
        called: Some(api::Called {
            delivered: true,
            detail: "200 OK".into(),
            at: Time(1_795_250_002_000_000),
        }),
        created_at: Time(1_795_250_000_000_000),
        finished_at: Some(Time(1_795_250_001_000_000)),
    };
    let job = api::Job {
        id: JobId(17),
        batch: BatchId(3),
        index: 0,
        pipeline: "mill".into(),
        state: JobState::Failed,
        stage: "sum".into(),
        priority: 0,
        labels: labels(),
        key: None,
        input: Payload::Text("grain".into()),
        output_path: None,
        result: Some(Payload::File(artifact())),
        artifacts: vec![artifact()],
        warnings: vec![],
        failure: Some(failure()),
        attempts: 1,
        created_at: Time(1_795_250_000_000_000),
        started_at: None,
        finished_at: None,
    };
    let attempt = api::Attempt {
        id: AttemptId(21),
        job: JobId(17),
        stage: "sum".into(),
        number: 1,
        worker: WorkerId(2),
        alternative: 1,
        devices: vec!["GPU-1".into()],
        state: api::AttemptState::TimedOut,
        input: Payload::Text("grain".into()),
        output: None,
        failure: Some(failure()),
        usage: Some(usage()),
        leased_at: Time(1_795_250_000_000_000),
        ended_at: None,
    };
    let submitted = api::SubmittedJob {
        job: JobId(17),
        batch: BatchId(3),
        known: true,
        warnings: vec!["no worker could run it".into()],
    };
    let problem = api::Problem::from(&Rejection::new(Code::NoSuchJob, "no job j9"));
    vec![
        ("accepted", value(&accepted)),
        ("batch", value(&batch)),
        ("job", value(&job)),
        ("attempt", value(&attempt)),
        ("problem", value(&problem)),
        ("submitted_job", value(&submitted)),
    ]
}

/// Serializing any value behind one name.
mod erased {
    pub trait Json {
        fn json(&self) -> serde_json::Value;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap()
        }
    }
}
